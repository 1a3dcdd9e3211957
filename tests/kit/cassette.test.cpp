#include "tests/kit/cassette.hpp"

#include "actors/llm/answer.hpp"
#include "actors/llm/cassette.hpp"
#include "actors/llm/question.hpp"
#include "runtime/core/sealed_lines.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace troupe;

namespace {

const std::string shaped
  = R"({"messages":[{"role":"user","content":"How many?"}],)"
    R"("schema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}})";
const std::string worded = R"({"messages":[{"role":"user","content":"How many?"}]})";

/// A cassette file with these answers, one after another, to the questions that come before them.
class tape {
public:
  tape() {
    auto name = (std::filesystem::temp_directory_path() / "troupe-kit-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    std::ofstream{file()} << sealer_.seal(cassette_header("m-1"));
  }
  tape(const tape&) = delete;
  tape& operator=(const tape&) = delete;
  ~tape() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path file() const { return folder_ / "a.cassette"; }

  void add(const model_request& r, std::string text, std::uint64_t nth = 1) {
    model_answer said;
    said.text = std::move(text);
    said.input_tokens = 7;
    taped_answer line{taped(r), nth, std::move(said), 0};
    std::ofstream{file(), std::ios::app} << sealer_.seal(cassette_line(line));
  }

private:
  std::filesystem::path folder_;
  line_sealer sealer_;
};

model_request read(const std::string& body) {
  return read_question(body, {}).value();
}

call_request call(const std::string& body, std::string key = "k-1") {
  call_request r;
  r.service = "llm:fast";
  r.body = body;
  r.key = std::move(key);
  return r;
}

} // namespace

TEST_CASE("a model on a stage answers from its cassette, with values and with words") {
  tape t;
  t.add(read(shaped), R"(Well: {"n": 3})");
  t.add(read(worded), "three");

  auto aut = kit::cassette("llm:fast", t.file());

  CHECK(aut.name == "llm:fast");
  CHECK(aut.info.cls == effect_class::read);
  CHECK(aut.answer(call(shaped), 0).value.value() == R"({"n": 3})");
  CHECK(aut.answer(call(worded, "k-2"), 1).value.value()
        == R"({"text":"three","input_tokens":7,"output_tokens":0})");
}

TEST_CASE("a model on a stage is asked again as its endpoint would ask") {
  tape t;
  auto asked = read(shaped);
  t.add(asked, R"({"n":"three"})");
  auto schema = schema_validator::compile(asked.schema).value();
  asked.messages.push_back(model_message{"assistant", R"({"n":"three"})"});
  asked.messages.push_back(
    model_message{"user", complaint(find_answer(R"({"n":"three"})", schema).error())});
  asked.temperature = 0.0;
  t.add(asked, R"({"n":3})");

  auto aut = kit::cassette("llm:fast", t.file());

  CHECK(aut.answer(call(shaped), 0).value.value() == R"({"n":3})");
}

TEST_CASE("a call that is repeated under its key gets what it got before") {
  tape t;
  t.add(read(worded), "one", 1);
  t.add(read(worded), "two", 2);
  auto aut = kit::cassette("llm:fast", t.file());

  auto text = [&](const char* key) { return aut.answer(call(worded, key), 0).value.value(); };

  CHECK(text("k-1").find("one") != std::string::npos);
  CHECK(text("k-1").find("one") != std::string::npos);
  CHECK(text("k-2").find("two") != std::string::npos);
  CHECK(text("k-1").find("one") != std::string::npos);
}

TEST_CASE("what is not in a cassette or is no cassette is the answer to the call") {
  tape t;
  auto empty = kit::cassette("llm:fast", t.file());
  auto missing = kit::cassette("llm:fast", "/nowhere/a.cassette");

  CHECK(empty.answer(call(worded), 0).value.error().message.find("the cassette is empty")
        != std::string::npos);
  CHECK(missing.answer(call(worded), 0).value.error().message
        == "/nowhere/a.cassette: cannot be read");
}
