// A recorded run against the class that wrote it, and against changed ones.
#include "runtime/core/agent.hpp"
#include "tests/kit/recorded.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct claim {
  std::string id;
  int cents = 0;
  int round = 1;
};
BOOST_DESCRIBE_STRUCT(claim, (), (id, cents, round))

struct ruling {
  bool granted = false;
};
BOOST_DESCRIBE_STRUCT(ruling, (), (granted))

/// What a version of the agent does otherwise.
enum class change {
  none,
  pays_first,
  pays_less,
  other_key,
  other_query,
  other_prompt,
  other_schema,
  notifies_too,
  forgets_to_pay,
  throws_up,
  other_answer,
  patched_step,
};

template <change C>
class claims final : public agent<claim, std::string> {
  task<std::string> run(claim in) override {
    if (C == change::pays_first) {
      auto paid = co_await pay(in);
      if (!paid)
        co_return std::move(paid).error();
    }
    auto query = C == change::other_query ? "the order " + in.id : "order " + in.id;
    auto found = co_await tool("lookup").arg("query", query).call<std::string>();
    if (!found)
      co_return std::move(found).error();
    auto ask = C == change::other_prompt ? std::string{"Grant it, please?"} : std::string{"Grant it?"};
    auto call = llm("fast").system("You are fair.");
    if (C == change::other_schema)
      call = std::move(call).temperature(0.5);
    auto v = co_await std::move(call).template ask<ruling>(ask);
    if (!v || !v->granted)
      co_return std::string{"denied"};
    if (C == change::throws_up)
      throw std::runtime_error{"a bug"};
    if (C == change::patched_step) {
      auto yes = co_await patched("audit");
      if (yes)
        co_return std::string{"patched"};
    }
    if (C != change::forgets_to_pay) {
      auto paid = co_await pay(in);
      if (!paid)
        co_return std::move(paid).error();
    }
    if (C == change::notifies_too) {
      auto told = co_await tool("notify").arg("id", in.id).call();
      if (!told)
        co_return std::move(told).error();
    }
    co_return C == change::other_answer ? std::string{"granted!"} : std::string{"granted"};
  }

  task<std::string> pay(claim in) {
    auto cents = C == change::pays_less ? in.cents - 1 : in.cents;
    auto key = C == change::other_key ? "claim " + in.id : std::string{};
    co_return co_await tool("payment").arg("id", in.id).arg("cents", cents).key(key)
      .template call<std::string>();
  }
};

const bool registered
  = register_agent<claims<change::none>>("claims")
    && register_agent<claims<change::pays_first>>("claims_pays_first")
    && register_agent<claims<change::pays_less>>("claims_pays_less")
    && register_agent<claims<change::other_key>>("claims_other_key")
    && register_agent<claims<change::other_query>>("claims_other_query")
    && register_agent<claims<change::other_prompt>>("claims_other_prompt")
    && register_agent<claims<change::other_schema>>("claims_other_schema")
    && register_agent<claims<change::notifies_too>>("claims_notifies_too")
    && register_agent<claims<change::forgets_to_pay>>("claims_forgets_to_pay")
    && register_agent<claims<change::throws_up>>("claims_throws_up")
    && register_agent<claims<change::other_answer>>("claims_other_answer")
    && register_agent<claims<change::patched_step>>("claims_patched_step");

struct rounds_state {
  int paid = 0;
};
BOOST_DESCRIBE_STRUCT(rounds_state, (), (paid))

/// A bit of everything, over two generations, with a key: time, chance, events, a child, a race, a
/// timer, a signal and a saved state. `Changed` looks at another clock's tick and saves more.
template <bool Changed>
class rounds final : public keyed_agent<claim, std::string, rounds_state> {
  task<std::string> run(claim in) override {
    auto id = co_await this->uuid();
    auto chance = co_await this->random();
    co_await this->emit(Changed ? "round and round" : "round");
    auto roll = [chance] { return chance % 6; };
    auto bonus = co_await troupe::run("dice", effect_class::read, roll);
    if (!bonus)
      co_return std::move(bonus).error();
    if (in.round == 1) {
      auto child = co_await this->template invoke<std::string>("claims", in);
      if (!child)
        co_return std::move(child).error();
      state().paid += Changed ? 2 : 1;
      in.round = 2;
      co_return continue_as(in);
    }
    auto first = co_await when_any(this->sleep(1h), this->sleep(1min));
    auto go = co_await this->template signal<std::string>("go");
    if (!go)
      co_return std::move(go).error();
    auto rest = co_await this->sleep(10min);
    if (!rest)
      co_return std::move(rest).error();
    co_return id + std::to_string(first.index);
  }
};
const bool registered_too = register_agent<rounds<false>>("rounds")
                            && register_agent<rounds<true>>("rounds_changed");

/// Waits for a person between two payments.
class two_payments final : public agent<claim, std::string> {
  task<std::string> run(claim in) override {
    auto first = co_await tool("payment").arg("id", in.id).arg("cents", 1).call<std::string>();
    if (!first)
      co_return std::move(first).error();
    auto go = co_await signal("go");
    if (!go)
      co_return std::move(go).error();
    co_return co_await tool("payment").arg("id", in.id).arg("cents", 2).call<std::string>();
  }
};
TROUPE_AGENT(two_payments)

/// The same with a word in between that the other does not say.
class impatient final : public agent<claim, std::string> {
  task<std::string> run(claim in) override {
    auto first = co_await tool("payment").arg("id", in.id).arg("cents", 1).call<std::string>();
    if (!first)
      co_return std::move(first).error();
    auto both = co_await when_all(signal<raw_json>("go"),
                                  tool("notify").arg("id", in.id).call<std::string>());
    co_return std::string{"done"};
  }
};
TROUPE_AGENT(impatient)

class counts_up final : public agent<int, int> {
  task<int> run(int n) override {
    auto paid = co_await tool("lookup").arg("query", std::to_string(n)).call<std::string>();
    if (!paid || n == 8)
      co_return n;
    co_return continue_as(n + 1);
  }
};
TROUPE_AGENT(counts_up)

kit::scripted_service service(std::string name, effect_class cls, std::string answer) {
  kit::scripted_service s;
  s.name = std::move(name);
  s.info.cls = cls;
  s.answer = [answer = std::move(answer)](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.value = answer;
    return a;
  };
  return s;
}

kit::stage_options cast() {
  kit::stage_options o;
  for (auto name : {"claims", "rounds", "two_payments", "counts_up"}) {
    agent_options a;
    a.name = name;
    if (a.name == "rounds")
      a.key = "id";
    o.agents.push_back(a);
  }
  o.services.push_back(service("tool:lookup", effect_class::read, R"("found it")"));
  o.services.push_back(service("tool:payment", effect_class::idempotent, R"("receipt 7")"));
  o.services.push_back(service("llm:fast", effect_class::read, R"({"granted":true})"));
  o.invocations.inline_max = 16; // so that there are blobs
  return o;
}

const std::string one_claim = R"({"id":"C-1","cents":990,"round":1})";

void say_go(kit::stage& stage, const std::string& id) {
  signal_request s;
  s.id = id;
  s.name = "go";
  s.value = to_json("yes");
  (void)stage.ask<command_reply>(std::move(s));
}

/// Through the file, as a user's test would have it.
kit::recorded through_file(const result<kit::recorded>& run) {
  return kit::recorded::parse(run.value().text().value(), "run.journal").value();
}

kit::recorded record_of(const std::string& agent, const std::string& input, bool go = false) {
  kit::world world;
  kit::stage stage{world, cast()};
  auto answer = stage.invoke(agent, input);
  stage.run_until([&] { return answer->accepted; });
  if (go)
    say_go(stage, answer->id);
  stage.run_until([&] { return answer->ended; });
  return through_file(kit::recorded::of(stage, answer->id));
}

kit::replay_report replayed(const kit::recorded& run, std::string agent_class = {}) {
  kit::replay_options o;
  o.agent_class = std::move(agent_class);
  return kit::replay(run, o);
}

} // namespace

TEST_CASE("the class that wrote a record walks through it and answers the same") {
  auto run = record_of("claims", one_claim);

  auto report = replayed(run);

  INFO(report);
  CHECK(report.same());
  CHECK(report.steps == 6);
  CHECK(report.steps_recorded == 6);
  CHECK(report.answer->value() == R"("granted")");
}

TEST_CASE("a step in another place is the first difference, with both sides shown") {
  auto report = replayed(record_of("claims", one_claim), "claims_pays_first");

  REQUIRE(report.first);
  CHECK(report.first->step == 1);
  CHECK(report.first->code
        == kit::step_side{"tool", "payment", "-/0", R"({"id":"C-1","cents":990})", ""});
  CHECK(report.first->record
        == kit::step_side{"tool", "lookup", "-/0", R"({"query":"order C-1"})", ""});
  auto text = report.text();
  INFO(text);
  CHECK(text.find("the code leaves the record in generation 0 at step 1: another step\n"
                  "  the code asks for  tool \"payment\" at -/0 {\"id\":\"C-1\",\"cents\":990}\n"
                  "  the record holds   tool \"lookup\" at -/0 {\"query\":\"order C-1\"}\n")
        != text.npos);
}

TEST_CASE("an effect with other arguments differs, and the place within them is named") {
  auto report = replayed(record_of("claims", one_claim), "claims_pays_less");

  REQUIRE(report.first);
  CHECK(report.first->what == "the same step with other arguments");
  CHECK(report.first->places == std::vector{json_difference{"/cents", "989", "990"}});
  CHECK(report.text().find("/cents: the code has 989, the record 990") != std::string::npos);
  CHECK_FALSE(report.same_commands());
}

TEST_CASE("an effect under another business key differs") {
  auto report = replayed(record_of("claims", one_claim), "claims_other_key");

  REQUIRE(report.first);
  CHECK(report.first->code.key == "claim C-1");
  CHECK(report.first->record.key.empty());
}

TEST_CASE("a read with other arguments drifts, and gets the recorded answer") {
  auto report = replayed(record_of("claims", one_claim), "claims_other_query");

  INFO(report);
  CHECK(report.same_commands());
  CHECK_FALSE(report.same());
  REQUIRE(report.drifts.size() == 1);
  CHECK(report.drifts[0].places
        == std::vector{json_difference{"/query", "\"the order C-1\"", "\"order C-1\""}});
  CHECK(report.answer->value() == R"("granted")");
}

TEST_CASE("a changed prompt drifts at the message that changed") {
  auto report = replayed(record_of("claims", one_claim), "claims_other_prompt");

  REQUIRE(report.drifts.size() == 1);
  CHECK(report.drifts[0].code.name == "fast");
  CHECK(report.drifts[0].places
        == std::vector{
          json_difference{"/1/content", "\"Grant it, please?\"", "\"Grant it?\""}});
}

TEST_CASE("a model call that differs beside its messages drifts and says so") {
  auto report = replayed(record_of("claims", one_claim), "claims_other_schema");

  REQUIRE(report.drifts.size() == 1);
  CHECK(report.drifts[0].what
        == "the messages are the same; schema, temperature or max_tokens are not");
}

TEST_CASE("a step past the end of a finished run is a difference") {
  auto report = replayed(record_of("claims", one_claim), "claims_notifies_too");

  REQUIRE(report.first);
  CHECK(report.first->what == "the code asks for more than the recorded run did");
  CHECK(report.first->code.name == "notify");
  CHECK(report.first->record == kit::step_side{"end", "", "", R"("granted")", ""});
  CHECK(report.steps == 6);
}

TEST_CASE("an end before the record's is a difference") {
  auto report = replayed(record_of("claims", one_claim), "claims_forgets_to_pay");

  REQUIRE(report.first);
  CHECK(report.first->what == "the code ends, the record goes on");
  CHECK(report.first->code == kit::step_side{"end", "", "", R"("granted")", ""});
  CHECK(report.first->record.name == "payment");
}

TEST_CASE("an exception in a replay is a difference with what was thrown") {
  auto report = replayed(record_of("claims", one_claim), "claims_throws_up");

  REQUIRE(report.first);
  CHECK(report.first->code == kit::step_side{"throws", "", "", "a bug", ""});
}

TEST_CASE("another answer after the same commands is told apart from other commands") {
  auto report = replayed(record_of("claims", one_claim), "claims_other_answer");

  CHECK(report.same_commands());
  CHECK_FALSE(report.same());
  CHECK(report.text().find("the answer is   \"granted!\"\nand was         \"granted\"\n")
        != std::string::npos);
}

TEST_CASE("code behind a patch does not see a record that was made before it") {
  auto report = replayed(record_of("claims", one_claim), "claims_patched_step");

  INFO(report);
  CHECK(report.same());
}

TEST_CASE("generations and keys and children and races and timers are what they were") {
  auto run = record_of("rounds", one_claim, true);

  auto report = replayed(run);

  INFO(report);
  CHECK(report.same());
  CHECK(report.steps == report.steps_recorded);
  CHECK(report.steps > 14);
  CHECK(report.answer->value().ends_with("1\"")); // the shorter one won
}

TEST_CASE("what followers are told and what a key saves drifts where it changed") {
  auto report = replayed(record_of("rounds", one_claim, true), "rounds_changed");

  INFO(report);
  CHECK(report.same_commands());
  REQUIRE(report.drifts.size() == 3); // two emits, one state
  CHECK(report.drifts[0].what == "it tells its followers something else");
  CHECK(report.drifts[1].what == "the state that it saves is not the recorded one");
  CHECK(report.drifts[1].places == std::vector{json_difference{"/paid", "2", "1"}});
}

TEST_CASE("a run that is still open is walked to where it stands, and what would come is listed") {
  kit::world world;
  kit::stage stage{world, cast()};
  auto answer = stage.invoke("two_payments", one_claim);
  stage.run_until([&] { return world.total("tool:payment") == 1; });
  stage.run(1min);
  auto run = through_file(kit::recorded::of(stage, answer->id));

  auto same = replayed(run);
  auto changed = replayed(run, "impatient");

  INFO(same << changed);
  CHECK(same.same());
  CHECK(same.beyond.empty()); // it waits for the signal that it waited for
  CHECK_FALSE(same.answer);
  REQUIRE(changed.first); // a branch of when_all has another address
  CHECK(changed.first->code.at == "1.0/0");
  CHECK(changed.first->record.at == "-/1");
}

TEST_CASE("past the end of an open record nothing is answered, and all that is asked is listed") {
  kit::world world;
  kit::stage stage{world, cast()};
  auto answer = stage.invoke("two_payments", one_claim);
  stage.run_until([&] { return answer->accepted; });
  auto early = kit::recorded::of(stage, answer->id);
  auto first = early.value().what();
  first.rows.resize(1); // accepted, and no step yet
  auto run = kit::recorded::parse(journal::write_export(first).value(), "x").value();

  auto report = replayed(run);

  REQUIRE(report.beyond.size() == 1);
  CHECK(report.beyond[0].text() == R"(tool "payment" at -/0 {"id":"C-1","cents":1})");
  CHECK(report.text().find("past the record's end the code asks for tool \"payment\" at -/0")
        != std::string::npos);
  CHECK(report.same_commands());
}

TEST_CASE("a generation whose rows were trimmed is passed over and named") {
  auto report = replayed(record_of("counts_up", "1"));

  INFO(report);
  CHECK(report.same());
  CHECK(report.skipped == std::vector<std::uint32_t>{0});
  CHECK(report.answer->value() == "8");
}

TEST_CASE("a replay runs on the thread of its test and tells each step before it happens") {
  auto run = record_of("claims", one_claim);
  std::vector<std::string> told;
  kit::replay_options o;
  o.on_step = [&](std::uint32_t, std::uint32_t n, std::string_view what) {
    told.push_back(std::to_string(n) + " " + std::string{what});
  };

  auto report = kit::replay(run, o);

  REQUIRE(told.size() == 6);
  CHECK(told[0] == R"(1 tool "lookup" at -/0 {"query":"order C-1"})");
  CHECK(told[1] == "2 tool at -/0 is answered");
  CHECK(told[5] == "6 tool at -/2 is answered");
}

TEST_CASE("a record whose class is not in this program says so") {
  auto report = replayed(record_of("claims", one_claim), "nobody");

  REQUIRE(report.first);
  CHECK(report.text().find("no such class is linked into this program") != std::string::npos);
}

TEST_CASE("a record that is damaged is refused with its file and line") {
  auto text = record_of("claims", one_claim).text().value();
  auto at = text.find("receipt 7");
  REQUIRE(at != text.npos);
  text[at] = 'R';

  auto run = kit::recorded::parse(text, "run.journal");
  auto missing = kit::recorded::load("/nowhere/run.journal");

  REQUIRE_FALSE(run);
  CHECK(run.error().code == errc::corrupted);
  CHECK(run.error().message.starts_with("run.journal:"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "/nowhere/run.journal: cannot be read");
}
