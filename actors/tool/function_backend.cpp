#include "actors/tool/function_backend.hpp"

#include "actors/tool/running_stops.hpp"
#include "runtime/net/blocking_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace troupe {
namespace {

/// Attempts that may wait for a thread: those that outlived their timeout hold theirs, and their
/// successors queue behind them.
constexpr std::size_t backlog_max = 10'000;

tool_context context_of(const attempt_request& r, std::stop_token stop) {
  tool_context call;
  call.key = r.key;
  call.invocation = r.invocation;
  call.agent = r.agent;
  call.attempt = r.attempt;
  call.deadline = r.deadline;
  call.stop = std::move(stop);
  return call;
}

} // namespace

result<std::string> call_function(const function_tool& function, const attempt_request& r,
                                  std::stop_token stop) {
  try {
    return function.call(r.body, context_of(r, std::move(stop)));
  } catch (const std::exception& e) {
    return error{errc::internal, fmt::format("'{}' threw: {}", function.name, e.what()),
                 certainty::unknown};
  } catch (...) {
    return error{errc::internal, fmt::format("'{}' threw", function.name), certainty::unknown};
  }
}

namespace {

class inline_backend final : public tool_backend {
public:
  explicit inline_backend(function_tool function) : function_(std::move(function)) {}

  void start(attempt_request request, attempt_done done) override {
    done(call_function(function_, request, {}));
  }
  void cancel(attempt_id) override {} // it is over before anybody can ask

private:
  function_tool function_;
};

class blocking_backend final : public tool_backend {
public:
  blocking_backend(function_tool function, std::size_t threads)
    : function_(std::move(function)),
      pool_({.threads_max = std::min(threads, function_threads_max), .queue_max = backlog_max}) {}

  void start(attempt_request request, attempt_done done) override {
    auto stop = stops_.add(request.id);
    auto id = request.id;
    auto posted = pool_.post([this, r = std::move(request), done, stop] {
      auto outcome = stop.stop_requested()
                       ? result<std::string>{error{errc::cancelled, "cancelled before it began"}}
                       : call_function(function_, r, stop);
      stops_.remove(r.id);
      done(std::move(outcome));
    });
    if (posted)
      return;
    stops_.remove(id);
    done(std::move(posted).error());
  }

  void cancel(attempt_id id) override { stops_.stop(id); }

private:
  function_tool function_;
  running_stops stops_;
  net::blocking_pool pool_; ///< last: its threads use the others
};

} // namespace

std::shared_ptr<tool_backend> make_function_backend(function_tool function, std::size_t threads) {
  if (threads == 0)
    return std::make_shared<inline_backend>(std::move(function));
  return std::make_shared<blocking_backend>(std::move(function), threads);
}

} // namespace troupe
