// MCP servers that die, chatter, lose sessions and cut streams.
#include "tests/actors/tool/mcp_held_call.hpp"

using namespace troupe;
using namespace troupe::test;

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
