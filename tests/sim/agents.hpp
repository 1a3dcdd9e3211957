#pragma once
// What the simulations share: plain types, agents made of one function, services, and lives.

#include "runtime/core/agent.hpp"
#include "tests/kit/stage.hpp"

#include <string>
#include <vector>

namespace troupe::sim {

struct order {
  std::string id;
  int amount = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, amount))

struct receipt {
  std::string id;
  std::string note;
  int steps = 0;
};
BOOST_DESCRIBE_STRUCT(receipt, (), (id, note, steps))

/// State of the keyed agents.
struct ledger {
  int count = 0;
  std::vector<std::string> log;
};
BOOST_DESCRIBE_STRUCT(ledger, (), (count, log))

inline const std::string one_order = R"({"id":"T-1","amount":1})";

/// An agent whose `run` is one function without captures.
class body_agent final : public agent<order, receipt> {
public:
  using body = task<receipt> (*)(order);
  explicit body_agent(body b) : body_(b) {}

private:
  task<receipt> run(order in) override { return body_(std::move(in)); }
  body body_;
};

/// The same with a state for each key.
class keyed_body_agent final : public keyed_agent<order, receipt, ledger> {
public:
  using body = task<receipt> (*)(order, ledger&);
  explicit keyed_body_agent(body b) : body_(b) {}

private:
  task<receipt> run(order in) override { return body_(std::move(in), state()); }
  body body_;
};

template <class Agent>
void put_class(const std::string& name, typename Agent::body b) {
  agent_class c;
  c.name = name;
  c.make = [b] { return std::make_unique<Agent>(b); };
  c.accepts = [](std::string_view json) -> result<void> {
    auto in = from_json<order>(json);
    return in ? result<void>{} : result<void>{error{errc::invalid_input, in.error().message}};
  };
  c.input_schema = [] { return schema_of<order>(); };
  c.output_schema = [] { return schema_of<receipt>(); };
  register_agent(std::move(c));
}

/// Registers `b` under `name`; a second one replaces the first, as a deploy does.
inline void play(const std::string& name, body_agent::body b) {
  put_class<body_agent>(name, b);
}
inline void play_keyed(const std::string& name, keyed_body_agent::body b) {
  put_class<keyed_body_agent>(name, b);
}

inline kit::scripted_service service(std::string name, effect_class cls, bool reconciles = false) {
  kit::scripted_service s;
  s.name = std::move(name);
  s.info.cls = cls;
  s.info.reconciles = reconciles;
  s.answer = [](const call_request& r, std::uint32_t) {
    kit::scripted_answer a;
    a.value = to_json("did " + r.service);
    return a;
  };
  return s;
}

inline agent_options named(std::string name) {
  agent_options a;
  a.name = std::move(name);
  return a;
}
inline agent_options keyed(std::string name, bool yields = false) {
  auto a = named(std::move(name));
  a.key = "id";
  a.yields = yields;
  return a;
}

/// A stage with these agents and one service of each class: `look` (read), `charge` (idempotent),
/// `post` (at_most_once with reconcile), `fire` (at_most_once without).
inline kit::stage_options cast_of(const std::vector<std::string>& agents, std::uint64_t seed = 1) {
  kit::stage_options o;
  o.seed = seed;
  for (const auto& name : agents)
    o.agents.push_back(named(name));
  o.services.push_back(service("tool:look", effect_class::read));
  o.services.push_back(service("tool:charge", effect_class::idempotent));
  o.services.push_back(service("tool:post", effect_class::at_most_once, true));
  o.services.push_back(service("tool:fire", effect_class::at_most_once));
  return o;
}

inline kit::scripted_service& find_service(kit::stage_options& o, const std::string& name) {
  for (auto& s : o.services)
    if (s.name == name)
      return s;
  return o.services.emplace_back(service(name, effect_class::read));
}

/// A service's answer to its call `nth`; the others are answered as ever.
inline void on_call(kit::stage_options& o, const std::string& name,
                    std::function<void(kit::scripted_answer&, std::uint32_t nth)> change) {
  auto& s = find_service(o, name);
  s.answer = [before = s.answer, change](const call_request& r, std::uint32_t nth) {
    auto a = before(r, nth);
    change(a, nth);
    return a;
  };
}

inline receipt receipt_of(const kit::answer& a) {
  return from_json<receipt>(a.value.value()).value();
}

/// Drives lives of one world until an invocation has an answer.
inline kit::answer drive(kit::world& w, const kit::stage_options& options, const std::string& agent,
                         const std::string& input, const std::string& key = "client-key") {
  for (int life = 0; life < 50; ++life) {
    auto o = options;
    o.seed = options.seed + static_cast<std::uint64_t>(life);
    kit::stage stage{w, o};
    auto a = stage.invoke(agent, input, key);
    stage.run_until([&] { return a->ended || a->refused; });
    if ((a->ended || a->refused) && !w.crashed)
      return *a;
  }
  return {};
}

/// Asks the dispatcher and runs until it has answered.
template <class Reply, class Message>
Reply ask(kit::stage& stage, Message m) {
  auto reply = stage.ask<Reply>(std::move(m));
  stage.run_until([&] { return reply->has_value(); }, std::chrono::minutes{1});
  return reply->has_value() ? std::move(**reply) : Reply{};
}

/// The outcome of a command, `internal` where the machine died first.
template <class Message>
result<void> command(kit::stage& stage, Message m) {
  auto reply = stage.ask<command_reply>(std::move(m));
  stage.run_until([&] { return reply->has_value(); }, std::chrono::minutes{1});
  return reply->has_value() ? (*reply)->done : result<void>{error{errc::internal, "no answer"}};
}

inline result<void> signal_it(kit::stage& stage, const std::string& id, const std::string& name,
                              const std::string& value = "null") {
  signal_request s;
  s.id = id;
  s.name = name;
  s.value = value;
  return command(stage, std::move(s));
}

inline result<void> resolve_it(kit::stage& stage, const std::string& id, journal::verdict v,
                               const std::string& value = "null") {
  resolve_request r;
  r.id = id;
  r.decision = v;
  r.value = value;
  return command(stage, std::move(r));
}

inline store::status status_of(kit::stage& stage, const std::string& id) {
  auto r = stage.record_of(id);
  return r ? r->state : store::status::queued;
}

/// Runs until the store says that it stands there.
inline bool reaches(kit::stage& stage, const std::string& id, store::status s,
                    std::chrono::milliseconds limit = std::chrono::hours{1}) {
  stage.run_until([&] { return status_of(stage, id) == s; }, limit);
  return status_of(stage, id) == s;
}

template <class Entry>
std::vector<Entry> entries_of(kit::stage& stage, const std::string& id) {
  std::vector<Entry> out;
  for (auto& e : stage.journal_of(id))
    if (auto* one = std::get_if<Entry>(&e))
      out.push_back(*one);
  return out;
}

inline std::vector<std::string> notes_of(kit::stage& stage, const std::string& id,
                                         const std::string& name) {
  std::vector<std::string> out;
  for (auto& n : entries_of<journal::note>(stage, id))
    if (n.name == name)
      out.push_back(n.detail.text);
  return out;
}

} // namespace troupe::sim
