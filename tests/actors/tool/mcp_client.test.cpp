// Finding a server's era and its tools.
#include "tests/actors/tool/mcp_held_call.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE("a server of the older era is greeted and its tools are found") {
  mcp_ground g;

  g.start();

  CHECK(g.server->count("server/discover") == 1);
  CHECK(g.server->last("initialize").params().at("protocolVersion").as_string() == "2025-11-25");
  CHECK(g.server->count("notifications/initialized") == 1);
  CHECK(g.server->dialects.back().version == "2025-11-25");
  CHECK(g.stage.services.find("tool:fs.read")->info.cls == effect_class::read);
  CHECK(g.stage.services.find("tool:fs.write")->info.cls == effect_class::at_most_once);
  CHECK(g.stage.events.count("mcp.up") == 1);
}

TEST_CASE("a server of the newer era needs no greeting and is told of us in each request") {
  mcp_ground g;
  g.server->modern = true;

  g.start();

  CHECK(g.server->count("initialize") == 0);
  const auto& meta = g.server->last("tools/list").params().at("_meta").as_object();
  CHECK(meta.at("io.modelcontextprotocol/protocolVersion").as_string() == "2026-07-28");
  CHECK(meta.at("io.modelcontextprotocol/clientInfo").as_object().at("name").as_string()
        == "troupe");
  CHECK(meta.at("io.modelcontextprotocol/clientCapabilities").as_object().empty());
  CHECK(g.server->last("tools/list").out.method == "tools/list");
  CHECK(g.stage.services.find("tool:fs.read")->handle != g.aut);
}

TEST_CASE("any answer of an older server to the probe leads to a greeting") {
  mcp_ground g;
  auto how = GENERATE(-32601, -32602, -32000, 0);
  g.server->first = [&](const mcp_script::heard& h) {
    if (h.method() != "server/discover")
      return false;
    if (how != 0)
      g.server->refuse(h, how, "what?");
    return true; // or silence
  };

  g.start();
  g.stage.advance(4s);

  CHECK(g.server->count("initialize") == 1);
  CHECK(g.stage.events.count("mcp.up") == 1);
}

TEST_CASE("a newer server that was slow to come up is asked again and not taken for an older one") {
  mcp_ground g;
  g.server->modern = true;
  g.server->first = [&](const mcp_script::heard& h) {
    return h.method() == "server/discover" && g.server->count("server/discover") == 1;
  };

  g.start();
  g.stage.advance(4s);

  CHECK(g.server->count("server/discover") == 2);
  CHECK(g.stage.services.find("tool:fs.read")->handle != g.aut);
}

TEST_CASE("the era is remembered when the server has to be started again") {
  mcp_ground g;
  g.start();

  g.server->die();
  g.stage.advance(1s);

  CHECK(g.server->count("server/discover") == 1);
  CHECK(g.server->count("initialize") == 2);
}

TEST_CASE("fault 44, version mismatch: a server that speaks no version of ours is named as such") {
  mcp_ground g;
  SECTION("in its greeting") { g.server->version = "1999-01-01"; }
  SECTION("by its refusal") {
    g.server->first = [&](const mcp_script::heard& h) {
      if (h.method() == "server/discover")
        g.server->refuse(h, -32022, "Unsupported", R"({"supported":["1999-01-01"]})");
      return h.method() == "server/discover";
    };
  }

  g.start();
  auto asked = g.stage.ask<mcp_status>(g.aut, mcp_await_first{});
  auto reply = g.call("fs.read");
  g.stage.advance(20s);

  REQUIRE(asked->reply);
  CHECK_FALSE(asked->reply->up);
  CHECK(asked->reply->why.find("1999-01-01") != std::string::npos);
  CHECK(asked->reply->why.find("2025-11-25") != std::string::npos);
  REQUIRE(reply->reply);
  CHECK(reply->reply->outcome.error().code == errc::unavailable);
  CHECK(reply->reply->outcome.error().outcome == certainty::definite);
}

TEST_CASE("a server that refuses the newer version but offers an older one is greeted") {
  mcp_ground g;
  g.server->first = [&](const mcp_script::heard& h) {
    if (h.method() == "server/discover")
      g.server->refuse(h, -32022, "Unsupported", R"({"supported":["2025-06-18"]})");
    return h.method() == "server/discover";
  };

  g.start();

  CHECK(g.stage.events.count("mcp.up") == 1);
}

TEST_CASE("all pages of the list are read and a circle of cursors ends") {
  mcp_ground g;
  auto endless = GENERATE(false, true);
  g.server->first = [&](const mcp_script::heard& h) {
    if (h.method() != "tools/list")
      return false;
    auto page = g.server->count("tools/list");
    if (page == 2)
      CHECK(h.params().at("cursor").as_string() == "c1");
    auto more = endless || page < 3 ? fmt::format(R"(,"nextCursor":"c{}")", page) : "";
    g.server->answer(h, fmt::format(R"({{"tools":[{}]{}}})",
                                    tool_definition("t" + std::to_string(page)), more));
    return true;
  };

  g.start();

  CHECK(g.server->count("tools/list") == (endless ? 100 : 3));
  CHECK(g.stage.services.find("tool:fs.t3")->handle != g.aut);
}

TEST_CASE("tools that cannot be used are left out and the reason is an event and an answer") {
  mcp_ground g;
  g.options.allow = {"re*"};
  g.options.tools_max = 1;
  g.server->tools.insert(g.server->tools.begin(),
                         {R"({"name":"broken"})",
                          R"({"name":"elsewhere","inputSchema":{"$ref":"http://x.invalid/s"}})"});
  g.server->tools.push_back(tool_definition("remove"));

  g.start();
  auto refused = g.call("fs.remove");

  CHECK(g.stage.services.names()
        == std::vector<std::string>{"breaker:tool:fs.read", "tool:fs.*", "tool:fs.read"});
  CHECK(g.stage.events.count("mcp.tool_refused") == 2);
  CHECK(refused->reply->outcome.error().message.find("tools_max") != std::string::npos);
}

TEST_CASE("annotations count only where the server is trusted and an effect that is given wins") {
  mcp_ground g;
  g.server->tools.push_back(tool_definition("put", R"(,"annotations":{"idempotentHint":true})"));
  auto trusted = GENERATE(false, true);
  g.options.trusted = trusted;
  auto& own = g.options.tools["write"];
  own.effect = effect_class::idempotent;
  own.mcp.effect_given = true;

  g.start();

  auto cls = [&](std::string_view name) { return g.stage.services.find(name)->info.cls; };
  CHECK(cls("tool:fs.read") == (trusted ? effect_class::read : effect_class::at_most_once));
  CHECK(cls("tool:fs.put") == (trusted ? effect_class::idempotent : effect_class::at_most_once));
  CHECK(cls("tool:fs.write") == effect_class::idempotent);
}

TEST_CASE("tools that come and go and change are followed once a second") {
  mcp_ground g;
  g.start();
  auto before = g.stage.services.find("tool:fs.read")->handle;
  auto kept = g.stage.services.find("tool:fs.write")->handle;
  g.stage.advance(2s);

  g.server->tools = {tool_definition("read", R"(,"title":"changed")"), tool_definition("write"),
                     tool_definition("new")};
  for (int i = 0; i < 10; ++i)
    g.server->say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  g.stage.advance(3s);

  CHECK(g.server->count("tools/list") <= 4);
  CHECK(g.stage.services.find("tool:fs.read")->handle != before);
  CHECK(g.stage.services.find("tool:fs.write")->handle == kept);
  CHECK(g.stage.services.find("tool:fs.new")->handle != g.aut);
}

TEST_CASE("a tool that is gone is an error that names those that are left and lets its calls end") {
  mcp_ground g;
  g.start();
  held_call held{g};
  auto running = g.call("fs.write");
  g.stage.advance(1500ms);

  g.server->tools.pop_back();
  g.server->say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  g.stage.run();
  auto late = g.call("fs.write");
  g.server->answer(held.waiting.at(0), text_result("done"));
  g.stage.run();

  CHECK(running->reply->outcome.value() == "\"done\"");
  CHECK(late->reply->outcome.error().code == errc::not_found);
  CHECK(late->reply->outcome.error().message
        == "the MCP server 'fs' has no tool 'write'; it has read");
}
