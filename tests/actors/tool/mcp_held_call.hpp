#pragma once

#include "tests/actors/tool/mcp_ground.hpp"

namespace troupe::test {

/// Plans the answers to `tools/call` of one tool and holds them back.
struct held_call {
  std::vector<mcp_script::heard> waiting;

  explicit held_call(mcp_ground& g) {
    g.server->call = [this](const mcp_script::heard& h) {
      waiting.push_back(h);
      return std::string{};
    };
  }
};

} // namespace troupe::test
