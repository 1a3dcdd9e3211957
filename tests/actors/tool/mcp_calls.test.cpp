// Calls of an MCP server's tools, and what it asks of us meanwhile.
#include "tests/actors/tool/mcp_held_call.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::string progress(std::uint64_t token) {
  return fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/progress",)"
                     R"("params":{{"progressToken":{},"progress":1}}}})", token);
}

} // namespace

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
