#pragma once
// A network that delays, reorders, duplicates and cuts messages between a stage and its outside.
//
// Most of what goes wrong between services happens between them: an answer that is lost after the
// effect, a request that comes twice, one that overtakes another. This stands before the services of
// a stage, before an HTTP transport, and between a client and the dispatcher.
//
//   kit::world world;
//   auto net = kit::faulty_network::around(world, {.seed = seed, .cut_reply = 0.2});
//   kit::stage aut{world, cast()};
//   auto answer = net->invoke(aut, "checkout", one_order, "client-key");
//
// What is duplicated: requests that carry a key which the far side honours (a TCP connection does
// not repeat anything else), a client's requests, answers to a client. Lifecycle: survives crashes,
// like the world, which holds it. Not thread-safe: a stage has one thread.

#include "runtime/net/http_transport.hpp"
#include "tests/kit/stage.hpp"

#include <random>

namespace troupe::kit {

/// How often what goes wrong: parts of all messages, from 0 to 1, drawn one by one.
struct network_faults {
  std::uint64_t seed = 1;
  /// Each message takes between these, on its own: so they overtake each other.
  std::chrono::milliseconds delay_min{0};
  std::chrono::milliseconds delay_max{0};
  double duplicate = 0;   ///< it arrives twice, each with a delay of its own
  double cut_request = 0; ///< it does not arrive
  double cut_reply = 0;   ///< what was asked for has happened, and nobody is told
  /// Of the cut ones: the connection breaks; of the others nothing is heard. As many of those
  /// requests arrive all the same, late.
  double noticed = 0.5;
};

struct network_counts {
  std::uint64_t messages = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t cut = 0;
};

/// Runs something later, in the time of whoever gives it.
using later = std::function<void(std::chrono::milliseconds, std::function<void()>)>;

class faulty_network final : public stage_network,
                             public std::enable_shared_from_this<faulty_network> {
public:
  /// A network before all services of the stages that are made on `w` from now on.
  static std::shared_ptr<faulty_network> around(world& w, network_faults faults);
  /// One that stands before what `before` is called with.
  explicit faulty_network(network_faults faults) : faults_(faults), chance_(faults.seed) {}

  /// Other faults from now on. The seed goes on where it is.
  void set(network_faults next) { faults_ = next; }
  /// A network without faults; what was cut stays so.
  void heal() { faults_ = {}; }
  const network_counts& counts() const noexcept { return counts_; }

  caf::actor before(caf::actor_system& system, caf::actor service,
                    const service_info& info) override;

  /// A transport whose messages go through this network; both must live as long as it.
  std::unique_ptr<net::http_transport> before(net::http_transport& transport, later when);

  /// A client's request: may arrive late, twice or never, and so may what it is told. A client that
  /// hears nothing asks again with the same key.
  std::shared_ptr<answer> invoke(stage& s, std::string agent, std::string input, std::string key);

  // -- what becomes of one message --
  bool cut_request() { return count() && cut(faults_.cut_request); }
  bool cut_reply() { return count() && cut(faults_.cut_reply); }
  bool noticed() { return happens(faults_.noticed); }
  bool duplicate();
  std::chrono::milliseconds delay();

private:
  bool count() { return ++counts_.messages != 0; }
  bool cut(double part);
  bool happens(double part);

  network_faults faults_;
  network_counts counts_;
  std::mt19937_64 chance_;
};

/// `later` in the virtual time of a stage, for as long as it lives.
later later_on(stage& s);

} // namespace troupe::kit
