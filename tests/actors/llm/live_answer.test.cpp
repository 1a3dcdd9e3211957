#include "runtime/core/stream_hub.hpp"
#include "tests/actors/llm/ground.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

using lines = std::vector<std::string>;

class live_ground : public ground {
public:
  live_ground() { env.streams = &hub; }

  std::shared_ptr<asked<call_reply>> stream(utc_time deadline = never) {
    call_request r;
    r.id = ++last_id;
    r.service = "llm:fast";
    r.body = words;
    r.key = "k3f9x2-17/0/0/-/4";
    r.options = R"({"stream":true})";
    r.cls = effect_class::read;
    r.deadline = deadline;
    r.invocation = "k3f9x2-17";
    return ask<call_reply>(std::move(r));
  }
  void piece(std::size_t n, std::string_view text,
             model_delta::kind what = model_delta::kind::text) {
    backend->seen.at(n).asked.on_delta({what, text});
  }
  /// What a follower has got since the last time.
  lines read() {
    lines out;
    for (const auto& c : reader.read()) {
      CHECK(c.stream == "0/0/-/4");
      out.push_back(std::string{to_string(c.what)} + " " + std::to_string(c.attempt) + " " + c.text);
    }
    return out;
  }
  /// The value of a field of the last event of this name.
  std::string field(std::string_view name) const {
    std::string out = "-";
    for (const auto& e : events.events())
      if (e.name == "llm.call")
        for (const auto& [n, v] : e.fields)
          if (n == name)
            out = v;
    return out;
  }

  stream_hub hub;
  stream_reader reader = hub.follow("k3f9x2-17", [] {});
};

error cut() {
  return {errc::unavailable, "the answer was cut: the stream ended without a finish_reason",
          certainty::unknown};
}

} // namespace

TEST_CASE("an answer is passed on piece by piece and comes back whole") {
  live_ground f;
  f.start();
  auto asked = f.stream();
  REQUIRE(f.backend->seen.size() == 1);
  REQUIRE(f.backend->seen[0].asked.on_delta);

  f.piece(0, "hm", model_delta::kind::reasoning);
  f.piece(0, "It ");
  CHECK(f.read() == lines{"reasoning 1 hm", "text 1 It "});
  f.piece(0, "is I.");
  f.answer(0, says("It is I."));

  CHECK(asked->value() == R"({"text":"It is I.","input_tokens":10,"output_tokens":3})");
  CHECK(f.read() == lines{"text 1 is I."});
  CHECK(f.field("chunks") == "3");
}

TEST_CASE("a call that does not ask for it is not streamed") {
  live_ground f;
  f.start();
  auto asked = f.call(words);

  CHECK_FALSE(f.backend->seen[0].asked.on_delta);
  f.answer(0, says("It is I."));
  CHECK(f.read().empty());
}

TEST_CASE("fault 32: a stream whose first piece is late is asked again, unseen") {
  live_ground f;
  f.options.first_chunk_timeout = 5s;
  f.options.retry.backoff_base = 100ms;
  f.start();
  auto asked = f.stream();

  f.advance(4'990ms);
  CHECK_FALSE(f.backend->seen[0].cancelled);
  f.advance(1s);
  CHECK(f.backend->seen[0].cancelled);
  CHECK(f.field("fault") == R"("first_chunk")");
  f.advance(2s);
  REQUIRE(f.backend->seen.size() == 2);
  f.piece(0, "too late");
  f.piece(1, "It is I.");
  f.answer(1, says("It is I."));

  CHECK(asked->outcome());
  CHECK(f.read() == lines{"text 2 It is I."});
  CHECK(f.stats().first_chunks_late == 1);
}

TEST_CASE("fault 34: a stream that stalls is told from one that is only slow") {
  live_ground f;
  f.options.stall_timeout = 2s;
  f.start();
  auto asked = f.stream();

  for (int i = 0; i < 100; ++i) { // longer than an attempt that is not streamed may take
    f.piece(0, ".");
    f.advance(1s);
  }
  CHECK_FALSE(f.backend->seen[0].cancelled);
  f.advance(1'100ms);

  CHECK(f.backend->seen[0].cancelled);
  CHECK(f.field("fault") == R"("stall")");
  CHECK(f.stats().stalls == 1);
}

TEST_CASE("fault 33: a stream that breaks after it was read begins again with a reset") {
  live_ground f;
  f.start();
  auto asked = f.stream();
  f.piece(0, "It i");
  CHECK(f.read() == lines{"text 1 It i"});

  f.answer(0, cut());
  CHECK(f.field("fault") == R"("cut")");
  f.advance(2s);
  f.piece(1, "It is I.");
  f.answer(1, says("It is I."));

  CHECK(asked->outcome());
  CHECK(f.read() == lines{"reset 2 ", "text 2 It is I."});
}

TEST_CASE("a stream that breaks after it was read fails where that is preferred") {
  live_ground f;
  f.options.after_first_chunk = broken_stream::fail;
  f.start();
  auto asked = f.stream();
  f.piece(0, "It i");
  CHECK(f.read().size() == 1);
  f.answer(0, cut());

  CHECK(asked->why().code == errc::unavailable);
  CHECK(f.backend->seen.size() == 1);
  CHECK(f.read().empty());
}

TEST_CASE("a stream that breaks before it was read is asked again, whatever is preferred") {
  live_ground f;
  f.options.after_first_chunk = broken_stream::fail;
  f.start();
  auto asked = f.stream();
  f.piece(0, "It i");
  f.answer(0, cut());
  f.advance(2s);
  REQUIRE(f.backend->seen.size() == 2);
  f.piece(1, "It is I.");
  f.answer(1, says("It is I."));

  CHECK(asked->outcome());
  CHECK(f.read() == lines{"text 2 It is I."});
}

TEST_CASE("a stream that is cancelled closes its socket and counts the tokens that were heard") {
  live_ground f;
  f.start();
  auto asked = f.stream();
  f.piece(0, std::string(400, 'x'));

  f.cancel(f.last_id);

  CHECK(f.backend->seen[0].cancelled);
  CHECK(asked->why().code == errc::cancelled);
  CHECK(f.stats().output_tokens == 101);
  CHECK(f.stats().input_tokens > 0);
  CHECK(f.field("fault") == R"("cancelled")");
  f.piece(0, "late");
  CHECK(f.read().size() == 1);
}

TEST_CASE("what broke a stream has a word of its own") {
  auto table = std::vector<std::pair<error, std::string>>{
    {cut(), "\"cut\""},
    {{errc::unavailable, "the connection was reset", certainty::unknown}, "\"cut\""},
    {{errc::unavailable, "the model's answer cannot be read: a chunk is malformed"},
     "\"malformed\""},
    {{errc::unavailable, "the model's server answered with an error: overloaded"}, "\"in_band\""},
    {{errc::failed, "the model refuses: no"}, "\"answer\""},
  };
  for (const auto& [why, word] : table) {
    live_ground f;
    f.options.retry.attempts_max = 1;
    f.start();
    auto asked = f.stream();
    f.piece(0, "It");
    f.answer(0, why);
    CHECK(f.field("fault") == word);
  }
}

TEST_CASE("without anybody who could follow a stream is watched all the same") {
  live_ground f;
  f.env.streams = nullptr;
  f.options.first_chunk_timeout = 1s;
  f.options.retry.attempts_max = 1;
  f.start();
  auto asked = f.stream();
  f.advance(1'100ms);

  CHECK(asked->why().code == errc::timed_out);
  CHECK(asked->why().message.find("first_chunk_timeout") != std::string::npos);
}

TEST_CASE("options of a call that cannot be read are refused") {
  live_ground f;
  f.start();
  call_request r;
  r.service = "llm:fast";
  r.body = words;
  r.options = R"({"stream":"yes"})";
  auto asked = f.ask<call_reply>(std::move(r));

  CHECK(asked->why().code == errc::invalid_input);
  CHECK(f.backend->seen.empty());
}
