// Streams of whole agents, in virtual time.
#include "actors/flow/dispatcher_messages.hpp"
#include "runtime/core/agent.hpp"
#include "runtime/core/stream_hub.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fmt/format.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct stream_question {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(stream_question, (), (text))

/// Says something, then waits for `go`.
class stream_teller final : public agent<stream_question, stream_question> {
  task<stream_question> run(stream_question in) override {
    auto said = co_await llm("fast").stream(in.text);
    if (!said)
      co_return std::move(said).error();
    auto go = co_await signal<raw_json>("go");
    if (!go)
      co_return std::move(go).error();
    auto out = stream_question{said->text};
    co_return out;
  }
};
TROUPE_AGENT(stream_teller)

/// Has a teller speak in its place.
class stream_boss final : public agent<stream_question, stream_question> {
  task<stream_question> run(stream_question in) override {
    auto said = co_await invoke("teller", in);
    if (!said)
      co_return std::move(said).error();
    auto out = stream_question{};
    co_return out;
  }
};
TROUPE_AGENT(stream_boss)

kit::stage_options telling(std::uint64_t seed = 1) {
  auto o = kit::play_text(R"(
[agents.teller]
class = "stream_teller"
passivate_after = "1d"
[agents.boss]
class = "stream_boss"
passivate_after = "1d"
[models.fast]
kind = "scripted"
script = ")" + std::string{test::paths::source_dir}
                          + R"(/tests/actors/gateway/words.script.json"
)");
  o.seed = seed;
  return o;
}

/// `+15ms text One`, for each piece until the stream ends.
std::vector<std::string> heard(kit::stage& aut, stream_reader& in) {
  std::vector<std::string> out;
  auto began = aut.now();
  bool ended = false;
  aut.run_until([&] {
    for (const auto& c : in.read()) {
      auto at = std::chrono::duration_cast<std::chrono::milliseconds>(aut.now() - began);
      out.push_back(fmt::format("+{} {} {}", at.count(), to_string(c.what), c.text));
      ended = ended || c.what == stream_kind::end;
    }
    return ended;
  });
  return out;
}

std::vector<std::string> told(std::uint64_t seed) {
  kit::world w;
  kit::stage aut{w, telling(seed)};
  auto a = aut.invoke("teller", R"({"text":"go on"})");
  aut.run_until([&] { return !a->id.empty(); });
  auto in = aut.env().streams->follow(a->id, [] {});
  return heard(aut, in);
}

} // namespace

TEST_CASE("words reach a follower one after the other, and the same seed gives the same") {
  auto once = told(7);

  REQUIRE(once.size() == 6);
  CHECK(once.front().ends_with("text One "));
  CHECK(once[4].ends_with("text five."));
  CHECK(once.back().find("end") != std::string::npos);
  CHECK(once.front() != once[1]);
  CHECK(told(7) == once);
}

TEST_CASE("a streamed step is journaled as one that is not") {
  kit::world w;
  kit::stage aut{w, telling()};
  auto a = aut.invoke("teller", R"({"text":"go on"})");
  aut.run_until([&] { return false; }, 10s);

  std::size_t commands = 0;
  std::size_t completions = 0;
  for (const auto& e : aut.journal_of(a->id)) {
    commands += std::holds_alternative<journal::command>(e) ? 1 : 0;
    if (const auto* c = std::get_if<journal::completion>(&e)) {
      ++completions;
      CHECK(c->value.text.starts_with(R"({"text":"One two three four five.")"));
    }
  }
  CHECK(commands == 2); // the model's and the signal's
  CHECK(completions == 1);
}

TEST_CASE("after a restart a late follower gets the final text of a step that was replayed") {
  kit::world w;
  kit::stage aut{w, telling()};
  auto a = aut.invoke("teller", R"({"text":"go on"})", "key-1");
  aut.run_until([&] { return false; }, 10s);
  auto id = a->id;

  aut.crash();
  aut.restart();
  aut.run_until([&] { return false; }, 10s);
  auto in = aut.env().streams->follow(id, [] {});
  auto all = heard(aut, in);

  REQUIRE(all.size() == 2);
  CHECK(all[0].ends_with("text One two three four five."));
  CHECK(all[1].find("end") != std::string::npos);
}

TEST_CASE("who follows a parent learns of its children, and can follow them") {
  kit::world w;
  kit::stage aut{w, telling()};
  auto a = aut.invoke("boss", R"({"text":"go on"})");
  aut.run_until([&] { return !a->id.empty(); });
  auto parent = aut.env().streams->follow(a->id, [] {});

  aut.run_until([&] { return !parent.children().empty(); });

  auto children = parent.children();
  REQUIRE(children.size() == 1);
  CHECK(children[0].agent == "teller");
  auto in = aut.env().streams->follow(children[0].invocation, [] {});
  CHECK(heard(aut, in).size() == 6);
  CHECK(parent.read().empty());
}
