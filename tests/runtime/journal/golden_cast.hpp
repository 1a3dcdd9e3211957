#pragma once
// The agents of the golden journals, and how each journal came about.

#include "runtime/core/agent.hpp"
#include "runtime/core/saga.hpp"
#include "tests/kit/stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace troupe::golden {

using namespace std::chrono_literals;

struct job {
  std::string id;
  int round = 1;
};
BOOST_DESCRIBE_STRUCT(job, (), (id, round))

struct tally {
  int jobs = 0;
};
BOOST_DESCRIBE_STRUCT(tally, (), (jobs))

class golden_sequence final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto found = co_await tool("lookup").arg("id", in.id).call<std::string>();
    if (!found)
      co_return std::move(found).error();
    auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
    if (!charged)
      co_return std::move(charged).error();
    co_return *found + ", " + *charged;
  }
};
TROUPE_AGENT(golden_sequence)

class golden_race final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto first = co_await when_any(tool("charge").arg("id", in.id).call<std::string>(),
                                   tool("lookup").arg("id", in.id).call<std::string>());
    auto rest = co_await sleep(1s);
    if (!rest || !first.value)
      co_return errc::failed;
    co_return fmt::format("{}: {}", first.index, *first.value);
  }
};
TROUPE_AGENT(golden_race)

class golden_keyed final : public keyed_agent<job, int, tally> {
  task<int> run(job in) override {
    auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
    if (!charged)
      co_return std::move(charged).error();
    co_return ++state().jobs;
  }
};
TROUPE_AGENT(golden_keyed)

class golden_yield final : public keyed_agent<job, int, tally> {
  task<int> run(job) override {
    ++state().jobs;
    auto go = co_await signal<std::string>("go");
    if (!go)
      co_return std::move(go).error();
    co_return state().jobs;
  }
};
TROUPE_AGENT(golden_yield)

class golden_unknown final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    co_return co_await tool("post").arg("text", in.id).call<std::string>();
  }
};
TROUPE_AGENT(golden_unknown)

class golden_generation final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto loud = co_await patched("loud");
    if (in.round == 1) {
      auto found = co_await tool("lookup").arg("id", in.id).call<std::string>();
      in.round = 2;
      co_return continue_as(in);
    }
    auto word = co_await signal<std::string>("word");
    if (!word)
      co_return std::move(word).error();
    co_return *word + (loud ? "!" : ".");
  }
};
TROUPE_AGENT(golden_generation)

class golden_retry final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
    auto found = co_await tool("lookup").arg("id", in.id).call<std::string>();
    if (!charged)
      co_return std::move(charged).error();
    if (!found)
      co_return std::move(found).error();
    co_return *charged + ", " + *found;
  }
};
TROUPE_AGENT(golden_retry)

class golden_signal final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto yes = co_await signal<std::string>("approve");
    if (!yes)
      co_return std::move(yes).error();
    co_return in.id + ": " + *yes;
  }
};
TROUPE_AGENT(golden_signal)

class golden_model final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto question = "Why is " + in.id + " late?";
    auto first = co_await llm("fast").system("Be brief.").complete(question);
    if (!first)
      co_return std::move(first).error();
    auto second = co_await llm("fast").system("Be brief.").message("user", question)
                    .message("assistant", first->text).complete("In one word?");
    if (!second)
      co_return std::move(second).error();
    co_return second->text;
  }
};
TROUPE_AGENT(golden_model)

class golden_locals final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto when = co_await now();
    auto dice = co_await random();
    auto name = co_await uuid();
    co_await emit(name);
    auto sum = co_await troupe::run("add", effect_class::idempotent,
                                    [&in] { return in.round + 1; });
    auto slept = co_await sleep(10ms);
    if (!sum || !slept)
      co_return errc::failed;
    co_return fmt::format("{} {} {} {}", to_string(when), dice, name, *sum);
  }
};
TROUPE_AGENT(golden_locals)

class golden_cancel final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
    auto cleaned = co_await tool("lookup").arg("id", in.id).call<std::string>();
    if (!charged)
      co_return std::move(charged).error();
    co_return *charged;
  }
};
TROUPE_AGENT(golden_cancel)

class golden_death final : public agent<job, std::string> {
public:
  inline static int left = 0; ///< deaths to come

private:
  task<std::string> run(job in) override {
    auto found = co_await tool("lookup").arg("id", in.id).call<std::string>();
    if (left > 0) {
      --left;
      throw std::runtime_error{"a bug"};
    }
    co_return co_await tool("charge").arg("id", in.id).call<std::string>();
  }
};
TROUPE_AGENT(golden_death)

class golden_parent final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    job child;
    child.id = in.id + "-child";
    auto sent = co_await send("golden_sequence", child);
    if (!sent)
      co_return std::move(sent).error();
    co_return co_await invoke<std::string>("golden_sequence", child);
  }
};
TROUPE_AGENT(golden_parent)

class golden_sender final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    co_return co_await tool("charge").arg("id", in.id).key("sent").call<std::string>();
  }
};
TROUPE_AGENT(golden_sender)

/// Pays, takes what another one has done under the same business key, and undoes what it has done
/// itself.
class golden_saga final : public agent<job, std::string> {
  task<std::string> run(job in) override {
    saga deal;
    auto paid = co_await deal.step(tool("charge").arg("id", in.id).call<std::string>(),
                                   tool("charge").arg("id", "back"));
    if (!paid)
      co_return std::move(paid).error();
    auto sent = co_await deal.step(tool("charge").arg("id", in.id).key("sent").call<std::string>(),
                                   tool("charge").arg("id", "recalled"));
    if (!sent)
      co_return std::move(sent).error();
    error why{errc::failed, "out of stock"};
    co_return co_await deal.fail<std::string>(why);
  }
};
TROUPE_AGENT(golden_saga)

inline kit::scripted_service service(std::string name, effect_class cls,
                                     std::chrono::milliseconds latency) {
  kit::scripted_service s;
  s.name = std::move(name);
  s.info.cls = cls;
  s.answer = [latency](const call_request& r, std::uint32_t) {
    kit::scripted_answer a;
    a.latency = latency;
    a.value = to_json("did " + r.service);
    return a;
  };
  return s;
}

/// The stage of every golden journal.
struct cast : kit::stage_options {
  cast() {
    for (auto* name :
         {"golden_sequence", "golden_race", "golden_keyed", "golden_yield", "golden_unknown",
          "golden_generation", "golden_retry", "golden_signal", "golden_model", "golden_locals",
          "golden_cancel", "golden_death", "golden_parent", "golden_saga", "golden_sender"}) {
      agent_options a;
      a.name = name;
      a.yields = a.name == "golden_yield";
      if (a.yields || a.name == "golden_keyed")
        a.key = "id";
      agents.push_back(std::move(a));
    }
    services.push_back(service("tool:lookup", effect_class::read, 5ms));
    services.push_back(service("tool:charge", effect_class::idempotent, 10ms));
    services.push_back(service("tool:post", effect_class::at_most_once, 10ms));
    services.push_back(service("llm:fast", effect_class::read, 20ms));
    tool("llm:fast").answer = [](const call_request&, std::uint32_t nth) {
      completion_text words;
      words.text = nth == 0 ? "It waits for a part." : "Parts.";
      words.input_tokens = 20;
      words.output_tokens = 6;
      kit::scripted_answer a;
      a.latency = 20ms;
      a.value = to_json(words);
      return a;
    };
    tool("tool:post").info.reconciles = true;
    tool("tool:post").reconcile = [](const reconcile_request&) {
      return reconcile_reply{reconcile_state::unknown, "the log of the chat was rotated"};
    };
    // Small, so that the journals hold blobs too.
    invocations.inline_max = 64;
  }

  kit::scripted_service& tool(std::string_view name) {
    return *std::find_if(services.begin(), services.end(),
                         [&](const auto& s) { return s.name == name; });
  }
};

inline const std::string one_job = R"({"id":"T-1","round":1})";

/// Whether this journal has ended `times` times.
inline bool has_ended(kit::stage& stage, const std::string& id, int times = 1) {
  auto all = stage.journal_of(id);
  return std::count_if(all.begin(), all.end(), [](const auto& e) {
           return std::holds_alternative<journal::ended>(e);
         }) >= times;
}

/// One golden journal: its file's name, what it shows, and how to make it anew.
struct scenario {
  std::string name;
  std::string about;
  std::function<void(kit::world&)> play;
  journal::invocation_no no = 1;
};

inline void play_to_end(kit::world& w, const std::string& agent) {
  kit::stage stage{w, cast{}};
  auto a = stage.invoke(agent, one_job);
  stage.run_until([&] { return a->ended; });
}

inline void play_race(kit::world& w) {
  cast all;
  all.tool("tool:charge").answer = service("tool:charge", effect_class::idempotent, 500ms).answer;
  kit::stage stage{w, all};
  auto a = stage.invoke("golden_race", one_job);
  stage.run_until([&] { return a->ended; });
}

inline void play_keyed(kit::world& w) {
  play_to_end(w, "golden_keyed");
  play_to_end(w, "golden_keyed");
}

/// One that sends, and then one that finds it sent.
inline void play_saga(kit::world& w) {
  play_to_end(w, "golden_sender");
  play_to_end(w, "golden_saga");
}

inline void play_unknown(kit::world& w) {
  cast all;
  all.tool("tool:post").answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer lost;
    lost.silent = true;
    return lost;
  };
  std::string id;
  {
    kit::stage killed{w, all};
    auto a = killed.invoke("golden_unknown", one_job);
    killed.run_until([&] { return a->accepted && w.total("tool:post") == 1; });
    id = a->id;
  }
  kit::stage stage{w, all};
  stage.run_until([&] {
    auto all = stage.journal_of(id);
    return !all.empty() && std::holds_alternative<journal::parked>(all.back());
  });
  resolve_request r;
  r.id = id;
  r.value = to_json("seen in the chat");
  auto resolved = stage.ask<command_reply>(std::move(r));
  stage.run_until([&] { return has_ended(stage, id); });
}

inline void play_resend(kit::world& w) {
  cast lost;
  lost.tool("tool:post").answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.effect = false;
    a.silent = true;
    return a;
  };
  std::string id;
  {
    kit::stage killed{w, lost};
    auto a = killed.invoke("golden_unknown", one_job);
    killed.run_until([&] { return a->accepted && w.calls["tool:post"].size() == 1; });
    id = a->id;
  }
  cast found;
  found.tool("tool:post").reconcile = nullptr; // looks at what was done
  kit::stage stage{w, found};
  stage.run_until([&] { return has_ended(stage, id); });
}

inline void play_rollback(kit::world& w) {
  kit::stage stage{w, cast{}};
  auto a = stage.invoke("golden_sequence", one_job);
  stage.run_until([&] { return w.total("tool:lookup") == 1; });
  w.fail_commits = true;
  stage.run_until([&] { return stage.log().failed(); });
  w.fail_commits = false;
  stage.run_until([&] { return has_ended(stage, a->id); });
}

inline void signal(kit::stage& stage, const std::string& id, std::string name) {
  signal_request s;
  s.id = id;
  s.name = std::move(name);
  s.value = to_json("yes");
  auto done = stage.ask<command_reply>(std::move(s));
}

inline void play_generation(kit::world& w) {
  kit::stage stage{w, cast{}};
  auto a = stage.invoke("golden_generation", one_job);
  stage.run_until([&] { return a->accepted; });
  signal(stage, a->id, "word"); // before anybody waits for it
  stage.run_until([&] { return a->ended; });
}

/// The first charge is declined, and then the invocation is retried.
inline void play_declined(kit::world& w, const std::string& agent) {
  cast all;
  all.tool("tool:charge").answer = [](const call_request& r, std::uint32_t nth) {
    kit::scripted_answer a;
    a.effect = nth > 0;
    a.value = to_json("did " + r.service);
    if (nth == 0)
      a.value = error{errc::failed, "card declined"};
    return a;
  };
  kit::stage stage{w, all};
  auto a = stage.invoke(agent, one_job);
  stage.run_until([&] { return a->ended; });
  retry_request r;
  r.id = a->id;
  auto done = stage.ask<command_reply>(std::move(r));
  stage.run_until([&] { return has_ended(stage, a->id, 2); });
}

inline void play_yield(kit::world& w) {
  kit::stage stage{w, cast{}};
  auto a = stage.invoke("golden_yield", one_job);
  auto b = stage.invoke("golden_yield", one_job);
  stage.run(1s); // both wait for their signal
  signal(stage, a->id, "go");
  stage.run_until([&] { return a->ended; });
}

inline void play_signal(kit::world& w) {
  kit::stage stage{w, cast{}};
  auto a = stage.invoke("golden_signal", one_job);
  stage.run_until([&] { return a->accepted; });
  signal(stage, a->id, "greet"); // nobody ever waits for this one
  stage.run(5min);               // long enough to give its memory back
  signal(stage, a->id, "approve");
  stage.run_until([&] { return a->ended; });
}

inline void play_cancel(kit::world& w) {
  kit::stage stage{w, cast{}};
  auto a = stage.invoke("golden_cancel", one_job);
  stage.run_until([&] { return a->accepted && w.total("tool:charge") == 1; });
  cancel_request c;
  c.id = a->id;
  auto done = stage.ask<command_reply>(std::move(c));
  stage.run_until([&] { return a->ended; });
}

inline void play_death(kit::world& w) {
  golden_death::left = 1;
  play_to_end(w, "golden_death");
}

inline std::vector<scenario> scenarios() {
  auto plain = [](std::string agent) {
    return [agent = std::move(agent)](kit::world& w) { play_to_end(w, agent); };
  };
  return {
    {"sequence", "Two calls one after the other.", plain("golden_sequence")},
    {"race", "A race whose loser is in flight when the winner comes in.", play_race},
    {"keyed", "The second invocation of one key.", play_keyed, 2},
    {"yield", "Lets another one of its key in while it waits.", play_yield},
    {"unknown", "Killed in flight; reconcile cannot tell; a person settles it.", play_unknown},
    {"resend", "Killed in flight; reconcile says not done; it is sent again.", play_resend},
    {"rollback", "A commit fails after the first call.", play_rollback},
    {"generation", "A checkpoint, over which a signal waits.", play_generation},
    {"retry", "A refused call, and a second run.",
     [](kit::world& w) { play_declined(w, "golden_retry"); }},
    {"afresh", "A second run of a keyed agent, whose key was free meanwhile.",
     [](kit::world& w) { play_declined(w, "golden_keyed"); }},
    {"signal", "A signal that comes when the agent has been passivated.", play_signal},
    {"model", "Two turns with a model.", plain("golden_model")},
    {"locals", "Time, chance, events and a step of its own.", plain("golden_locals")},
    {"cancel", "Cancelled while a call is in flight; it still cleans up.", play_cancel},
    {"death", "An exception, and the next life.", play_death},
    {"saga", "Undone, but for what another invocation has done.", play_saga, 2},
    {"children", "One child that is waited for, one that is not.", plain("golden_parent")},
  };
}

} // namespace troupe::golden
