#pragma once
// Tools that are C++ functions.
//
//     struct query { std::string text; };
//     BOOST_DESCRIBE_STRUCT(query, (), (text))
//     struct articles { std::vector<std::string> ids; };
//     BOOST_DESCRIBE_STRUCT(articles, (), (ids))
//
//     troupe::result<articles> search(query q, const troupe::tool_context& call) { ... }
//     TROUPE_TOOL(knowledge, search)
//
// and in the topology
//
//     [tools.knowledge]
//     kind = "function"
//     effect = "read"
//
// A function takes its arguments, by value or const reference, and the call's context if it wants
// it; it returns a value, `result<value>`, `result<void>` or nothing. An exception out of it is a
// bug: the call fails with `internal`, nobody else notices.
//
// Threads: the tool's actor calls it, so it must be quick and must not block; with `blocking` it
// has threads of its own, as many as the tool's `concurrent`, and must be safe to call from
// several. A blocking function that may take long looks at `call.stop`: nobody can stop it
// otherwise. Tools that keep something, or that wait for other services, are classes:
// tool_class.hpp.

#include "runtime/core/clock.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/schema.hpp"

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

template <class T>
class async;
class async_call;

/// What a function may know of the call that it serves.
struct tool_context {
  std::string key;         ///< idempotency key: the same for every repeat of this call
  std::string invocation;
  std::string agent;
  std::uint32_t attempt = 1;
  utc_time deadline = never;
  std::stop_token stop;    ///< cancelled, or out of time
};

/// A function as the runtime sees it.
struct function_tool {
  std::string name;
  std::string description;  ///< for models that choose among tools
  bool blocking = false;    ///< or as the topology says
  std::string input_schema; ///< JSON Schema of the arguments
  std::string output_schema;
  std::function<result<std::string>(std::string_view arguments, const tool_context& call)> call;
  /// In place of `call`, for a tool that is a coroutine (tool_class.hpp).
  std::function<async<result<std::string>>(std::string arguments, async_call call)> start;
};

struct tool_traits {
  std::string description;
  bool blocking = false;
};

/// Registers a function for the process. A second one of the same name replaces the first for the
/// tools that are started later. Thread-safe.
void register_function(function_tool tool);

/// The function; nothing where there is none of that name.
std::optional<function_tool> find_function(std::string_view name);

/// Names of all registered functions, sorted.
std::vector<std::string> function_names();

namespace detail {

template <class F>
struct tool_signature : tool_signature<decltype(&F::operator())> {};
template <class R, class... A>
struct tool_signature<R (*)(A...)> {
  using output = R;
  template <class First, class...>
  struct head {
    using type = std::remove_cvref_t<First>;
  };
  using input = typename head<A...>::type;
  static constexpr bool with_context = sizeof...(A) == 2;
  static_assert(sizeof...(A) == 1 || sizeof...(A) == 2,
                "troupe: a tool takes its arguments and, if it likes, a const tool_context&");
};
template <class R, class... A>
struct tool_signature<R (*)(A...) noexcept> : tool_signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct tool_signature<R (C::*)(A...) const> : tool_signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct tool_signature<R (C::*)(A...) const noexcept> : tool_signature<R (*)(A...)> {};

template <class T>
struct tool_output {
  using type = T;
};
template <class T>
struct tool_output<result<T>> {
  using type = T;
};

/// What `f` yields, as JSON text. `void` is null.
template <class F>
result<std::string> tool_answer(F f) {
  using returned = decltype(f());
  if constexpr (std::is_void_v<returned>) {
    f();
    return std::string{"null"};
  } else if constexpr (is_result_v<returned>) {
    auto value = f();
    if (!value)
      return std::move(value).error();
    if constexpr (std::is_void_v<typename returned::value_type>)
      return std::string{"null"};
    else
      return to_json(*value);
  } else {
    return to_json(f());
  }
}

error arguments_refused(error why);
std::string reconcile_name(std::string_view tool);

} // namespace detail

/// All but what it does.
template <class In, class Out>
function_tool described_tool(std::string name, tool_traits traits) {
  function_tool tool;
  tool.name = std::move(name);
  tool.description = std::move(traits.description);
  tool.blocking = traits.blocking;
  tool.input_schema = schema_of<In>();
  if constexpr (!std::is_void_v<Out>)
    tool.output_schema = schema_of<Out>();
  return tool;
}

/// Registers `fn` under `name`.
template <class F>
bool register_tool(std::string name, F fn, tool_traits traits = {}) {
  using signature = detail::tool_signature<F>;
  using input = typename signature::input;
  using output = typename detail::tool_output<typename signature::output>::type;
  auto tool = described_tool<input, output>(std::move(name), std::move(traits));
  tool.call = [fn = std::move(fn)](std::string_view arguments,
                                   const tool_context& call) -> result<std::string> {
    auto in = from_json<input>(arguments);
    if (!in)
      return detail::arguments_refused(std::move(in).error());
    return detail::tool_answer([&]() -> typename signature::output {
      if constexpr (signature::with_context)
        return fn(std::move(*in), call);
      else
        return fn(std::move(*in));
    });
  };
  register_function(std::move(tool));
  return true;
}

/// Registers how one finds out what became of a call of the tool `name`, of whatever kind, where the
/// topology declares no `reconcile`. `fn` takes the call's arguments and its context (`call.key`), and
/// returns a `result<std::optional<Out>>`: a value says that it happened, and is its result; nothing
/// says that it did not; an error, that it cannot tell. It has no effects.
template <class F>
bool register_reconcile(std::string name, F fn, tool_traits traits = {}) {
  using signature = detail::tool_signature<F>;
  using input = typename signature::input;
  static_assert(signature::with_context,
                "troupe: a reconcile takes the arguments and a const tool_context&");
  function_tool tool;
  tool.name = detail::reconcile_name(name);
  tool.blocking = traits.blocking;
  tool.call = [fn = std::move(fn)](std::string_view arguments,
                                   const tool_context& call) -> result<std::string> {
    auto in = from_json<input>(arguments);
    if (!in)
      return detail::arguments_refused(std::move(in).error());
    auto found = fn(std::move(*in), call);
    if (!found)
      return std::move(found).error();
    return *found ? "{\"state\":\"done\",\"result\":" + to_json(**found) + "}"
                  : std::string{"{\"state\":\"not_done\"}"};
  };
  register_function(std::move(tool));
  return true;
}

/// The one that was registered for this tool.
std::optional<function_tool> find_reconcile(std::string_view tool);

} // namespace troupe

/// Registers a function that reconciles the tool `name`. At namespace scope, in one source file.
#define TROUPE_RECONCILE(name, ...)                                                                \
  [[maybe_unused]] static const bool troupe_reconcile_registered_##name =                          \
    ::troupe::register_reconcile(#name, __VA_ARGS__);

/// Registers a function as the tool `name`. At namespace scope, in one source file.
#define TROUPE_TOOL(name, ...)                                                                     \
  [[maybe_unused]] static const bool troupe_tool_registered_##name =                               \
    ::troupe::register_tool(#name, __VA_ARGS__);
