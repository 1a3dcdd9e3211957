#include "actors/tool/mcp_transports.hpp"

#include "tests/support/catch.hpp"

#include <fmt/format.h>

using namespace troupe;

namespace {

/// Holds requests until the test answers them.
class held_http final : public net::http_transport {
public:
  struct held {
    net::http_request request;
    net::http_done done;
    bool cancelled = false;
  };

  net::request_id send(net::http_request request, net::http_done done) override {
    all.push_back({std::move(request), std::move(done)});
    return all.size();
  }
  void cancel(net::request_id id) override { all.at(id - 1).cancelled = true; }

  void stream(std::size_t i, std::string_view piece) {
    auto& r = all.at(i).request;
    if (auto head = std::exchange(r.on_head, nullptr))
      head(net::http_headers{{"Content-Type", "text/event-stream"}});
    r.on_chunk(piece);
  }
  void answer(std::size_t i, int status, net::http_headers headers = {}, std::string body = {}) {
    net::http_response response;
    response.status = status;
    if (status / 100 == 2 && !body.empty()) {
      all.at(i).request.on_head(headers);
      all.at(i).request.on_chunk(body);
    } else {
      response.body = std::move(body);
    }
    response.headers = std::move(headers);
    all.at(i).done(std::move(response));
  }

  std::vector<held> all;
};

struct ground {
  system_time clock;
  held_http http;
  std::vector<mcp_signal> heard;
  mcp_options options;
  std::unique_ptr<mcp_transport> aut;

  ground() {
    options.url = "http://127.0.0.1:1/mcp";
    options.headers.emplace("Authorization", secret{"Bearer hush-hush"});
    aut = make_mcp_http(options, http, clock);
    REQUIRE(aut->open(1, [this](mcp_signal s) { heard.push_back(std::move(s)); }));
  }

  void send(std::uint64_t id, std::string method, std::string tool = {}) {
    mcp_outgoing m;
    m.id = id;
    m.body = fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}"}})", id, method);
    m.method = std::move(method);
    m.tool = std::move(tool);
    REQUIRE(aut->send(std::move(m)));
  }
  std::string header(std::size_t i, std::string_view name) const {
    return std::string{http.all.at(i).request.headers.value_or(name, "-")};
  }
  void begin_session() {
    send(1, "initialize");
    http.answer(0, 200, {{"Content-Type", "application/json"}, {"Mcp-Session-Id", "s-1"}},
                R"({"jsonrpc":"2.0","id":1,"result":{}})");
    aut->speak({false, "2025-11-25"});
  }
};

} // namespace

TEST_CASE("a session's id goes with each request after the greeting") {
  ground g;

  g.begin_session();
  g.send(2, "tools/list");

  CHECK(g.header(0, "mcp-session-id") == "-");
  CHECK(g.header(0, "mcp-protocol-version") == "-");
  CHECK(g.header(1, "mcp-session-id") == "s-1");
  CHECK(g.header(1, "mcp-protocol-version") == "2025-11-25");
  CHECK(g.header(1, "mcp-method") == "-");
  CHECK(g.header(1, "authorization") == "Bearer hush-hush");
  CHECK(g.header(1, "accept") == "application/json, text/event-stream");
}

TEST_CASE("a request of the newer era repeats in its headers what its body says") {
  ground g;
  g.aut->speak({true, "2026-07-28"});

  g.send(2, "tools/call", "caf\xC3\xA9");

  CHECK(g.header(0, "mcp-protocol-version") == "2026-07-28");
  CHECK(g.header(0, "mcp-method") == "tools/call");
  CHECK(g.header(0, "mcp-name") == "=?base64?Y2Fmw6k=?=");
}

TEST_CASE("a stream of events brings messages and its end is no news after the answer") {
  ground g;
  g.send(5, "tools/call");

  g.http.stream(0, "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n: ping\n\nid: 4\ndata:\n\n");
  g.http.stream(0, "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\n");
  g.http.answer(0, 200, {{"Content-Type", "text/event-stream"}});

  REQUIRE(g.heard.size() == 2);
  CHECK(g.heard[0].what == mcp_signal::kind::message);
  CHECK(g.heard[1].request == 5);
}

TEST_CASE("a stream that ends before its answer is cut at its last event") {
  ground g;
  auto broken = GENERATE(false, true);
  g.send(5, "tools/call");

  g.http.stream(0, "retry: 70\nid: e-9\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n");
  if (broken)
    g.http.all[0].done(error{errc::unavailable, "reset", certainty::unknown});
  else
    g.http.answer(0, 200, {{"Content-Type", "text/event-stream"}});

  const auto& cut = g.heard.at(1);
  CHECK(cut.what == mcp_signal::kind::cut);
  CHECK(cut.text == "e-9");
  CHECK(cut.come_back == std::chrono::milliseconds{70});
  CHECK(cut.why.outcome == certainty::unknown);
}

TEST_CASE("a session that the server does not know is lost but a wrong URL is not") {
  ground g;
  SECTION("404 with a session") {
    g.begin_session();
    g.send(2, "tools/list");
    g.http.answer(1, 404);
    CHECK(g.heard.back().session_lost);
  }
  SECTION("400 that names the session, as some servers do") {
    g.begin_session();
    g.send(2, "tools/list");
    g.http.answer(1, 400, {},
                  R"({"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"No valid session"}})");
    CHECK(g.heard.back().session_lost);
  }
  SECTION("404 without a session") {
    g.send(2, "tools/list");
    g.http.answer(0, 404);
    CHECK_FALSE(g.heard.back().session_lost);
  }
  CHECK(g.heard.back().what == mcp_signal::kind::failed);
}

TEST_CASE("an answer past the bound is too large in one piece and in a stream") {
  ground g;
  g.options.response_size_max = 100;
  g.aut = make_mcp_http(g.options, g.http, g.clock);
  REQUIRE(g.aut->open(2, [&](mcp_signal s) { g.heard.push_back(std::move(s)); }));
  g.send(3, "tools/call");
  std::string large(500, 'x');
  auto& r = g.http.all[0].request;
  auto as_stream = GENERATE(false, true);

  r.on_head(net::http_headers{{"Content-Type", as_stream ? "text/event-stream"
                                                         : "application/json"}});
  CHECK_FALSE(r.on_chunk("data: " + large));
  g.http.all[0].done(error{errc::cancelled, "the reader ended it", certainty::unknown});

  CHECK(g.heard.back().what == mcp_signal::kind::failed);
  CHECK(g.heard.back().why.code == errc::output_too_large);
}

TEST_CASE("no error shows what stands in the headers") {
  ground g;
  g.send(2, "tools/list");

  g.http.answer(0, 403, {}, "your token hush-hush is not good");

  CHECK(g.heard.back().why.message.find("hush-hush") == std::string::npos);
  CHECK(g.heard.back().status == 403);
}

TEST_CASE("a session is ended politely and what was open is closed") {
  ground g;
  g.begin_session();
  g.send(2, "tools/call");

  g.aut->close();

  CHECK(g.http.all[1].cancelled);
  CHECK(g.http.all.back().request.method == "DELETE");
  CHECK(g.header(2, "mcp-session-id") == "s-1");
  CHECK(g.heard.back().what == mcp_signal::kind::closed);
}
