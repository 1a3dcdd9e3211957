#pragma once
// The services at the far side of the network, with a memory of their own.
//
// What a crash does to an agent shows in what the agent did to others. Scripted services say what
// the next answer is; these here behave as services do, by chance: they refuse, lose a request, do
// the work and lose the answer, or do it some seconds after they were asked. They outlive crashes,
// and know what was really done, to be compared with what agents were told:
//
//   kit::far_side far{world, seed};
//   options.services.push_back(far.service("tool:pay", effect_class::at_most_once, true, here));
//   ...
//   far.happened("tool:pay", R"({"op":"T-1"})") == 1
//
// Each effect must be asked for with arguments of its own: they are its name here.

#include "actors/tool/tool_backend.hpp"
#include "tests/kit/stage.hpp"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace troupe::kit {

/// How the far side behaves, in calls of a hundred; the rest is done and answered.
struct manners {
  std::uint32_t refuses = 8;        ///< nothing happens, and it says so
  std::uint32_t loses_request = 5;  ///< nothing happens, nobody answers
  std::uint32_t loses_answer = 8;   ///< it happens, nobody answers
  std::uint32_t cannot_tell = 10;   ///< of reconciles: it does not know
  std::chrono::milliseconds answer_max{600};
  /// What nobody is told of may happen so late, but not after the call's deadline.
  std::chrono::milliseconds late_max{6'000};
};

/// The stage that is on; null between two lives.
using whereabouts = std::shared_ptr<stage*>;

/// What every `read` service answers: large, and the same for all.
std::string catalogue();
/// What other services answer to these arguments.
std::string did(const std::string& body);

class far_side {
public:
  far_side(world& outside, std::uint64_t seed) : outside_(outside), chance_(seed) {}

  manners how;

  /// Called with each request that reaches a service, before it is answered.
  std::function<void(stage& on, const call_request&)> on_request;

  /// A service for a stage's options; `here` is filled in once the stage stands.
  scripted_service service(std::string name, effect_class cls, bool reconciles, whereabouts here);

  /// What a real tool actor stands on, for one life.
  tool_parts tool(stage& on, std::string name);

  /// How often it was done what `body` asks for. What was late is over by then.
  std::uint32_t happened(const std::string& service, const std::string& body) const;
  /// Of all effects, those that were done more than once; empty: none.
  std::vector<std::string> doubled() const;
  /// Keys that came with two different requests.
  const std::vector<std::string>& reused_keys() const noexcept { return reused_; }
  /// What is under way and due arrives; all of it does in the end.
  void settle(utc_time now);
  void settle_all() { settle(never); }

  // -- for the actors behind `service` and `tool` --
  struct fate {
    bool silent = false;
    bool at_once = false; ///< the effect, if any, happens now
    std::chrono::milliseconds latency{1};
    result<std::string> value;
  };
  fate meet(stage& on, const call_request& r);
  reconcile_reply look_up(stage& on, const reconcile_request& r);
  bool dead() const noexcept { return outside_.crashed; }
  void note_effect(const call_request& r, const result<std::string>& value) {
    outside_.effect(r.service, r.key, r.body, value);
  }

private:
  using name = std::pair<std::string, std::string>; ///< service, and arguments or key
  struct under_way {
    name what;
    utc_time lands{};
  };

  std::uint32_t percent() { return static_cast<std::uint32_t>(chance_() % 100); }
  std::chrono::milliseconds up_to(std::chrono::milliseconds most) {
    return std::chrono::milliseconds{1 + chance_() % static_cast<std::uint64_t>(most.count())};
  }
  bool check_key(const call_request& r);

  world& outside_;
  std::mt19937_64 chance_;
  std::map<name, std::string> keys_; ///< the request that a key stands for
  std::map<name, utc_time> accepted_;///< by key, where the far side knows keys
  std::map<name, std::uint32_t> done_;
  std::vector<under_way> late_;
  std::vector<std::string> reused_;
};

} // namespace troupe::kit
