#include "actors/flow/chat.hpp"
#include "actors/flow/chat_words.hpp"
#include "tests/actors/flow/chat_ground.hpp"

using namespace troupe;
using namespace troupe::chat_ground;
using namespace std::chrono_literals;

namespace {

/// An agent of this options and catalog, without a topology.
kit::stage_options alone(agent_options agent, const std::shared_ptr<tool_catalog>& catalog) {
  auto c = make_chat_class(agent, catalog);
  agent.class_name = c.name;
  register_agent(std::move(c));
  kit::stage_options o;
  o.agents.push_back(std::move(agent));
  return o;
}

} // namespace

TEST_CASE("a tool's name is spelled as models allow, and no two alike") {
  auto all = chat::spellings({"fs.read", "fs_read", "fs/read", std::string(70, 'x'), "ok-1"});

  REQUIRE(all.size() == 5);
  CHECK(all.at("fs_read") == "fs.read");
  CHECK(all.at("fs_read_2") == "fs_read");
  CHECK(all.at("fs_read_3") == "fs/read");
  CHECK(all.at(std::string(64, 'x')) == std::string(70, 'x'));
  CHECK(all.at("ok-1") == "ok-1");
}

TEST_CASE("arguments are an object, as spelled or mended, or nothing at all") {
  CHECK(chat::arguments_of(R"({"a":1})").value() == R"({"a":1})");
  CHECK(chat::arguments_of("  ").value() == "{}");
  CHECK(chat::arguments_of("{'a': 1,}").value() == R"({"a":1})");
  for (auto bad : {"[1]", "7", R"({"a":)", R"({"a":1} and more)", "none"})
    CHECK_FALSE(chat::arguments_of(bad));
}

TEST_CASE("a result that is too long is cut between characters and says so") {
  CHECK(chat::result_words(R"("short")", 100) == "short");
  CHECK(chat::result_words(R"({"a":1})", 100) == R"({"a":1})");

  auto cut = chat::result_words("\"" + std::string(99, 'a') + "ü" + std::string(200, 'b') + "\"", 100);

  CHECK(cut.starts_with(std::string(99, 'a') + ".."));
  CHECK(cut.find("beginning of 301 bytes") != std::string::npos);
}

TEST_CASE("a failure that may have happened is told as one that must not be repeated") {
  auto words = chat::failure_words(error{errc::timed_out, "no answer", certainty::unknown});

  CHECK(words.find("Do not repeat it") != std::string::npos);
  CHECK(chat::failure_words(error{errc::timed_out, "no answer"}).find("nothing was done")
        != std::string::npos);
}

TEST_CASE("a pattern means all tools of a server and no others") {
  CHECK(names_tool("fs.*", "fs.read"));
  CHECK_FALSE(names_tool("fs.*", "fsx.read"));
  CHECK_FALSE(names_tool("fs.*", "fs"));
  CHECK(names_tool("orders", "orders"));
  CHECK_FALSE(names_tool("orders", "orders.x"));
}

TEST_CASE("a server's tools are offered as it describes them, and a replay does without the server") {
  auto catalog = std::make_shared<tool_catalog>();
  catalog->put({"fs.read_file", "reads a file", R"({"type":"object","required":["path"]})"});
  agent_options agent;
  agent.name = "desk";
  agent.chat.model = "fast";
  agent.chat.approve = {"fs.*"};
  agent.tools = {"fs.*"};
  auto o = alone(agent, catalog);
  std::string offered;
  kit::scripted_service model{"llm:fast", {effect_class::read}, {}, {}};
  model.answer = [&offered](const call_request& r, std::uint32_t) {
    if (r.body.find(R"("role":"tool")") != r.body.npos)
      return kit::says_json(R"({"text":"read","input_tokens":1,"output_tokens":1})");
    offered = r.body;
    return kit::says_json(
      R"({"text":"","input_tokens":1,"output_tokens":1,"tool_calls":[{"id":"c","type":"function",)"
      R"("function":{"name":"fs_read_file","arguments":"{\"path\":\"a\"}"}}]})");
  };
  kit::scripted_service file{"tool:fs.read_file", {effect_class::read}, {}, {}};
  file.answer = [](const call_request&, std::uint32_t) { return kit::says("content"); };
  o.services = {model, file};
  kit::world w;
  kit::stage aut{w, std::move(o)};
  auto a = aut.invoke("desk", asks("read a"), "key");
  aut.run(1min);
  INFO(offered);
  CHECK(offered.find(R"("tools":[{"name":"fs_read_file","description":"reads a file",)"
                     R"("parameters":{"type":"object","required":["path"]}}])")
        != std::string::npos);

  auto id = a->id;
  catalog->remove("fs.read_file");
  aut.crash();
  aut.restart();
  a = aut.invoke("desk", asks("read a"), "key");
  (void)aut.ask<command_reply>(signal_request{id, "approve", R"({"approved":true})"});
  aut.run_until([&] { return a->ended; });

  CHECK(output_of(*a).text == "read");
  CHECK(w.total("tool:fs.read_file") == 1);
}
