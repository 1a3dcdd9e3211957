#include "actors/llm/cassette.hpp"
#include "tests/actors/llm/ground.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

using namespace troupe;
using namespace troupe::test;

namespace {

class scratch {
public:
  scratch() {
    auto name = (std::filesystem::temp_directory_path() / "troupe-tape-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

private:
  std::filesystem::path path_;
};

/// Answers at once, what the test says.
class quick_model final : public model_backend {
public:
  model_request_id start(const model_request& request, model_done done) override {
    asked.push_back(request);
    auto answer = next;
    if (answer)
      answer->text += fmt::format(" {}", asked.size());
    done(std::move(answer));
    return asked.size();
  }
  void cancel(model_request_id id) override { cancelled.push_back(id); }

  static model_answer said(std::string text) {
    model_answer a;
    a.text = std::move(text);
    a.input_tokens = 11;
    a.output_tokens = 5;
    return a;
  }

  result<model_answer> next = said("answer");
  std::vector<model_request> asked;
  std::vector<model_request_id> cancelled;
};

model_request question(std::string text) {
  model_request r;
  r.messages.push_back({"system", "You sort tickets."});
  r.messages.push_back({"user", std::move(text)});
  r.schema = R"({"type": "object", "properties": {"n": {"type": "integer"}}})";
  r.temperature = 0.25;
  return r;
}

result<model_answer> ask(model_backend& model, const model_request& r) {
  std::optional<result<model_answer>> got;
  model.start(r, [&](result<model_answer> a) { got = std::move(a); });
  REQUIRE(got);
  return *got;
}

std::string refusal(const result<model_answer>& a) {
  REQUIRE_FALSE(a);
  return a.error().message;
}

std::string slurp(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void spill(const std::filesystem::path& file, std::string_view text) {
  std::ofstream{file, std::ios::binary | std::ios::trunc} << text;
}

/// A model that records into `file`.
struct recording {
  explicit recording(const std::filesystem::path& file, std::size_t size_max = cassette_size_max,
                     std::string_view name = "m-1") {
    auto made = make_recording_backend(inner, file, name, size_max);
    INFO((made ? std::string{} : made.error().message));
    REQUIRE(made);
    model = std::move(*made);
  }
  result<model_answer> ask(const model_request& r) { return ::ask(*model, r); }

  std::shared_ptr<quick_model> inner = std::make_shared<quick_model>();
  std::shared_ptr<model_backend> model;
};

std::shared_ptr<model_backend> replaying(const std::filesystem::path& file,
                                         std::string_view name = "m-1") {
  auto made = make_replaying_backend(file, name);
  INFO((made ? std::string{} : made.error().message));
  REQUIRE(made);
  return std::move(*made);
}

} // namespace

TEST_CASE("what a model said once is what its cassette says ever after") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    live.inner->next->tool_calls.push_back({"call_1", "lookup", "{\"id\":\"T-1\"}"});
    live.inner->next->reasoning = "Hm.";
    live.inner->next->finish_reason = "tool_calls";
    CHECK(live.ask(question("T-1"))->text == "answer 1");
    CHECK(live.ask(question("T-2"))->text == "answer 2");
  }

  auto aut = replaying(file);
  auto second = ask(*aut, question("T-2")).value();
  auto first = ask(*aut, question("T-1")).value();

  CHECK(second.text == "answer 2");
  CHECK(first.text == "answer 1");
  CHECK(first.input_tokens == 11);
  CHECK(first.output_tokens == 5);
  CHECK(first.finish_reason == "tool_calls");
  CHECK(first.reasoning == "Hm.");
  REQUIRE(first.tool_calls.size() == 1);
  CHECK(first.tool_calls[0] == model_tool_call{"call_1", "lookup", "{\"id\":\"T-1\"}"});
}

TEST_CASE("a request is the same whatever its spelling and patience") {
  auto a = question("T-1");
  auto b = question("T-1");
  b.schema = R"({"properties":{"n":{"type":"integer"}},"type":"object"})";
  b.timeout = std::chrono::milliseconds{1};
  b.on_delta = [](const model_delta&) {};

  CHECK(taped(a).hash == taped(b).hash);
}

TEST_CASE("whatever else a request says makes it another one") {
  std::vector<model_request> all(9, question("T-1"));
  all[1].messages[1].content = "T-2";
  all[2].messages[1].role = "assistant";
  all[3].messages[1].images.push_back({"https://x/y.png"});
  all[4].messages[1].tool_calls.push_back({"1", "lookup", "{}"});
  all[5].schema.clear();
  all[6].tools.push_back({"lookup", "finds", R"({"type":"object"})"});
  all[7].temperature.reset();
  all[8].max_tokens = 5;
  all.push_back(all[0]);
  all.back().tool_choice = "none";
  all.push_back(all[0]);
  all.back().messages[1].tool_call_id = "1";

  std::set<digest> hashes;
  for (const auto& r : all)
    hashes.insert(taped(r).hash);

  CHECK(hashes.size() == all.size());
}

TEST_CASE("the same request gets its answers in their order and then the last one again") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    for (int i = 0; i < 3; ++i)
      (void)live.ask(question("again"));
  }

  auto aut = replaying(file);

  CHECK(ask(*aut, question("again"))->text == "answer 1");
  CHECK(ask(*aut, question("again"))->text == "answer 2");
  CHECK(ask(*aut, question("again"))->text == "answer 3");
  CHECK(ask(*aut, question("again"))->text == "answer 3");
}

TEST_CASE("answers that came in another order are given in the order of asking") {
  taped_answer early{taped(question("x")), 1, quick_model::said("asked first"), 0};
  taped_answer late{taped(question("x")), 2, quick_model::said("asked second"), 0};
  cassette tape;
  tape.answers = {late, early};
  cassette_player aut{tape, "a.cassette"};

  CHECK(aut.answer(question("x"))->text == "asked first");
  CHECK(aut.answer(question("x"))->text == "asked second");
}

TEST_CASE("a request that was not recorded is an error that names the nearest and what differs") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    (void)live.ask(question("Where is my order of Monday?"));
    (void)live.ask(question("Please send an invoice"));
  }
  auto aut = replaying(file);
  auto other = question("Where is my order of Tuesday?");
  other.max_tokens = 100;

  auto why = ask(*aut, other);

  REQUIRE_FALSE(why);
  CHECK(why.error().code == errc::failed);
  CHECK(why.error().message
        == file.string()
             + ": this request was not recorded; the nearest one is in line 2; /max_tokens: asked "
               "100, recorded nothing; /messages/1/content: asked \"Where is my order of "
               "Tuesday?\", recorded \"Where is my order of Monday?\"");
}

TEST_CASE("an empty cassette says so") {
  cassette_player aut{cassette{}, "a.cassette"};

  CHECK(refusal(aut.answer(question("x")))
        == "a.cassette: this request was not recorded; the cassette is empty");
}

TEST_CASE("what a retry cures is not recorded and what the model refuses is") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    for (auto code : {errc::unavailable, errc::rate_limited, errc::timed_out, errc::cancelled,
                      errc::budget_exceeded}) {
      live.inner->next = error{code, "not now"};
      CHECK(live.ask(question("x")).error().code == code);
    }
    live.inner->next = quick_model::said("at last");
    (void)live.ask(question("x"));
    live.inner->next = error{errc::failed, "I would rather not"};
    (void)live.ask(question("bomb"));
  }

  auto aut = replaying(file);

  CHECK(ask(*aut, question("x"))->text == "at last 6");
  CHECK(ask(*aut, question("bomb")).error() == error{errc::failed, "I would rather not"});
}

TEST_CASE("a recording that was killed in the middle of a line goes on behind the last whole one") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    (void)live.ask(question("first"));
  }
  auto one = slurp(file);
  {
    recording live{file};
    (void)live.ask(question("second"));
  }
  auto two = slurp(file);
  REQUIRE(two.starts_with(one));

  for (auto size = one.size(); size < two.size(); ++size) {
    spill(file, two.substr(0, size));
    auto offline = replaying(file); // without the torn line, whose answer nobody was given
    CHECK(ask(*offline, question("first"))->text == "answer 1");
    CHECK_FALSE(ask(*offline, question("second")));
    {
      recording live{file};
      (void)live.ask(question("second"));
    }
    CHECK(slurp(file).size() == two.size());
    CHECK(ask(*replaying(file), question("second"))->text == "answer 1");
  }
}

TEST_CASE("whatever is changed in a cassette is found in its line") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    (void)live.ask(question("first"));
    (void)live.ask(question("second"));
  }
  auto text = slurp(file);

  for (std::size_t at = text.find('\n') + 1; at < text.size(); ++at) {
    auto damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    auto read = read_cassette(damaged, "a.cassette");
    if (at + 1 == text.size()) { // the last line break: then the line counts as torn
      CHECK(read->answers.size() == 1);
      continue;
    }
    REQUIRE_FALSE(read);
    auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
    CHECK(read.error().message.starts_with(fmt::format("a.cassette:{}: ", line)));
  }
}

TEST_CASE("a cassette holds the conversation and nothing of how it was carried") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    (void)live.ask(question("T-1"));
  }

  auto text = slurp(file);

  CHECK(text.find("\"troupe_cassette\":1,\"model\":\"m-1\"") != text.npos);
  CHECK(text.find(R"({"request":{"messages":[{"content":"You sort tickets.","role":"system"},)")
        != text.npos);
  CHECK(text.find("timeout") == text.npos);
  auto mode = std::filesystem::status(file).permissions();
  CHECK((mode & std::filesystem::perms::others_all) == std::filesystem::perms::none);
  CHECK((mode & std::filesystem::perms::group_all) == std::filesystem::perms::none);
}

TEST_CASE("one cassette is recorded into by one endpoint at a time") {
  scratch dir;
  auto file = dir / "a.cassette";
  recording first{file};

  auto second = make_recording_backend(std::make_shared<quick_model>(), file, "m-1");

  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::unavailable);
}

TEST_CASE("a cassette of another model is not replayed and not recorded into") {
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
  }

  auto played = make_replaying_backend(file, "m-2");
  auto recorded = make_recording_backend(std::make_shared<quick_model>(), file, "m-2");

  REQUIRE_FALSE(played);
  CHECK(played.error().message
        == file.string()
             + ": was recorded with the model \"m-1\", and this one is \"m-2\": record it anew");
  REQUIRE_FALSE(recorded);
}

TEST_CASE("a full cassette fails the answers that it cannot hold") {
  scratch dir;
  auto file = dir / "a.cassette";
  recording live{file, 1'000};
  live.inner->next->text = std::string(400, 'x');

  CHECK(live.ask(question("one")));
  auto why = live.ask(question("two"));

  CHECK(refusal(why).find("is full (1000 bytes, cassette_size_max)") != std::string::npos);
  CHECK(load_cassette(file)->answers.size() == 1);
}

TEST_CASE("a file that is no cassette is told by name") {
  scratch dir;
  auto file = dir / "a.cassette";
  CHECK(load_cassette(file).error().message == file.string() + ": cannot be read");
  spill(file, "{}\n");
  CHECK(load_cassette(file).error().message.find("this is no cassette") != std::string::npos);
  CHECK_FALSE(make_recording_backend(std::make_shared<quick_model>(), file, "m-1"));
  CHECK(slurp(file) == "{}\n");
}

TEST_CASE("whoever asks for a stream gets the recorded answer in pieces before its end") {
  taped_answer line{taped(question("x")), 1, quick_model::said("word by word"), 0};
  line.answer->reasoning = "Hm.";
  line.answer->tool_calls.push_back({"1", "lookup", "{}"});
  scratch dir;
  auto file = dir / "a.cassette";
  {
    recording live{file};
    live.inner->next = line.answer;
    (void)live.ask(question("x"));
  }
  std::string heard;
  auto r = question("x");
  r.on_delta = [&](const model_delta& d) { heard += std::string{d.text} + "|"; };

  auto got = ask(*replaying(file), r);

  REQUIRE(got);
  CHECK(heard == "Hm.|word by word 1|{}|");
}

TEST_CASE("cancelling reaches the model through a recording") {
  scratch dir;
  recording live{dir / "a.cassette"};

  live.model->cancel(7);

  CHECK(live.inner->cancelled == std::vector<model_request_id>{7});
}

TEST_CASE("an endpoint answers from its cassette as it did from its model") {
  scratch dir;
  auto file = dir / "a.cassette";
  auto script = dir / "a.script.json";
  spill(script, R"({"sequence": ["{\"n\": \"one\"}", "{\"n\": 1}"]})");
  endpoint_options o;
  o.name = "fast";
  o.script = script;
  o.record = file;
  auto outcome = [](const endpoint_options& options) {
    ground on;
    on.options = options;
    auto backend = make_model_backend(on.system, on.env, on.timer, options, nullptr);
    INFO((backend ? std::string{} : backend.error().message));
    REQUIRE(backend);
    on.start(*backend);
    return on.call(R"({"messages":[{"role":"user","content":"How many?"}],)"
                   R"("schema":{"type":"object","properties":{"n":{"type":"integer"}}}})")
      ->value();
  };
  auto live = outcome(o);
  o.record.clear();
  o.script.clear();
  o.replay = file;
  REQUIRE(o.validate().empty());

  auto offline = outcome(o);

  CHECK(live == R"({"n": 1})"); // after a repair
  CHECK(offline == live);
  CHECK(load_cassette(file)->answers.size() == 2);
}
