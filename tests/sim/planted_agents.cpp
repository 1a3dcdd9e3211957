#include "tests/sim/planted_cast.hpp"

#include <map>
#include <stdexcept>

namespace troupe::sim::planted {
namespace {

using namespace std::chrono_literals;

constexpr int signals_wanted = 5;
constexpr int tries_max = 50;

/// Deaths so far, by id: outside of the agents, as a bug of the environment would be.
std::map<std::string, int> deaths;

/// One effect, and what became of it.
task<std::string> op(std::string service, std::string what) {
  auto got = co_await tool(service).arg("op", what).call<std::string>();
  co_return told_of(service, what, got);
}

account account_of(job& in) {
  account out;
  out.id = in.id;
  out.steps = in.n;
  out.told = std::move(in.told);
  return out;
}

class clerk final : public agent<job, account> {
  task<account> run(job in) override {
    for (const auto* service : {"look", "charge", "post", "fire"}) {
      auto told = co_await op(service, in.id + "." + std::to_string(in.n) + service);
      in.told.push_back(told.value());
    }
    if (++in.n < 4)
      co_return continue_as(in);
    co_return account_of(in);
  }
};

class juggler final : public agent<job, account> {
  task<account> run(job in) override {
    auto all = co_await when_all(op("charge", in.id + ".a"), op("post", in.id + ".b"),
                                 op("look", in.id + ".c"), sleep(3s), op("post", in.id + ".d"));
    in.told.push_back(std::get<0>(all).value());
    in.told.push_back(std::get<1>(all).value());
    in.told.push_back(std::get<2>(all).value());
    in.told.push_back(std::get<4>(all).value());
    auto raced = co_await when_any(op("charge", in.id + ".e"), op("post", in.id + ".f"),
                                   op("look", in.id + ".g"));
    in.told.push_back(raced.value.value());
    auto dice = co_await random();
    auto timed = co_await with_timeout(200ms, op("post", in.id + "." + std::to_string(dice)));
    if (timed)
      in.told.push_back(*timed);
    auto next = co_await op("charge", in.id + ".h");
    in.told.push_back(next.value());
    auto last = co_await op("post", in.id + ".i");
    in.told.push_back(last.value());
    co_return account_of(in);
  }
};

/// Takes five signals, two in each generation, in all the ways in which they can be waited for.
class waiter final : public agent<job, account> {
  static task<std::string> take() {
    auto got = co_await signal<int>("go");
    co_return got ? "sig " + std::to_string(*got) : "none";
  }
  static task<std::string> nap() {
    (void)co_await sleep(4s);
    co_return std::string{"none"};
  }

  task<account> run(job in) override {
    for (int i = 0; i < 2 && in.n < signals_wanted;) {
      auto got = result<std::string>{std::string{"none"}};
      if (in.n % 3 == 0) {
        got = co_await take();
      } else if (in.n % 3 == 1) {
        auto first = co_await when_any(take(), take());
        got = first.value;
      } else {
        auto first = co_await when_any(take(), nap());
        got = first.value;
      }
      if (!got || *got == "none") {
        auto cancelled = co_await sleep(20s);
        if (!cancelled)
          co_return std::move(cancelled).error();
        continue;
      }
      in.told.push_back(*got);
      ++in.n;
      ++i;
      if (in.n % 2 == 0) {
        auto noted = co_await op("charge", in.id + "." + *got);
        in.told.push_back(noted.value());
      }
    }
    if (in.n < signals_wanted)
      co_return continue_as(in);
    co_return account_of(in);
  }
};

class worker final : public agent<job, account> {
  task<account> run(job in) override {
    auto slept = co_await sleep(in.n * 3s);
    if (!slept)
      co_return std::move(slept).error();
    auto done = co_await op(in.n % 2 == 0 ? "charge" : "post", in.id);
    in.told.push_back(done.value());
    co_return account_of(in);
  }
};

/// Waits for what never comes: somebody must stop it.
class hermit final : public agent<job, account> {
  task<account> run(job in) override {
    auto never_comes = co_await signal<int>("never");
    if (!never_comes)
      co_return std::move(never_comes).error();
    co_return account_of(in);
  }
};

class parent final : public agent<job, account> {
  static task<std::string> child(job in) {
    auto done = co_await invoke<account>("worker", in);
    co_return done ? done->told.front() : "none";
  }

  task<account> run(job in) override {
    job first, second, third;
    first.id = in.id + ".w0";
    second.id = in.id + ".w1";
    second.n = 1;
    third.id = in.id + ".w2";
    third.n = 2;
    auto sent = co_await send("worker", third);
    auto both = co_await when_all(child(first), child(second));
    in.told.push_back(std::get<0>(both).value());
    in.told.push_back(std::get<1>(both).value());
    auto alone = co_await with_timeout(5s, invoke<account>("hermit", first));
    in.told.push_back(alone ? "WRONG: the hermit spoke" : "none");
    third.id = in.id + ".w4";
    third.n = 4;
    auto after = co_await child(third);
    in.told.push_back(after.value());
    if (!sent)
      co_return std::move(sent).error();
    co_return account_of(in);
  }
};

/// One writer a key: counts what was done under it. Every fourth fails after a checkpoint.
class teller final : public keyed_agent<job, account, book> {
  task<account> run(job in) override {
    if (in.told.empty()) { // the first generation
      state().count += 1;
      state().told.push_back(std::to_string(in.n));
      auto paid = co_await op("charge", in.id + ".k" + std::to_string(in.n));
      in.told.push_back(paid.value());
      if (in.n % 2 == 1)
        co_return continue_as(in);
    }
    if (in.n % 3 == 0)
      (void)co_await sleep(5s);
    auto told = co_await op("post", in.id + ".l" + std::to_string(in.n));
    in.told.push_back(told.value());
    if (in.n % 4 == 3)
      co_return error{errc::failed, "as it should"};
    auto out = account_of(in);
    out.steps = state().count;
    for (const auto& one : state().told)
      out.told.push_back("in " + one);
    co_return out;
  }
};

/// The same, but lets others in while it waits for its signal.
class desk final : public keyed_agent<job, account, book> {
  task<account> run(job in) override {
    auto paid = co_await op("charge", in.id + ".m" + std::to_string(in.n));
    in.told.push_back(paid.value());
    auto go = co_await signal<int>("go");
    state().count += 1;
    state().told.push_back(std::to_string(in.n));
    auto told = co_await op("post", in.id + ".o" + std::to_string(in.n));
    in.told.push_back(told.value());
    auto out = account_of(in);
    out.steps = state().count;
    for (const auto& one : state().told)
      out.told.push_back("in " + one);
    if (!go)
      co_return std::move(go).error();
    co_return out;
  }
};

class sleeper final : public agent<job, account> {
  task<account> run(job in) override {
    for (int i = 0; i < 3; ++i) {
      auto slept = co_await sleep(in.n == 0 ? 3s : std::chrono::seconds{600});
      if (!slept)
        co_return std::move(slept).error();
      auto done = co_await op("charge", in.id + "." + std::to_string(i));
      in.told.push_back(done.value());
    }
    co_return account_of(in);
  }
};

/// Its tools are real. It tries again until each thing is done, or nobody knows.
class shopper final : public agent<job, account> {
  static task<std::string> fetch(std::string service, std::string what) {
    for (int i = 0; i < tries_max; ++i) {
      auto told = co_await op(service, what + "#" + std::to_string(i));
      if (!told->starts_with("no"))
        co_return *told;
      auto slept = co_await sleep(5s);
      if (!slept)
        co_return std::string{"none"};
    }
    co_return "WRONG: " + what + " is never done";
  }

  task<account> run(job in) override {
    auto all = co_await when_all(fetch("stamp", in.id + ".a"), fetch("press", in.id + ".b"),
                                 fetch("stamp", in.id + ".c"), fetch("press", in.id + ".d"));
    in.told.push_back(std::get<0>(all).value());
    in.told.push_back(std::get<1>(all).value());
    in.told.push_back(std::get<2>(all).value());
    in.told.push_back(std::get<3>(all).value());
    for (const auto* service : {"press", "stamp", "press", "stamp", "press", "stamp"}) {
      auto one = co_await fetch(service, in.id + ".e" + std::to_string(in.n++));
      in.told.push_back(one.value());
    }
    co_return account_of(in);
  }
};

class thrower final : public agent<job, account> {
  task<account> run(job in) override {
    auto first = co_await op("post", in.id + ".a");
    in.told.push_back(first.value());
    if (deaths[in.id]++ < 2)
      throw std::runtime_error{"not today"};
    auto second = co_await op("post", in.id + ".b");
    in.told.push_back(second.value());
    co_return account_of(in);
  }
};

} // namespace

void register_cast() {
  deaths.clear();
  static const bool once = [] {
    register_agent<clerk>("rehearsed.clerk");
    register_agent<juggler>("rehearsed.juggler");
    register_agent<waiter>("rehearsed.waiter");
    register_agent<worker>("rehearsed.worker");
    register_agent<hermit>("rehearsed.hermit");
    register_agent<parent>("rehearsed.parent");
    register_agent<teller>("rehearsed.teller");
    register_agent<desk>("rehearsed.desk");
    register_agent<sleeper>("rehearsed.sleeper");
    register_agent<shopper>("rehearsed.shopper");
    register_agent<thrower>("rehearsed.thrower");
    return true;
  }();
  (void)once;
}

} // namespace troupe::sim::planted
