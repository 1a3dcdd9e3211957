#include "tests/actors/tool/mcp_ground.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

/// Plans the answers to `tools/call` of one tool and holds them back.
struct held_call {
  std::vector<mcp_script::heard> waiting;

  explicit held_call(mcp_ground& g) {
    g.server->call = [this](const mcp_script::heard& h) {
      waiting.push_back(h);
      return std::string{};
    };
  }
};

std::string progress(std::uint64_t token) {
  return fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/progress",)"
                     R"("params":{{"progressToken":{},"progress":1}}}})", token);
}

} // namespace

// -- finding the era and the tools ---------------------------------------------------------------

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

// -- calls ---------------------------------------------------------------------------------------

TEST_CASE("a call carries its arguments and its key and gives the text of the answer") {
  mcp_ground g;
  g.server->call = [](const mcp_script::heard& h) {
    CHECK(h.tool() == "read");
    CHECK(json::serialize(h.params().at("arguments")) == R"({"n":1})");
    CHECK(h.params().at("_meta").as_object().at("troupe/idempotencyKey").as_string() == "key");
    return text_result("hello");
  };
  g.start();

  auto reply = g.call("fs.read", R"({"n":1})");

  CHECK(reply->reply->outcome.value() == "\"hello\"");
}

TEST_CASE("arguments that the schema refuses never reach the server and the answer says why") {
  mcp_ground g;
  g.start();

  auto reply = g.call("fs.read", R"({"n":"one"})");

  CHECK(reply->reply->outcome.error().code == errc::invalid_input);
  CHECK(reply->reply->outcome.error().message == "arguments: /n: expected integer, found string");
  CHECK(g.server->count("tools/call") == 0);
}

TEST_CASE("a tool that says that it failed is not asked again and its words reach the caller") {
  mcp_ground g;
  g.server->call = [](const mcp_script::heard&) {
    return std::string{R"({"content":[{"type":"text","text":"no such file"}],"isError":true})"};
  };
  g.start();

  auto reply = g.call("fs.read");
  g.stage.advance(10s);

  CHECK(reply->reply->outcome.error().code == errc::failed);
  CHECK(reply->reply->outcome.error().outcome == certainty::definite);
  CHECK(reply->reply->outcome.error().message == "no such file");
  CHECK(g.server->count("tools/call") == 1);
}

TEST_CASE("a server's refusal means what its code says") {
  mcp_ground g;
  struct expected {
    int code;
    errc means;
    certainty outcome;
  };
  auto e = GENERATE(expected{-32602, errc::invalid_input, certainty::definite},
                    expected{-32601, errc::not_found, certainty::definite},
                    expected{-32603, errc::unavailable, certainty::unknown},
                    expected{-32000, errc::unavailable, certainty::unknown},
                    expected{-32021, errc::failed, certainty::definite});
  g.server->first = [&](const mcp_script::heard& h) {
    if (h.method() == "tools/call")
      g.server->refuse(h, e.code, "because");
    return h.method() == "tools/call";
  };
  g.start();

  auto reply = g.call("fs.write");

  const auto& why = reply->reply->outcome.error();
  CHECK(why.code == e.means);
  CHECK(why.outcome == e.outcome);
  CHECK(why.message.find("because") != std::string::npos);
}

TEST_CASE("a call that takes too long is cancelled at the server") {
  mcp_ground g;
  g.start();
  held_call held{g};

  auto reply = g.call("fs.write");
  g.stage.advance(4s);

  CHECK(reply->reply->outcome.error().code == errc::timed_out);
  CHECK(reply->reply->outcome.error().outcome == certainty::unknown);
  auto id = held.waiting.at(0).out.id;
  CHECK(g.server->last("notifications/cancelled").params().at("requestId").as_int64()
        == static_cast<std::int64_t>(id));
}

TEST_CASE("a caller that cancels has the server told and learns that it may have happened") {
  mcp_ground g;
  g.server->modern = GENERATE(false, true);
  g.server->streams = GENERATE(false, true);
  g.start();
  held_call held{g};
  auto reply = g.call("fs.write", "{}", 7);

  g.stage.tell(g.stage.services.find("tool:fs.write")->handle, call_cancel{7});

  CHECK(reply->reply->outcome.error().code == errc::cancelled);
  CHECK(reply->reply->outcome.error().outcome == certainty::unknown);
  auto id = held.waiting.at(0).out.id;
  CHECK(std::ranges::count(g.server->dropped, id) == 1);
  bool closed_says_it = g.server->modern && g.server->streams;
  CHECK(g.server->count("notifications/cancelled") == (closed_says_it ? 0 : 1));
}

TEST_CASE("progress keeps a call alive up to the hard maximum") {
  mcp_ground g;
  g.options.progress_max = 10s;
  g.start();
  held_call held{g};
  auto reply = g.call("fs.write");
  auto token = held.waiting.at(0).params().at("_meta").as_object().at("progressToken").as_int64();
  auto id = static_cast<std::uint64_t>(token);

  SECTION("an answer after it counts") {
    for (int i = 0; i < 3; ++i) {
      g.stage.advance(2s);
      g.server->say(progress(id));
    }
    g.stage.run();
    CHECK_FALSE(reply->reply);
    g.server->answer(held.waiting.at(0), text_result("late"));
    g.stage.run();
    CHECK(reply->reply->outcome.value() == "\"late\"");
  }
  SECTION("but it does not last for ever") {
    for (int i = 0; i < 20; ++i) {
      g.stage.advance(1s);
      g.server->say(progress(id));
    }
    CHECK(reply->reply->outcome.error().code == errc::timed_out);
    CHECK(g.server->count("notifications/cancelled") == 1);
  }
  SECTION("and progress of something else does nothing") {
    g.stage.advance(2s);
    g.server->say(progress(id + 1'000));
    g.server->say(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{}})");
    g.stage.advance(2s);
    CHECK(reply->reply->outcome.error().code == errc::timed_out);
  }
}

TEST_CASE("what a server asks of us is answered and what agents do not offer is refused") {
  mcp_ground g;
  g.start();

  g.server->say(R"({"jsonrpc":"2.0","id":"p","method":"ping"})");
  g.stage.run();
  CHECK(json::serialize(g.server->all.back().message) == R"({"jsonrpc":"2.0","id":"p","result":{}})");

  for (auto method : {"sampling/createMessage", "elicitation/create", "roots/list"}) {
    g.server->say(fmt::format(R"({{"jsonrpc":"2.0","id":5,"method":"{}"}})", method));
    g.stage.run();
    const auto& said = g.server->all.back().message;
    CHECK(said.at("id").as_int64() == 5);
    CHECK(said.at("error").as_object().at("code").as_int64() == -32601);
  }
}

// -- what goes wrong -----------------------------------------------------------------------------

TEST_CASE("fault 42, noise: what is not a message is skipped and counted and calls go on") {
  mcp_ground g;
  g.server->call = [&](const mcp_script::heard&) {
    g.server->say("Listening on port 3000");
    g.server->say(R"({"level":"info"})");
    g.server->say("{{{");
    return text_result("ok");
  };
  g.start();

  auto reply = g.call("fs.read");

  CHECK(reply->reply->outcome.value() == "\"ok\"");
  CHECK(g.stage.events.count("mcp.noise") == 2); // at the first and at the second
}

TEST_CASE("fault 42, death: a server that dies in a call may have done it and is started again") {
  mcp_ground g;
  g.start();
  held_call held{g};
  auto write = g.call("fs.write");
  auto read = g.call("fs.read");

  g.server->die();
  g.stage.run();
  g.server->call = nullptr;
  g.stage.advance(2s);

  const auto& why = write->reply->outcome.error();
  CHECK(why.code == errc::unavailable);
  CHECK(why.outcome == certainty::unknown);
  CHECK(why.message.find("signal 9") != std::string::npos);
  CHECK(read->reply->outcome.value() == "\"\""); // read again from the next one
  CHECK(g.server->opened == 2);
  CHECK(g.server->count("tools/call") == 3);
}

TEST_CASE("a call that comes while the server is being started waits for it") {
  mcp_ground g;
  g.start();
  g.server->die();
  g.stage.run();

  auto reply = g.call("fs.write");
  CHECK_FALSE(reply->reply);
  g.stage.advance(500ms);

  CHECK(reply->reply->outcome.value() == "\"\"");
}

TEST_CASE("a call that comes when the server cannot be back in time fails at once") {
  mcp_ground g;
  g.options.defaults.retry.attempts_max = 1;
  g.start();
  g.server->unreachable = error{errc::not_found, "no executable `server` in PATH"};
  g.server->die();
  g.stage.advance(30s);

  auto entry = g.stage.services.find("tool:fs.write").value();
  call_request r;
  r.service = "tool:fs.write";
  r.body = "{}";
  auto reply = g.stage.call(entry.handle, r);
  g.stage.advance(5s);

  REQUIRE(reply->reply);
  const auto& why = reply->reply->outcome.error();
  CHECK(why.code == errc::unavailable);
  CHECK(why.outcome == certainty::definite);
  CHECK(why.message.find("no executable `server`") != std::string::npos);
  CHECK(g.server->opened < 12); // its pauses grow
}

TEST_CASE("a call for a tool of a server that is not up yet waits and finds it") {
  mcp_ground g;
  g.server->unreachable = error{errc::unavailable, "not yet"};
  g.start();

  auto reply = g.call("fs.read");
  g.server->unreachable = {};
  g.server->call = [](const mcp_script::heard&) { return text_result("there"); };
  g.stage.advance(1s);

  CHECK(reply->reply->outcome.value() == "\"there\"");
}

TEST_CASE("fault 44, lost session: it is begun again and the call goes through once") {
  mcp_ground g;
  g.server->streams = true;
  g.start();
  bool lost = true;
  g.server->first = [&](const mcp_script::heard& h) {
    if (h.method() != "tools/call" || !std::exchange(lost, false))
      return false;
    mcp_signal s;
    s.what = mcp_signal::kind::failed;
    s.generation = g.server->generation;
    s.request = h.out.id;
    s.status = 404;
    s.session_lost = true;
    s.why = error{errc::not_found, "no such session"};
    g.server->sink(std::move(s));
    return true;
  };

  auto reply = g.call("fs.write");
  g.stage.advance(1s);

  CHECK(reply->reply->outcome.value() == "\"\"");
  CHECK(g.server->count("initialize") == 2);
  CHECK(g.server->count("tools/call") == 2);
  CHECK(g.server->opened == 1);
  CHECK(g.stage.events.count("mcp.session_lost") == 1);
}

TEST_CASE("a stream that is cut goes on from its last event in the older era") {
  mcp_ground g;
  g.server->streams = true;
  g.start();
  held_call held{g};
  auto reply = g.call("fs.write");
  auto first = held.waiting.at(0);

  mcp_signal cut;
  cut.what = mcp_signal::kind::cut;
  cut.generation = g.server->generation;
  cut.request = first.out.id;
  cut.text = "event-7";
  cut.come_back = 100ms;
  cut.why = error{errc::unavailable, "cut", certainty::unknown};
  g.server->sink(cut);
  g.stage.advance(200ms);

  const auto& again = g.server->all.back();
  CHECK(again.message.empty());
  CHECK(again.out.last_event_id == "event-7");
  CHECK(again.out.id == first.out.id);
  g.server->answer(first, text_result("after all"));
  g.stage.run();
  CHECK(reply->reply->outcome.value() == "\"after all\"");
}

TEST_CASE("a stream that is cut in the newer era may have happened and is not taken up") {
  mcp_ground g;
  g.server->modern = true;
  g.server->streams = true;
  g.start();
  held_call held{g};
  auto reply = g.call("fs.write");

  g.server->signal(mcp_signal::kind::cut, held.waiting.at(0).out.id,
                   error{errc::unavailable, "cut", certainty::unknown});
  g.stage.advance(1s);

  CHECK(reply->reply->outcome.error().outcome == certainty::unknown);
  CHECK(g.server->count("tools/call") == 1);
}

TEST_CASE("a server with streams is listened to in the way of its era") {
  mcp_ground g;
  g.server->streams = true;
  g.server->modern = GENERATE(false, true);

  g.start();
  g.stage.advance(2s);
  g.server->tools.push_back(tool_definition("new"));
  auto stream = g.server->all.back();
  if (g.server->modern)
    CHECK(stream.method() == "subscriptions/listen");
  else
    CHECK(stream.message.empty());
  g.server->say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})", stream.out.id);
  g.stage.run();
  CHECK(g.stage.services.find("tool:fs.new")->handle != g.aut);

  auto listed = g.server->count("tools/list"); // and again when the stream was lost
  g.server->signal(mcp_signal::kind::cut, stream.out.id, error{errc::unavailable, "cut"});
  g.stage.advance(7s);
  CHECK(g.server->count("tools/list") == listed + 1);
}

TEST_CASE("what a server writes for people is in the log up to a bound") {
  mcp_ground g;
  g.start();

  for (int i = 0; i < 500; ++i) {
    mcp_signal s;
    s.what = mcp_signal::kind::log;
    s.generation = g.server->generation;
    s.text = "line";
    g.server->sink(s);
  }
  g.stage.run();

  CHECK(g.stage.events.count("mcp.stderr") == 50);
}

TEST_CASE("a client that is stopped ends its server and every call gets an error") {
  mcp_ground g;
  g.start();
  held_call held{g};
  auto reply = g.call("fs.write");

  g.stage.end(g.aut, caf::exit_reason::user_shutdown);
  g.stage.advance(6s);

  CHECK(g.server->closed == 1);
  CHECK(reply->reply->outcome.error().outcome == certainty::unknown);
  CHECK(g.stage.services.names() == std::vector<std::string>{"tool:fs.*"});
}

TEST_CASE("a client that is killed while a call runs answers it all the same") {
  mcp_ground g;
  g.start();
  held_call held{g};
  auto reply = g.call("fs.write");

  g.stage.end(g.aut, caf::exit_reason::kill);
  g.stage.advance(6s);

  REQUIRE(reply->reply);
  CHECK(reply->reply->outcome.error().outcome == certainty::unknown);
}

TEST_CASE("a client that is stopped while it connects does not connect again") {
  mcp_ground g;
  g.server->first = [](const mcp_script::heard&) { return true; };
  g.start();

  g.stage.end(g.aut, caf::exit_reason::user_shutdown);
  g.stage.advance(60s, 1s);

  CHECK(g.server->opened == 1);
}
