#pragma once
// The agents that the simulations run: each uses some of the effects.

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

} // namespace troupe::sim
