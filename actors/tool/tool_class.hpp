#pragma once
// Tools that are C++ classes.
//
// A function (function_tool.hpp) does for what is quick. A tool that keeps something, a pool of
// connections or a parsed index, is a class: one object for the process, made at the first call.
//
//     class search final : public troupe::blocking_tool<query, articles> {
//       troupe::result<articles> run(query q, const troupe::tool_context& call) override;
//     };
//     TROUPE_TOOL_CLASS(knowledge, search)
//
// `run` of a `blocking_tool` is called on threads of the tool's own, several at once; it looks at
// `call.stop` where it may take long. One that waits for other services needs no threads: it is a
// coroutine that awaits them, and an attempt that waits costs a frame.
//
//     class weather final : public troupe::async_tool<place, forecast> {
//       troupe::async<troupe::result<forecast>> run(place in, troupe::async_call call) override {
//         auto at = co_await call.tool<position>("geocode", in);
//         if (!at)
//           co_return std::move(at).error();
//         net::http_request get;
//         get.url = url_of(*at);
//         auto got = co_await call.http(std::move(get));
//         ...
//       }
//     };
//     TROUPE_TOOL_CLASS(weather, weather)
//
// In a topology both are `kind = "function"`. Arguments and answers are described structs; the
// schema is made of them, and arguments that do not fit never reach `run`. An exception out of
// `run` is a bug: the call fails with `internal`, nobody else notices.
//
// An async attempt that is cancelled or out of time is destroyed where it waits, its HTTP requests
// are closed: so destructors of its locals must have no effects. All async attempts of one tool run
// on one actor, one at a time between two awaits: what they share needs no lock, and they must not
// block.

#include "actors/tool/function_tool.hpp"
#include "runtime/core/async.hpp"
#include "runtime/net/http_transport.hpp"

#include <caf/event_based_actor.hpp>

#include <memory>
#include <mutex>

namespace troupe {

namespace detail {
struct async_attempt;
}

/// What an async tool may do while it serves a call. Cheap to copy; good until its `run` ends.
class async_call {
public:
  explicit async_call(detail::async_attempt* attempt) : attempt_(attempt) {}

  const tool_context& about() const;

  /// One HTTP request. Its timeout is bounded by what is left of the attempt.
  async<result<net::http_response>> http(net::http_request request) const {
    return send(attempt_, std::move(request));
  }

  /// Calls another tool, through all that guards it. Its idempotency key is this call's with a
  /// number behind it, so a repeat that makes the same calls in the same order repeats the keys.
  template <class Out = raw_json, class In>
  async<result<Out>> tool(std::string name, const In& arguments) const {
    return typed<Out>(attempt_, std::move(name), to_json(arguments));
  }

  /// Asks any actor.
  template <class Reply, class Message>
  auto ask(caf::actor to, std::chrono::milliseconds timeout, Message m) const {
    return troupe::ask<Reply>(self(), std::move(to), timeout, std::move(m));
  }

private:
  caf::event_based_actor* self() const;
  static async<result<net::http_response>> send(detail::async_attempt* a, net::http_request r);
  static async<result<std::string>> call(detail::async_attempt* a, std::string name,
                                         std::string arguments);
  template <class Out>
  static async<result<Out>> typed(detail::async_attempt* a, std::string name,
                                  std::string arguments) {
    auto text = co_await call(a, std::move(name), std::move(arguments));
    if (!text)
      co_return std::move(text).error();
    if constexpr (std::is_same_v<Out, raw_json>) {
      co_return raw_json{std::move(*text)};
    } else {
      auto value = from_json<Out>(*text);
      co_return std::move(value);
    }
  }

  detail::async_attempt* attempt_;
};

/// A tool that blocks its thread.
template <class In, class Out>
class blocking_tool {
public:
  using input_type = In;
  using output_type = Out;

  blocking_tool() = default;
  blocking_tool(const blocking_tool&) = delete;
  blocking_tool& operator=(const blocking_tool&) = delete;
  virtual ~blocking_tool() = default;

  virtual result<Out> run(In in, const tool_context& call) = 0;
};

/// A tool that is a coroutine.
template <class In, class Out>
class async_tool {
public:
  using input_type = In;
  using output_type = Out;

  async_tool() = default;
  async_tool(const async_tool&) = delete;
  async_tool& operator=(const async_tool&) = delete;
  virtual ~async_tool() = default;

  virtual async<result<Out>> run(In in, async_call call) = 0;
};

namespace detail {

/// The one object of a tool class, made when it is first needed.
template <class T>
class tool_object {
public:
  T& get() {
    std::lock_guard lock{mutex_};
    if (!made_)
      made_ = std::make_unique<T>();
    return *made_;
  }

private:
  std::mutex mutex_;
  std::unique_ptr<T> made_;
};

template <class T>
async<result<std::string>> run_async(std::shared_ptr<tool_object<T>> object, std::string arguments,
                                     async_call call) {
  auto in = from_json<typename T::input_type>(arguments);
  if (!in)
    co_return arguments_refused(std::move(in).error());
  auto work = object->get().run(std::move(*in), call);
  auto out = co_await std::move(work);
  if (!out)
    co_return std::move(out).error();
  co_return to_json(*out);
}

template <class T>
concept is_async_tool = std::is_base_of_v<async_tool<typename T::input_type,
                                                     typename T::output_type>, T>;

} // namespace detail

/// Registers the class `T` as the tool `name`.
template <class T>
bool register_tool_class(std::string name, tool_traits traits = {}) {
  using input = typename T::input_type;
  auto object = std::make_shared<detail::tool_object<T>>();
  if constexpr (detail::is_async_tool<T>) {
    auto tool = described_tool<input, typename T::output_type>(std::move(name), std::move(traits));
    tool.start = [object](std::string arguments, async_call call) {
      return detail::run_async<T>(object, std::move(arguments), call);
    };
    register_function(std::move(tool));
    return true;
  } else {
    traits.blocking = true;
    return register_tool(
      std::move(name),
      [object](input in, const tool_context& call) -> result<typename T::output_type> {
        return object->get().run(std::move(in), call);
      },
      std::move(traits));
  }
}

} // namespace troupe

/// Registers a tool class. At namespace scope, in one source file.
#define TROUPE_TOOL_CLASS(name, ...)                                                               \
  [[maybe_unused]] static const bool troupe_tool_class_registered_##name =                         \
    ::troupe::register_tool_class<__VA_ARGS__>(#name);
