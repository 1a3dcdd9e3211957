#pragma once
// The production that the planted bugs are looked for in: agents that use everything that agents
// can use, in no particular way. What they are told by their effects they repeat in their answer,
// so that it can be compared with what was done.

#include "tests/kit/rehearsal.hpp"
#include "tests/sim/agents.hpp"

#include <random>
#include <string>
#include <vector>

namespace troupe::sim::planted {

/// An answer: what became of each effect, in the agent's order: `ok`, `no` or `??`, then which.
struct account {
  std::string id;
  int steps = 0;
  std::vector<std::string> told;
};
BOOST_DESCRIBE_STRUCT(account, (), (id, steps, told))

/// What is asked for; `told` goes from generation to generation.
struct job {
  std::string id;
  int n = 0;
  std::vector<std::string> told;
};
BOOST_DESCRIBE_STRUCT(job, (), (id, n, told))

/// The state of a key.
struct book {
  int count = 0;
  std::vector<std::string> told;
};
BOOST_DESCRIBE_STRUCT(book, (), (count, told))

std::string body_of(const std::string& op);
std::string told_of(const std::string& service, const std::string& op,
                    const result<std::string>& got);

/// What is wrong with an account; empty: nothing.
std::string wrong_with(const account& a, const kit::far_side& far);

/// Registers the agents. Once.
void register_cast();

/// Some of the agents with some options and some clients, as the seed has it.
kit::production draw_production(std::uint64_t seed);

} // namespace troupe::sim::planted
