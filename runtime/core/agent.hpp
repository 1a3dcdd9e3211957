#pragma once
// `agent<In, Out>`: the class that users write.
//
//   class triage final : public troupe::agent<ticket, verdict> {
//     troupe::task<verdict> run(ticket in) override {
//       auto found = co_await tool("knowledge").arg("query", in.subject).call<articles>();
//       ...
//       co_return v;
//     }
//   };
//   TROUPE_AGENT(triage)
//
// An instance lives for one invocation. After a crash a new instance runs the same code over the
// journal; so what is not in the input, in an effect's outcome or in a keyed agent's state is gone,
// and `run` must not look at clocks, random numbers, globals or the outside other than by effects.

#include "runtime/core/combine.hpp"
#include "runtime/core/effects.hpp"
#include "runtime/core/task.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// What the invocation knows of any agent.
class agent_base {
public:
  agent_base() = default;
  agent_base(const agent_base&) = delete;
  agent_base& operator=(const agent_base&) = delete;
  virtual ~agent_base() = default;

  /// Makes `run(input)` the next to run on `on`. `invalid_input` when `input` has another shape.
  virtual result<void> begin(std::string_view input, detail::branch& on) = 0;

  /// How `run` ended, after its end; throws what it threw.
  struct ending {
    result<std::string> value;            ///< JSON text
    std::optional<std::string> continued; ///< the state of the next generation
  };
  virtual ending end() = 0;

  /// State of a keyed agent, as JSON text; empty where there is none.
  virtual result<void> load_state(std::string_view) { return {}; }
  virtual std::string save_state() const { return {}; }
  virtual bool keeps_state() const { return false; }

protected:
  // The builders, in reach of `run` without a `using`, and before libc's functions of these names.
  // (`troupe::run` is not among them: an agent's own `run` would hide it.)
  static tool_call tool(std::string_view name) { return troupe::tool(name); }
  static model_call llm(std::string_view name) { return troupe::llm(name); }
  static now_effect now() { return {}; }
  static random_effect random() { return {}; }
  static uuid_effect uuid() { return {}; }
  static patched_effect patched(std::string_view id) { return troupe::patched(id); }
  template <class D>
  static sleep_effect sleep(D d) {
    return troupe::sleep(d);
  }
  static sleep_effect sleep_until(utc_time t) { return sleep_effect{t}; }
  template <class T = raw_json>
  static signal_effect<T> signal(std::string_view name) {
    return troupe::signal<T>(name);
  }
  template <class T>
  static emit_effect emit(const T& value) {
    return troupe::emit(value);
  }
  template <class Out = raw_json, class In>
  static invoke_effect<Out, In> invoke(std::string_view agent, const In& input) {
    return troupe::invoke<Out>(agent, input);
  }
  template <class In>
  static send_effect send(std::string_view agent, const In& input) {
    return troupe::send(agent, input);
  }
};

/// An agent that is run once for each invocation. `In` and `Out` are described structs (or any
/// type that runtime/core/json.hpp knows).
template <class In, class Out>
class agent : public agent_base {
public:
  using input_type = In;
  using output_type = Out;

  result<void> begin(std::string_view input, detail::branch& on) final {
    auto in = from_json<In>(input);
    if (!in) {
      auto why = std::move(in).error();
      return error{errc::invalid_input, "input: " + why.message};
    }
    root_ = run(std::move(*in));
    root_.start_on(on, nullptr);
    return {};
  }

  ending end() final {
    ending out;
    if (auto& state = root_.continued()) {
      out.continued = std::move(*state);
      return out;
    }
    auto value = root_.take();
    if (!value)
      out.value = std::move(value).error();
    else
      out.value = to_json(*value);
    return out;
  }

protected:
  /// The agent's work. Called once for each generation and again on replay.
  virtual task<Out> run(In in) = 0;

private:
  task<Out> root_;
};

/// An agent with one saved state for each key (`key = "field"` in its topology entry). Invocations
/// of one key run one after another; the state is committed with the completion and discarded when
/// the invocation fails.
template <class In, class Out, class State>
class keyed_agent : public agent<In, Out> {
public:
  result<void> load_state(std::string_view json) final {
    if (json.empty())
      return {};
    auto s = from_json<State>(json);
    if (!s)
      return std::move(s).error();
    state_ = std::move(*s);
    return {};
  }
  std::string save_state() const final { return to_json(state_); }
  bool keeps_state() const final { return true; }

protected:
  State& state() noexcept { return state_; }

private:
  State state_{};
};

/// A class of agents, as topologies name it.
struct agent_class {
  std::string name;
  std::string version = "1";       ///< noted in the journal of each invocation
  std::function<std::unique_ptr<agent_base>()> make;
  /// Whether a JSON text has the shape of the input; `invalid_input` with the path otherwise.
  std::function<result<void>(std::string_view)> accepts;
  std::function<std::string()> input_schema;
  std::function<std::string()> output_schema;
};

/// Registers a class for the process. A second class of the same name replaces the first.
/// Thread-safe.
void register_agent(agent_class c);

/// The class as registered last, or null. The pointer stays good.
const agent_class* find_agent(std::string_view name);

/// The class in this version where it is loaded, else as registered last; null where no class has
/// this name. An invocation keeps the version that it began with while that is there.
const agent_class* find_agent(std::string_view name, std::string_view version);

/// Names of all registered classes, sorted.
std::vector<std::string> agent_names();

/// Registers `T` under `name`.
template <class T>
bool register_agent(std::string name, std::string version = "1") {
  register_agent(agent_class{std::move(name), std::move(version),
                             [] { return std::unique_ptr<agent_base>{std::make_unique<T>()}; },
                             [](std::string_view json) -> result<void> {
                               auto in = from_json<typename T::input_type>(json);
                               if (in)
                                 return {};
                               return error{errc::invalid_input, "input: " + in.error().message};
                             },
                             [] { return schema_of<typename T::input_type>(); },
                             [] { return schema_of<typename T::output_type>(); }});
  return true;
}

} // namespace troupe

#define TROUPE_CONCAT_(a, b) a##b
#define TROUPE_CONCAT(a, b) TROUPE_CONCAT_(a, b)

/// Registers an agent class under its own name. At namespace scope, in one source file.
#define TROUPE_AGENT(type)                                                                        \
  [[maybe_unused]] static const bool TROUPE_CONCAT(troupe_agent_registered_, __LINE__) =           \
    ::troupe::register_agent<type>(#type);
