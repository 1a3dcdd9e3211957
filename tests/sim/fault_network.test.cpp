// Fault 24: messages that come late, in another order, twice, or not at all.
#include "tests/kit/faulty_network.hpp"
#include "tests/sim/fault_ground.hpp"

#include <caf/event_based_actor.hpp>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

TEST_CASE("fault 24, reordered, duplicated messages: one key is one action", "[fault]") {
  kit::network_counts all;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    kit::network_faults faults;
    faults.seed = seed;
    faults.delay_max = 1'500ms;
    faults.duplicate = 0.4;
    faults.cut_request = 0.1;
    faults.cut_reply = 0.1;
    auto net = kit::faulty_network::around(w, faults);
    customers crowd{5};
    std::mt19937_64 chance{seed};
    for (int life = 0; life < 3; ++life) {
      kit::stage aut{w, errands(seed * 10 + static_cast<std::uint64_t>(life))};
      for (int round = 0; round < 6; ++round) {
        // They hear little, so they ask again before they know.
        auto through = [&](auto& agent, auto& input, auto& key) {
          return net->invoke(aut, agent, input, key);
        };
        crowd.send(through, chance() % 2 == 0);
        aut.run(std::chrono::milliseconds{chance() % 2'000});
        crowd.listen();
      }
      crowd.forget();
    }
    auto c = net->counts();
    all.messages += c.messages;
    all.duplicated += c.duplicated;
    all.cut += c.cut;
    survive(w, crowd, seed, 0, [&] { net->heal(); });
    crowd.check(w);
  }
  CHECK(all.duplicated > 1'000);
  CHECK(all.cut > 1'000);
  WARN("network: 200 seeds, " << all.messages << " messages, " << all.duplicated
                              << " duplicated, " << all.cut << " cut");
}

namespace {

// An HTTP service that counts what arrives, by key.
class counting_transport final : public net::http_transport {
public:
  net::request_id send(net::http_request request, net::http_done done) override {
    arrived.push_back(std::string{request.headers.value_or("Idempotency-Key", "")});
    net::http_response r;
    r.status = 200;
    done(std::move(r));
    return ++last_;
  }
  void cancel(net::request_id) override {}

  std::vector<std::string> arrived;

private:
  net::request_id last_ = 0;
};

} // namespace

TEST_CASE("fault 24, reordered, duplicated messages: an HTTP exchange ends once, whatever arrives",
          "[fault]") {
  std::uint64_t overtaken = 0, twice = 0, broken = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    kit::world w;
    kit::stage aut{w, errands(seed)};
    kit::network_faults faults;
    faults.seed = seed;
    faults.delay_max = 900ms;
    faults.duplicate = 0.3;
    faults.cut_request = 0.2;
    faults.cut_reply = 0.2;
    counting_transport far_side;
    auto net = std::make_shared<kit::faulty_network>(faults);
    auto link = net->before(far_side, kit::later_on(aut));
    constexpr int requests = 20;
    std::vector<int> ended(requests);
    for (int i = 0; i < requests; ++i) {
      net::http_request r;
      r.headers.add("Idempotency-Key", std::to_string(i));
      r.repeatable = i % 2 == 0;
      link->send(std::move(r), [&ended, &broken, i](const net::http_response_or_error& got) {
        ++ended[static_cast<std::size_t>(i)];
        broken += got ? 0 : 1;
      });
    }
    aut.run(10s);

    INFO("seed " << seed);
    CHECK(std::all_of(ended.begin(), ended.end(), [](int n) { return n == 1; }));
    std::map<std::string, int> times;
    for (std::size_t i = 0; i < far_side.arrived.size(); ++i) {
      const auto& key = far_side.arrived[i];
      twice += ++times[key] > 1 ? 1 : 0;
      overtaken += i > 0 && std::stoi(key) < std::stoi(far_side.arrived[i - 1]) ? 1 : 0;
      if (std::stoi(key) % 2 != 0)
        CHECK(times[key] == 1); // TCP alone does not repeat
    }
  }
  CHECK(overtaken > 50);
  CHECK(twice > 50);
  CHECK(broken > 50);
}
