#include "runtime/bin/invoking.hpp"

#include "runtime/bin/terminal.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/retry_after.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

/// The server holds a request no longer than its `wait_max`; this is how long one may take in all.
constexpr auto request_wait = 50s;
constexpr auto request_margin = 15s;

/// Between two tries: a server that restarts is back within that.
constexpr auto pause_min = 50ms;
constexpr auto pause_max = 1'000ms;

bool busy(int status) {
  return status == 429 || status == 503 || status == 502 || status == 504;
}

/// Reads an answer that is final.
invoked read_answer(const net::http_response& answer, bool waits) {
  invoked out;
  out.body = answer.body;
  auto body = body_of(answer);
  out.id = text_of(body, "id");
  out.code = exit_of(answer.status);
  if (answer.status == 202) {
    out.code = waits ? exit_unfinished : exit_ok;
  } else if (out.code == exit_ok && text_of(body, "status") == "completed") {
    out.result = text_of(body, "result");
    if (const auto& r = body.at("result"); r.is_string()) // as JSON, with its quotes
      out.result = to_json(out.result);
    if (out.result.empty())
      out.result = "null";
  } else if (out.code == exit_ok) {
    const auto* e = body.as_object().if_contains("error");
    out.code = exit_failed;
    out.problem
      = fmt::format("{}: {}: {}", text_of(body, "status"), e == nullptr ? "" : text_of(*e, "code"),
                    e == nullptr ? "" : printable(text_of(*e, "message")));
  } else {
    out.problem = printable(text_of(body, "detail"));
    if (out.problem.empty())
      out.problem = fmt::format("answered {}", answer.status);
  }
  return out;
}

} // namespace

std::string invoker::preference(steady::time_point since) const {
  if (!options_.wait_seconds)
    return "respond-async";
  auto left = request_wait;
  if (*options_.wait_seconds > 0) {
    auto gone = std::chrono::duration_cast<std::chrono::seconds>(steady::now() - since);
    left = std::clamp(std::chrono::seconds{*options_.wait_seconds} - gone, 0s, request_wait);
  }
  return fmt::format("wait={}", left.count());
}

bool invoker::wait_over(steady::time_point since) const {
  if (!options_.wait_seconds)
    return true;
  return *options_.wait_seconds > 0
         && steady::now() - since >= std::chrono::seconds{*options_.wait_seconds};
}

invoked invoker::invoke(const std::string& input, const std::string& key) const {
  auto path = "/v1/agents/" + escape(options_.agent) + "/invocations";
  auto since = steady::now();
  auto trouble = since; // since when the server is away or busy
  for (auto pause = std::chrono::milliseconds{pause_min};;
       pause = std::min(pause * 2, std::chrono::milliseconds{pause_max})) {
    net::http_headers headers;
    headers.add("Idempotency-Key", key).add("Prefer", preference(since));
    if (!options_.tenant.empty())
      headers.add("Troupe-Tenant", options_.tenant);
    auto answer = client_.post(path, input, std::move(headers), request_wait + request_margin);
    if (answer && !busy(answer->status)) {
      auto out = read_answer(*answer, options_.wait_seconds.has_value());
      if (answer->status != 202 || wait_over(since))
        return out;
      trouble = steady::now();
      pause = pause_min;
      continue;
    }
    if (!answer && answer.error().outcome == certainty::unknown)
      trouble = steady::now(); // it was there until a moment ago
    if (steady::now() - trouble >= options_.timeout) {
      invoked out;
      out.code = exit_unreachable;
      out.problem = fmt::format("{}: {}", client_.server(),
                                answer ? printable(text_of(body_of(*answer), "detail"))
                                       : answer.error().message);
      return out;
    }
    ++repeats_;
    auto wait = pause;
    if (answer)
      wait = std::max(wait, std::min<std::chrono::milliseconds>(
                              net::retry_after(answer->headers, system_time{}.now()).value_or(0ms),
                              options_.timeout));
    std::this_thread::sleep_for(wait);
  }
}

result<std::string> read_file(const std::string& name) {
  if (name == "-")
    return std::string{std::istreambuf_iterator<char>{std::cin}, {}};
  std::ifstream in{name, std::ios::binary};
  if (!in)
    return error{errc::not_found, fmt::format("cannot read {}", name)};
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

result<std::string> read_input(const std::string& given) {
  auto text = given.empty()            ? result<std::string>{std::string{"{}"}}
              : given == "-"           ? read_file("-")
              : given.starts_with('@') ? read_file(given.substr(1))
                                       : result<std::string>{given};
  if (!text)
    return text;
  json_reader in{*text};
  if (!in.skip() || !in.end())
    return error{errc::invalid_input, "--input is not JSON: " + std::move(in).take_error().message};
  return text;
}

std::string fresh_key() {
  system_random chance;
  return fmt::format("cli-{:016x}{:016x}", chance.next(), chance.next());
}

} // namespace troupe::cli
