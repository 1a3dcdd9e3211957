#pragma once
// The builders with which agents make effects. All are lazy: nothing happens before `co_await`.
//
//   auto found = co_await tool("knowledge").arg("query", subject).call<articles>();
//   auto verdict = co_await llm("fast").ask<triage_verdict>(prompt);
//   auto signed_off = co_await with_timeout(1h, signal<approval>("approve"));
//
// Each yields a `result<T>`; none takes an aggregate, an initializer list or an owning closure, so
// that they are safe in one statement with `co_await` on g++ 12.

#include "runtime/core/effect.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/schema.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace troupe {

namespace detail {

template <class T>
result<T> decode_outcome(result<std::string>&& outcome) {
  if (!outcome)
    return std::move(outcome).error();
  if constexpr (std::is_void_v<T>)
    return {};
  else if constexpr (std::is_same_v<T, raw_json>)
    return raw_json{std::move(*outcome)};
  else
    return from_json<T>(*outcome);
}

} // namespace detail

/// An effect that yields a `result<T>`, decoded from the JSON text in the journal.
template <class T>
class effect : public effect_base {
public:
  using value_type = T;
  using effect_base::effect_base;

  result<void> fits(std::string_view json) const override {
    if constexpr (!std::is_void_v<T> && !std::is_same_v<T, raw_json>)
      if (auto value = from_json<T>(json); !value)
        return std::move(value).error();
    return {};
  }

  /// The outcome; the runtime's business.
  result<T> take() { return detail::decode_outcome<T>(std::move(outcome_)); }
};

/// A call of a tool or a model.
template <class T>
class call_effect final : public effect<T> {
public:
  call_effect(journal::effect_kind kind, std::string name, std::string body, std::string key)
    : effect<T>(kind, std::move(name), effect_class::at_most_once) {
    this->body_ = std::move(body);
    this->key_ = std::move(key);
  }
  call_effect&& with_items(std::vector<std::string> items) && {
    this->items_ = std::move(items);
    return std::move(*this);
  }
  /// Of a model: whoever follows the invocation reads the answer while it comes (stream_hub.hpp).
  /// Journal and outcome are the same.
  call_effect&& streamed() && {
    static_assert(requires(T answer) { std::string{answer.text}; },
                  "troupe: only an answer in words is streamed: a struct with a member `text`");
    this->streams_ = this->kind_ == journal::effect_kind::model;
    return std::move(*this);
  }
};

/// An answer, and where it comes from: with a fallback it may not be the service's own.
template <class T>
struct degradable {
  T value{};
  std::string from = "service"; ///< or `cache`, `function`, `tool`, `value`
  std::int64_t age_ms = 0;      ///< of an answer from the cache

  bool degraded() const { return from != "service"; }

  BOOST_DESCRIBE_CLASS(degradable, (), (value, from, age_ms), (), ())
};

/// A tool call in the making. Chained in one expression, or built up in a variable:
/// `auto call = tool("x"); call.arg("a", 1); co_await std::move(call).call();`
class [[nodiscard]] tool_call {
public:
  explicit tool_call(std::string_view name) : name_(name) {}

  /// Adds an argument.
  template <class V>
  tool_call arg(std::string_view name, const V& value) && {
    add(name, to_json(value));
    return std::move(*this);
  }
  template <class V>
  tool_call& arg(std::string_view name, const V& value) & {
    add(name, to_json(value));
    return *this;
  }
  /// All arguments at once, from a described struct.
  template <class V>
  tool_call args(const V& value) && {
    body_ = to_json(value);
    return std::move(*this);
  }
  /// A business key: the same key is the same action, whoever asks. Without one the key comes from
  /// the effect's address.
  tool_call key(std::string_view business) && {
    key_ = business;
    return std::move(*this);
  }
  // What takes the place of an answer when the tool cannot serve, in place of what the topology
  // says: the first of these that has something, in this order. An effect that may have happened
  // stays an error. See actors/tool/README.md.

  /// An earlier answer to the same arguments, no older than this; `pure` and `read` tools only.
  template <class Rep, class Period>
  tool_call or_cached(std::chrono::duration<Rep, Period> age_max) && {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(age_max);
    option("cached_ms", to_json(std::int64_t{ms.count()}));
    return std::move(*this);
  }
  /// What a function says that is registered with TROUPE_TOOL and does not block.
  tool_call or_function(std::string_view name) && {
    option("function", to_json(name));
    return std::move(*this);
  }
  /// What another tool says, which is `pure` or `read`.
  tool_call or_tool(std::string_view name) && {
    option("tool", to_json(name));
    return std::move(*this);
  }
  template <class V>
  tool_call or_value(const V& value) && {
    option("value", to_json(value));
    return std::move(*this);
  }

  /// What to await. `T` is what the answer must look like; `raw_json` takes any.
  template <class T = raw_json>
  call_effect<T> call() && {
    auto e = call_effect<T>{journal::effect_kind::tool, std::move(name_),
                            body_.empty() ? std::string{"{}"} : std::move(body_), std::move(key_)};
    if (options_.empty())
      return e;
    std::vector<std::string> options;
    options.push_back(std::move(options_));
    return std::move(e).with_items(std::move(options));
  }
  /// The same, for an agent that wants to know what it got.
  template <class T = raw_json>
  call_effect<degradable<T>> call_degradable() && {
    option("told", "true");
    return std::move(*this).template call<degradable<T>>();
  }

private:
  friend class compensation;
  void add(std::string_view name, std::string value);
  void option(std::string_view name, std::string_view value);

  std::string name_;
  std::string body_;
  std::string key_;
  std::string options_; ///< JSON text
};

/// What a model answered in words.
struct completion_text {
  std::string text;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
};
BOOST_DESCRIBE_STRUCT(completion_text, (), (text, input_tokens, output_tokens))

/// A model call in the making.
class [[nodiscard]] model_call {
public:
  explicit model_call(std::string_view name) : name_(name) {}

  /// Adds a message before the prompt: `system`, `user` or `assistant`.
  model_call message(std::string_view role, std::string_view text) && {
    add(role, text);
    return std::move(*this);
  }
  model_call& message(std::string_view role, std::string_view text) & {
    add(role, text);
    return *this;
  }
  model_call system(std::string_view text) && {
    add("system", text);
    return std::move(*this);
  }
  model_call temperature(double t) && {
    extra_ += ",\"temperature\":" + to_json(t);
    return std::move(*this);
  }
  model_call max_tokens(int n) && {
    extra_ += ",\"max_tokens\":" + to_json(n);
    return std::move(*this);
  }
  /// An answer of the shape of `T`, held to its JSON Schema.
  template <class T>
  call_effect<T> ask(std::string_view prompt) && {
    add("user", prompt);
    extra_ += ",\"schema\":";
    extra_ += schema_of<T>();
    return std::move(*this).template make<T>();
  }
  /// An answer in words.
  call_effect<completion_text> complete(std::string_view prompt) && {
    add("user", prompt);
    return std::move(*this).template make<completion_text>();
  }
  /// The same, and who follows the invocation reads it word by word. Where it is asked anew after
  /// a failure, followers are told to forget what they have.
  call_effect<completion_text> stream(std::string_view prompt) && {
    return std::move(*this).complete(prompt).streamed();
  }
  /// The same, to the messages as they are.
  call_effect<completion_text> stream() && {
    return std::move(*this).template make<completion_text>().streamed();
  }

private:
  void add(std::string_view role, std::string_view text);
  template <class T>
  call_effect<T> make() && {
    auto e = call_effect<T>{journal::effect_kind::model, std::move(name_), std::move(extra_), {}};
    return std::move(e).with_items(std::move(messages_));
  }

  std::string name_;
  std::string extra_; ///< `,"name":value` pairs beside the messages
  std::vector<std::string> messages_;
};

/// `run(name, class, fn)`: the agent's own side effect, carried out once its command is durable.
template <class T, class F>
class run_effect final : public effect<T> {
public:
  run_effect(std::string name, effect_class cls, F fn)
    : effect<T>(journal::effect_kind::run, std::move(name), cls), fn_(fn) {}

  /// It was written from a `T` a moment ago.
  result<void> fits(std::string_view) const override { return {}; }

  result<std::string> perform(context&) override {
    using returned = std::invoke_result_t<F>;
    if constexpr (is_result_v<returned>) {
      auto r = fn_();
      if (!r)
        return std::move(r).error();
      if constexpr (std::is_void_v<T>)
        return std::string{"null"};
      else
        return to_json(*r);
    } else if constexpr (std::is_void_v<returned>) {
      fn_();
      return std::string{"null"};
    } else {
      return to_json(fn_());
    }
  }

private:
  F fn_;
};

namespace detail {
template <class R>
struct plain_value {
  using type = R;
};
template <class R>
struct plain_value<result<R>> {
  using type = R;
};
} // namespace detail

/// Calls a tool.
inline tool_call tool(std::string_view name) {
  return tool_call{name};
}

/// Calls a model.
inline model_call llm(std::string_view name) {
  return model_call{name};
}

/// The agent's own side effect. `fn` takes nothing and returns a value, a `result` or nothing; it
/// must be trivially destructible (capture references, numbers or pointers), since g++ 12 destroys
/// other closures twice in a statement with `co_await`. It runs on the agent's thread: what blocks
/// belongs in a tool.
template <class F>
auto run(std::string_view name, effect_class cls, F fn) {
  static_assert(std::is_trivially_destructible_v<F>,
                "troupe: run(name, class, fn) takes a function whose captures are references, "
                "numbers or pointers; keep what it needs in a local variable and capture [&]");
  using value = typename detail::plain_value<std::invoke_result_t<F>>::type;
  return run_effect<value, F>{std::string{name}, cls, fn};
}

/// Waits for a child agent's answer.
template <class Out, class In>
class invoke_effect final : public effect<Out> {
public:
  invoke_effect(std::string agent, const In& input)
    : effect<Out>(journal::effect_kind::invoke, std::move(agent), effect_class::idempotent) {
    this->body_ = to_json(input);
  }
};

/// Runs another agent as a child and waits for its answer. A failed child is an error here.
template <class Out = raw_json, class In>
invoke_effect<Out, In> invoke(std::string_view agent, const In& input) {
  return invoke_effect<Out, In>{std::string{agent}, input};
}

/// The id of a child that nobody waits for.
class send_effect final : public effect<std::string> {
public:
  send_effect(std::string agent, std::string input);
};

/// Starts another agent as a child and goes on. Yields the child's id.
template <class In>
send_effect send(std::string_view agent, const In& input) {
  return send_effect{std::string{agent}, to_json(input)};
}

/// A durable timer.
class sleep_effect final : public effect<void> {
public:
  explicit sleep_effect(std::chrono::microseconds d);
  explicit sleep_effect(utc_time until);
};

template <class Rep, class Period>
sleep_effect sleep(std::chrono::duration<Rep, Period> d) {
  return sleep_effect{std::chrono::ceil<std::chrono::microseconds>(d)};
}
inline sleep_effect sleep_until(utc_time t) {
  return sleep_effect{t};
}

/// A signal from outside, e.g. an approval. Signals of one name are consumed in order of arrival.
template <class T>
class signal_effect final : public effect<T> {
public:
  explicit signal_effect(std::string name)
    : effect<T>(journal::effect_kind::signal, std::move(name), effect_class::pure) {}
};

template <class T = raw_json>
signal_effect<T> signal(std::string_view name) {
  return signal_effect<T>{std::string{name}};
}

/// The time, recorded.
class now_effect final : public effect_base {
public:
  now_effect() : effect_base(journal::effect_kind::now, {}, effect_class::pure) {}
  utc_time take();
};
inline now_effect now() {
  return {};
}

/// 64 random bits, recorded.
class random_effect final : public effect_base {
public:
  random_effect() : effect_base(journal::effect_kind::random, {}, effect_class::pure) {}
  std::uint64_t take();
};
inline random_effect random() {
  return {};
}

/// A random UUID (version 4), recorded.
class uuid_effect final : public effect_base {
public:
  uuid_effect() : effect_base(journal::effect_kind::uuid, {}, effect_class::pure) {}
  std::string take();
};
inline uuid_effect uuid() {
  return {};
}

/// Something for whoever follows this invocation's events. Leaves the process once it is durable,
/// and never blocks the agent.
class emit_effect final : public effect_base {
public:
  explicit emit_effect(std::string value)
    : effect_base(journal::effect_kind::emit, {}, effect_class::pure) {
    body_ = std::move(value);
  }
  void take() {}
};
template <class T>
emit_effect emit(const T& value) {
  return emit_effect{to_json(value)};
}

/// Whether the code after this change runs: true for invocations that had not passed here before
/// the change was deployed.
class patched_effect final : public effect_base {
public:
  explicit patched_effect(std::string id)
    : effect_base(journal::effect_kind::patched, std::move(id), effect_class::pure) {}
  bool take() { return outcome_.has_value() && *outcome_ == "true"; }
};
inline patched_effect patched(std::string_view id) {
  return patched_effect{std::string{id}};
}

/// `co_return continue_as(state)` in an agent's `run`: a checkpoint. The next generation begins
/// with `run(state)` and an empty journal.
template <class State>
continuation continue_as(const State& state) {
  return continuation{to_json(state)};
}

} // namespace troupe
