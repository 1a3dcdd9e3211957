#pragma once
// What the tests of faults share: an errand with an effect of each class, customers who ask until
// they are answered, and what must hold in the end.
//
// Each fault ends the same way: nothing that was acknowledged is lost, no keyed effect happens
// twice, the error names the cause, and once the fault is gone all work ends within a bound of
// virtual time.

#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <set>

namespace troupe::sim {

/// How often an errand tries each of its calls, with a pause between.
inline constexpr int tries = 30;
inline constexpr std::chrono::milliseconds between_tries{800};

/// Reads, charges (with a key), waits, posts (at most once). What may be repeated it repeats, as a
/// tool would that has a retry; a post only where it surely has not happened.
inline task<receipt> run_errand(order in) {
  receipt out;
  out.id = in.id;
  auto found = co_await tool("look").arg("id", in.id).call<std::string>();
  for (int n = 1; n < tries && !found; ++n) {
    (void)co_await sleep(between_tries);
    found = co_await tool("look").arg("id", in.id).call<std::string>();
  }
  auto paid = co_await tool("charge").arg("id", in.id).key(in.id.substr(0, 200)).call<std::string>();
  for (int n = 1; n < tries && !paid; ++n) {
    (void)co_await sleep(between_tries);
    paid = co_await tool("charge").arg("id", in.id).key(in.id.substr(0, 200)).call<std::string>();
  }
  auto slept = co_await sleep(std::chrono::milliseconds{700});
  auto posted = co_await tool("post").arg("id", in.id).call<std::string>();
  for (int n = 1; n < tries && !posted && posted.error().outcome == certainty::definite; ++n) {
    (void)co_await sleep(between_tries);
    posted = co_await tool("post").arg("id", in.id).call<std::string>();
  }
  out.steps = (found ? 1 : 0) + (paid ? 10 : 0) + (slept ? 100 : 0) + (posted ? 1'000 : 0);
  co_return out;
}

inline kit::stage_options errands(std::uint64_t seed) {
  play("errand", run_errand);
  auto o = cast_of({"errand"}, seed);
  for (auto& s : o.services)
    s.info.total_timeout = std::chrono::seconds{5};
  return o;
}

/// Each has one errand, and asks with one key until it is done.
class customers {
public:
  using ask = std::function<std::shared_ptr<kit::answer>(
    const std::string& agent, const std::string& input, const std::string& key)>;

  explicit customers(int count) : all_(static_cast<std::size_t>(count)) {
    for (std::size_t i = 0; i < all_.size(); ++i)
      all_[i].key = "customer-" + std::to_string(i);
  }

  /// Whoever has no answer and waits for none asks. `again`: also those that wait.
  void send(const ask& how, bool again = false) {
    for (auto& c : all_) {
      bool waits = c.asked && !c.asked->refused && !c.asked->ended;
      if (c.done || (waits && !again))
        continue;
      c.asked = how("errand", R"({"id":")" + c.key + R"(","amount":1})", c.key);
    }
  }
  void send(kit::stage& s) {
    send([&](auto& agent, auto& input, auto& key) { return s.invoke(agent, input, key); });
  }

  /// Takes down what they have been told. Nobody is told anything by a dead machine.
  void listen() {
    for (auto& c : all_) {
      if (!c.asked)
        continue;
      if (c.asked->accepted) {
        CHECK((c.id.empty() || c.id == c.asked->id)); // acknowledged twice: one of them was lost
        c.id = c.asked->id;
      }
      if (!c.asked->value && !c.asked->value.error().message.empty())
        reasons.insert(c.asked->value.error().message);
      if (c.asked->ended && !store::is_open(c.asked->state))
        c.done = *c.asked;
      else if (c.asked->ended)
        c.asked = nullptr;
    }
  }
  void forget() { // the process has died: nobody answers
    for (auto& c : all_)
      c.asked = nullptr;
  }

  bool all_done() const {
    return std::all_of(all_.begin(), all_.end(), [](const auto& c) { return c.done; });
  }
  std::size_t acknowledged() const {
    return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [](const auto& c) { return !c.id.empty(); }));
  }

  /// A person settles what is parked, and says what is true.
  void settle(kit::stage& s, kit::world& w) {
    for (auto& c : all_) {
      if (c.done || c.id.empty() || status_of(s, c.id) != store::status::parked)
        continue;
      auto& posts = w.effects["tool:post"];
      auto first = posts.lower_bound(c.id + "/");
      bool there = first != posts.end() && first->first.starts_with(c.id + "/");
      (void)resolve_it(s, c.id, there ? journal::verdict::done : journal::verdict::not_done,
                       R"("did tool:post")");
      ++settled;
    }
  }

  /// What must hold whatever the fault was.
  void check(kit::world& w) {
    for (auto& c : all_) {
      INFO(c.key << " (" << c.id << ")");
      REQUIRE(c.done);
      REQUIRE(c.done->state == store::status::completed);
      CHECK(receipt_of(*c.done).id == c.key);
      CHECK(receipt_of(*c.done).steps == 1'111);
    }
    CHECK(w.effects["tool:charge"].size() == all_.size()); // one key each
    CHECK(w.effects["tool:post"].size() == all_.size());
    CHECK(w.most("tool:post") == 1);
  }

  /// Whether somebody was told this.
  bool heard(std::string_view part) const {
    return std::any_of(reasons.begin(), reasons.end(),
                       [&](const auto& r) { return r.find(part) != std::string::npos; });
  }

  std::set<std::string> reasons; ///< of refusals and failures
  int settled = 0;               ///< by a person

private:
  struct customer {
    std::string key;
    std::string id;
    std::shared_ptr<kit::answer> asked;
    std::optional<kit::answer> done;
  };
  std::vector<customer> all_;
};

/// Whether a line of the events says all of this.
inline bool said(const std::vector<std::string>& lines, const std::vector<std::string_view>& parts) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return std::all_of(parts.begin(), parts.end(),
                       [&](auto part) { return line.find(part) != std::string::npos; });
  });
}

/// When the person looks: nothing that was sent before is on its way any more.
inline constexpr std::chrono::seconds settles_after{20};

struct history_of_faults {
  int lives = 0;
  int crashes = 0;
  std::vector<std::string> trace; ///< of all lives
};

/// Lives of a process in trouble, then the fault goes (`heal`), and all must end within `bound`.
/// @param rounds looks at the customers while there is trouble, each after up to 900 ms
inline history_of_faults survive(kit::world& w, customers& crowd, std::uint64_t seed, int rounds,
                                 const std::function<void()>& heal,
                                 std::chrono::milliseconds bound = std::chrono::minutes{2}) {
  history_of_faults h;
  std::mt19937_64 chance{seed};
  auto end_life = [&](kit::stage& s) {
    h.trace.insert(h.trace.end(), s.trace().begin(), s.trace().end());
    h.crashes += w.crashed ? 1 : 0;
    crowd.forget();
  };
  while (rounds > 0) {
    kit::stage aut{w, errands(seed * 1'000 + static_cast<std::uint64_t>(++h.lives))};
    for (; rounds > 0 && !w.crashed; --rounds) {
      crowd.send(aut);
      aut.run(std::chrono::milliseconds{chance() % 900});
      if (!w.crashed)
        crowd.listen();
    }
    end_life(aut);
  }
  heal();
  kit::stage aut{w, errands(seed * 1'000)};
  auto begun = aut.now();
  while (!crowd.all_done() && aut.now() - begun < bound) {
    crowd.send(aut);
    aut.run(std::chrono::milliseconds{500});
    crowd.listen();
    if (aut.now() - begun > settles_after)
      crowd.settle(aut, w);
  }
  INFO("seed " << seed << ", after " << h.lives << " lives: all must end within the bound");
  CHECK(crowd.all_done());
  end_life(aut);
  return h;
}

} // namespace troupe::sim
