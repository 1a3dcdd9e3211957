// Every effect, killed at every durable boundary.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

class sequential final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    receipt out;
    out.id = in.id;
    auto a = co_await tool("lookup").arg("id", in.id).call<std::string>();
    if (!a)
      co_return std::move(a).error();
    auto b = co_await tool("charge").arg("id", in.id).arg("amount", in.amount).call<std::string>();
    if (!b)
      co_return std::move(b).error();
    auto c = co_await tool("post").arg("text", *b).call<std::string>();
    if (!c)
      co_return std::move(c).error();
    out.note = *a + ", " + *b;
    out.steps = 3;
    co_return out;
  }
};

class parallel final : public agent<order, receipt> {
  task<std::string> charge_then_note(std::string id) {
    auto first = co_await tool("charge").arg("id", id).call<std::string>();
    if (!first)
      co_return std::move(first).error();
    auto second = co_await tool("charge").arg("again", id).call<std::string>();
    if (!second)
      co_return std::move(second).error();
    co_return *first + *second;
  }

  task<receipt> run(order in) override {
    auto both = co_await when_all(charge_then_note(in.id), tool("lookup").call<std::string>(),
                                  sleep(50ms));
    if (!std::get<0>(both) || !std::get<1>(both) || !std::get<2>(both))
      co_return errc::failed;
    auto first = co_await when_any(tool("slow").call<std::string>(),
                                   tool("lookup").call<std::string>());
    receipt out;
    out.id = in.id;
    out.steps = static_cast<int>(first.index);
    out.note = first.value.value();
    auto timed = co_await with_timeout(20ms, tool("never").call<std::string>());
    out.note += timed ? "?" : to_string(timed.error().code);
    auto last = co_await tool("charge").arg("last", in.id).call<std::string>();
    if (!last)
      co_return std::move(last).error();
    co_return out;
  }
};

class locals final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    auto when = co_await now();
    auto dice = co_await random();
    auto name = co_await uuid();
    co_await emit(name);
    int n = 0;
    auto ran = co_await troupe::run("count", effect_class::idempotent, [&n] { return ++n; });
    auto new_code = co_await patched("v2");
    auto posted = co_await tool("charge").arg("name", name).arg("dice", dice).call<std::string>();
    if (!posted)
      co_return std::move(posted).error();
    auto again = co_await now();
    receipt out;
    out.id = in.id;
    out.note = name;
    out.steps = ran.value() + (new_code ? 10 : 0) + (again >= when ? 100 : 0);
    co_return out;
  }
};

class counter final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    auto done = co_await tool("charge").arg("round", in.amount).call<std::string>();
    if (!done)
      co_return std::move(done).error();
    if (in.amount < 7) {
      ++in.amount;
      co_return continue_as(in);
    }
    receipt out;
    out.id = in.id;
    out.steps = in.amount;
    co_return out;
  }
};

class parent final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    order for_child;
    for_child.id = in.id + "-child";
    for_child.amount = 5;
    auto sent = co_await send("sequential", for_child);
    auto child = co_await invoke<receipt>("counter", for_child);
    if (!child)
      co_return std::move(child).error();
    receipt out;
    out.id = child->id;
    out.steps = child->steps;
    out.note = sent ? "sent" : "not sent";
    co_return out;
  }
};

class approval final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    auto yes = co_await signal<std::string>("approve");
    if (!yes)
      co_return std::move(yes).error();
    auto slept = co_await sleep(1h);
    if (!slept)
      co_return std::move(slept).error();
    auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
    receipt out;
    out.id = in.id;
    out.note = *yes;
    out.steps = charged ? 1 : 0;
    co_return out;
  }
};

TROUPE_AGENT(sequential)
TROUPE_AGENT(parallel)
TROUPE_AGENT(locals)
TROUPE_AGENT(counter)
TROUPE_AGENT(parent)
TROUPE_AGENT(approval)

kit::stage_options cast(std::uint64_t seed) {
  kit::stage_options o;
  o.seed = seed;
  for (auto* name : {"sequential", "parallel", "locals", "counter", "parent", "approval"})
    o.agents.push_back(named(name));
  o.services.push_back(service("tool:lookup", effect_class::read));
  o.services.push_back(service("tool:charge", effect_class::idempotent));
  o.services.push_back(service("tool:post", effect_class::at_most_once, true));
  o.services.push_back(service("tool:slow", effect_class::read));
  o.services.back().answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.latency = 500ms;
    return a;
  };
  o.services.push_back(service("tool:never", effect_class::read));
  o.services.back().answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.silent = true;
    return a;
  };
  return o;
}


// Runs an agent over a sweep: the same answer each time, `charges` different keys at the idempotent
// tool, and nothing done twice that must not be.
kit::sweep_report sweep(const std::string& agent, std::size_t charges,
                        const std::function<void(const receipt&)>& check, bool twice = false) {
  auto report = kit::for_each_crash_point(
    [&](kit::world& w) {
      auto a = drive(w, cast(17), agent, one_order);
      INFO("agent " << agent << ", crash at " << (w.crash_at.empty() ? -1 : long(*w.crash_at.begin()))
                    << ": " << (a.value ? *a.value : to_string(a.value.error())));
      REQUIRE(a.ended);
      REQUIRE(a.state == store::status::completed);
      check(from_json<receipt>(*a.value).value());
      CHECK(w.effects["tool:charge"].size() == charges);
      CHECK(w.most("tool:post") <= 1);
    },
    twice);
  WARN(agent << ": " << report.crash_points << " crash points, " << report.runs << " runs");
  return report;
}

} // namespace

TEST_CASE("a sequence of calls survives a crash at every boundary", "[sweep]") {
  auto report = sweep(
    "sequential", 1,
    [](const receipt& r) {
      CHECK(r.steps == 3);
      CHECK(r.note == "did tool:lookup, did tool:charge");
    },
    true);
  CHECK(report.crash_points > 10);
}

TEST_CASE("branches and races survive a crash at every boundary", "[sweep]") {
  sweep("parallel", 3, [](const receipt& r) {
    CHECK(r.steps == 1);
    CHECK(r.note == "did tool:lookuptimed_out");
  });
}

TEST_CASE("recorded chance and time survive a crash at every boundary", "[sweep]") {
  sweep("locals", 1, [](const receipt& r) { CHECK(r.steps % 100 >= 11); });
}

TEST_CASE("generations survive a crash at every boundary", "[sweep]") {
  sweep("counter", 7, [](const receipt& r) { CHECK(r.steps == 7); });
}

TEST_CASE("children survive a crash at every boundary", "[sweep]") {
  sweep("parent", 3 + 1, [](const receipt& r) {
    CHECK(r.id == "T-1-child");
    CHECK(r.steps == 7);
    CHECK(r.note == "sent");
  });
}

TEST_CASE("an approval waits over crashes and is consumed once", "[sweep]") {
  auto report = kit::for_each_crash_point([](kit::world& w) {
    kit::answer last;
    bool signalled = false;
    for (int life = 0; life < 20 && !last.ended; ++life) {
      kit::stage stage{w, cast(3 + static_cast<std::uint64_t>(life))};
      auto a = stage.invoke("approval", one_order, "k");
      stage.run_until([&] { return a->accepted || a->refused; });
      if (w.crashed)
        continue;
      if (!signalled) {
        signal_request s;
        s.id = a->id;
        s.name = "approve";
        s.value = "\"yes\"";
        auto reply = stage.ask<command_reply>(std::move(s));
        stage.run_until([&] { return reply->has_value() || a->ended; });
        // Only an acknowledged signal is promised to be there; the client repeats others.
        signalled = reply->has_value() && (*reply)->done;
        if (w.crashed)
          continue;
      }
      stage.run_until([&] { return a->ended; }, 3h);
      if (!w.crashed)
        last = *a;
    }
    REQUIRE(last.ended);
    CHECK(from_json<receipt>(last.value.value()).value().note == "yes");
    CHECK(w.effects["tool:charge"].size() == 1);
  });
  WARN("approval: " << report.crash_points << " crash points");
}

TEST_CASE("the same seed gives the same trace, byte for byte", "[seeds]") {
  auto trace = [](std::uint64_t seed) {
    kit::world w;
    kit::stage stage{w, cast(seed)};
    auto a = stage.invoke("parallel", one_order, "k");
    auto b = stage.invoke("locals", one_order, "k2");
    stage.run_until([&] { return a->ended && b->ended; });
    auto lines = stage.trace();
    for (auto& e : stage.journal_of(a->id))
      lines.emplace_back(journal::name_of(e));
    return lines;
  };
  CHECK(trace(5) == trace(5));
}
