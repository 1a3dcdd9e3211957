#pragma once
// A whole production, played under faults that a seed decides, until it is over or something is
// wrong.
//
//   kit::production p;
//   p.options.agents = ...;                      // as on any stage
//   p.services = {{"tool:pay", effect_class::at_most_once, true}};
//   p.parts = {{.agent = "checkout", .input = R"({"id":"A-1"})", .key = "client-1"}};
//   kit::world w;
//   kit::rehearse(w, p, seed);                   // throws kit::violation
//
// The seed chooses which faults there are and when: the machine dies in a commit or after an
// effect, commits fail, an old process wakes up beside its successor, services lose what they are
// asked, tool actors die. Each seed has some of the faults only: where everything fails at once
// little happens, and some bugs show only where the rest works. After some lives the faults stop,
// and everything must come to its end. Clients repeat what was not answered, as clients do, and
// remember all that they were told. The invariants are those of tests/kit/invariants.hpp.

#include "actors/tool/tool_options.hpp"
#include "tests/kit/far_side.hpp"
#include "tests/kit/invariants.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace troupe::kit {

/// What a client knows at the end.
struct part_played {
  answer end;
  std::set<std::uint32_t> signals; ///< whose acknowledgement it has
};

/// One request of one client, and what it does beside.
struct part {
  std::string agent;
  std::string input;
  std::string key; ///< idempotency key; must not be empty
  /// So many signals called `go`, with the values 1, 2, .., until so many are acknowledged.
  std::uint32_t signals = 0;
  bool cancels = false; ///< at some time it wants it no more
  /// Says what is wrong with its end; empty: nothing.
  std::function<std::string(const part_played&, const far_side&)> check{};
};

struct service_role {
  std::string name; ///< `tool:pay`
  effect_class cls = effect_class::at_most_once;
  bool reconciles = false;
};

struct production {
  stage_options options;             ///< all but seed and services
  std::vector<service_role> services;
  std::vector<tool_options> tools;   ///< real tool actors under a real supervisor
  std::vector<part> parts;
  /// Most virtual time until everything has ended, once the faults are over.
  std::chrono::milliseconds bound = std::chrono::hours{2};
};

/// Which faults there are. `drawn_faults` draws them.
struct faults {
  std::uint32_t lives = 4;          ///< of the process, with faults
  bool crashes = true;              ///< in a commit, or right after an effect
  std::uint32_t crash_within = 60;  ///< durable boundaries of each life
  std::uint32_t failing_commits = 0;///< rounds of a hundred
  bool zombies = false;             ///< an old owner goes on beside its successor
  bool tool_deaths = false;
  bool rude_services = true;        ///< `manners`; else they answer everything
  std::uint32_t turns_between_acts = 300; ///< of actors, at most, between acts of the clients
  std::chrono::milliseconds down_max{0}; ///< between two lives
};

faults drawn_faults(std::uint64_t seed);

/// Plays `p` in `w`. Throws a `violation` that says which invariant does not hold.
void rehearse(world& w, const production& p, std::uint64_t seed, const faults& f);
inline void rehearse(world& w, const production& p, std::uint64_t seed) {
  rehearse(w, p, seed, drawn_faults(seed));
}

} // namespace troupe::kit
