#include "runtime/net/http_client.hpp"

#include "runtime/net/http_server.hpp"
#include "tests/runtime/net/await.hpp"
#include "tests/runtime/net/raw_socket.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
using test::fetch;
using test::inbox;
using test::raw_listener;

namespace {

using answers = inbox<http_response_or_error>;

std::unique_ptr<http_server> serve(http_handler handler) {
  http_server_options o;
  o.port = 0;
  return http_server::start(std::move(o), std::move(handler)).value();
}

http_request request_to(std::string url, std::string method = "GET", std::string body = {}) {
  http_request r;
  r.method = std::move(method);
  r.url = std::move(url);
  r.body = std::move(body);
  r.timeout = 10s;
  r.proxy = "";
  return r;
}

std::string url_of(const http_server& server, const std::string& path = "/") {
  return "http://127.0.0.1:" + std::to_string(server.port()) + path;
}

http_done into(answers& box) {
  return [&box](http_response_or_error answer) { box.put(std::move(answer)); };
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

constexpr std::string_view empty_answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

} // namespace

TEST_CASE("a request arrives as it was made, and its answer comes back whole") {
  auto server = serve([](http_server_request in, responder out) {
    auto seen = in.method + ' ' + in.target + ' ' + in.body + ' '
                + std::string{in.headers.value_or("x-key", "-")} + ' '
                + std::string{in.headers.value_or("content-type", "-")};
    out.respond(404, http_headers{{"X-Answer", " yes "}}, seen);
  });
  http_client aut;
  auto method = GENERATE(as<std::string>{}, "POST", "PUT", "PATCH", "DELETE", "GET");
  auto r = request_to(url_of(*server, "/a?b=c"), method, "body");
  r.headers.add("X-Key", "k");

  auto answer = fetch(aut, r);

  REQUIRE(answer);
  CHECK(answer->status == 404);
  CHECK(answer->headers.value_or("x-answer", "") == "yes");
  CHECK(answer->body == method + " /a?b=c body k -");
  CHECK(answer->timings.total.count() > 0);
}

TEST_CASE("requests without a body work with every method") {
  auto server = serve([](http_server_request in, responder out) {
    out.respond(200, http_headers{{"X-Method", in.method}}, "");
  });
  http_client aut;
  auto method = GENERATE(as<std::string>{}, "GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT");

  auto answer = fetch(aut, request_to(url_of(*server), method));

  REQUIRE(answer);
  CHECK(answer->headers.value_or("x-method", "") == method);
}

TEST_CASE("connections are kept, unless a fresh one is asked for") {
  auto server = serve([](auto, responder out) { out.respond(200, {}, ""); });
  http_client aut;
  auto fresh = request_to(url_of(*server));
  fresh.fresh_connection = true;

  auto first = fetch(aut, request_to(url_of(*server)));
  auto second = fetch(aut, request_to(url_of(*server)));
  auto third = fetch(aut, fresh);

  CHECK_FALSE(first.value().timings.reused);
  CHECK(second.value().timings.reused);
  CHECK_FALSE(third.value().timings.reused);
}

TEST_CASE("nothing of one request is in the next, whatever their kinds") {
  auto server = serve([](http_server_request in, responder out) {
    auto seen = in.method + ' ' + in.target + ' ' + in.body + ' '
                + std::string{in.headers.value_or("x-key", "-")} + ' '
                + std::string{in.headers.value_or("user-agent", "-")};
    out.respond(200, {}, seen);
  });
  http_client aut;
  auto keyed = request_to(url_of(*server, "/a"), "POST", "long body");
  keyed.headers.add("X-Key", "k").add("User-Agent", "me");
  auto plain = request_to(url_of(*server, "/a"), "POST", "short");

  for (int round = 0; round < 3; ++round) {
    CHECK(fetch(aut, keyed).value().body == "POST /a long body k me");
    CHECK(fetch(aut, plain).value().body == "POST /a short - troupe");
    CHECK(fetch(aut, request_to(url_of(*server, "/a"))).value().body == "GET /a  - troupe");
    CHECK(fetch(aut, request_to(url_of(*server, "/b"), "PUT")).value().body
          == "PUT /b  - troupe");
    CHECK_FALSE(fetch(aut, request_to("ftp://127.0.0.1/")));
  }
}

TEST_CASE("a redirect is an answer, not an order") {
  auto server = serve([](auto, responder out) {
    out.respond(302, http_headers{{"Location", "http://127.0.0.1:1/"}}, "");
  });
  http_client aut;

  CHECK(fetch(aut, request_to(url_of(*server))).value().status == 302);
}

TEST_CASE("where nothing was sent the failure is definite") {
  std::string url;
  {
    raw_listener nobody;
    url = nobody.url();
  }
  http_client aut;

  auto refused = fetch(aut, request_to(url, "POST", "x"));
  auto unknown = fetch(aut, request_to("http://no-such-host.invalid/"));

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::unavailable);
  CHECK(refused.error().outcome == certainty::definite);
  CHECK(has(refused.error().message, "no connection to http://127.0.0.1:"));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == errc::unavailable);
  CHECK(unknown.error().outcome == certainty::definite);
}

TEST_CASE("a peer that does not speak TLS is a definite failure") {
  auto server = serve([](auto, responder out) { out.respond(200, {}, ""); });
  http_client aut;

  auto answer = fetch(aut, request_to("https://127.0.0.1:" + std::to_string(server->port()) + "/"));

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::unavailable);
  CHECK(answer.error().outcome == certainty::definite);
}

TEST_CASE("what cannot be sent is refused, and no secret is in the message") {
  http_client aut;
  auto bad_header = request_to("http://127.0.0.1:1/");
  bad_header.headers.add("Authorization", "Bearer hush\r\nX: y");
  auto r = GENERATE_COPY(request_to("ftp://user:hush@host/"), request_to("file:///etc/passwd"),
                         request_to("http://user:hush@ho st/"), request_to(""), bad_header,
                         request_to("http://127.0.0.1:1/", "GET /hush"));

  auto answer = fetch(aut, r);

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::invalid_input);
  CHECK(answer.error().outcome == certainty::definite);
  CHECK_FALSE(has(answer.error().message, "hush"));
}

TEST_CASE("no answer in time leaves the outcome unknown") {
  raw_listener server;
  http_client aut;
  auto r = request_to(server.url() + "?token=hush", "POST", "x");
  r.timeout = 50ms;

  auto answer = fetch(aut, r);

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::timed_out);
  CHECK(answer.error().outcome == certainty::unknown);
  CHECK(has(answer.error().message, "within 50 ms"));
  CHECK_FALSE(has(answer.error().message, "hush"));
}

TEST_CASE("a connection that is cut after sending leaves the outcome unknown") {
  raw_listener server;
  answers box;
  http_client aut;
  auto cut = GENERATE(as<std::string>{}, "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");

  aut.send(request_to(server.url(), "POST", "pay"), into(box));
  {
    auto peer = server.accept();
    peer.read_until("pay");
    peer.send(cut);
  }
  auto answer = box.take();

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::unavailable);
  CHECK(answer.error().outcome == certainty::unknown);
}

TEST_CASE("a request is not sent again behind our back when a kept connection dies") {
  raw_listener server;
  answers box;
  http_client aut;
  auto method = GENERATE(as<std::string>{}, "POST", "DELETE");
  aut.send(request_to(server.url()), into(box));
  auto peer = server.accept();
  peer.read_until("\r\n\r\n");
  peer.send(empty_answer);
  REQUIRE(box.take());

  aut.send(request_to(server.url(), method), into(box));
  peer.read_until("\r\n\r\n");
  peer.close();
  auto answer = box.take();

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::unavailable);
  CHECK(answer.error().outcome == certainty::unknown);
}

TEST_CASE("a request that may be repeated is sent again when a kept connection dies") {
  raw_listener server;
  answers box;
  http_client aut;
  auto method = GENERATE(as<std::string>{}, "GET", "POST");
  auto r = request_to(server.url(), method, method == "POST" ? "keyed" : "");
  r.repeatable = method == "POST";
  aut.send(request_to(server.url()), into(box));
  auto peer = server.accept();
  peer.read_until("\r\n\r\n");
  peer.send(empty_answer);
  REQUIRE(box.take());

  aut.send(r, into(box));
  peer.read_until("\r\n\r\n");
  peer.close();
  auto second = server.accept();
  second.read_until("\r\n\r\n");
  second.send(empty_answer);

  CHECK(box.take());
}

TEST_CASE("an answer that is too large is stopped") {
  auto server = serve([](auto, responder out) { out.respond(200, {}, std::string(5'000, 'x')); });
  http_client aut;
  auto r = request_to(url_of(*server));
  r.response_size_max = 4'000;

  auto answer = fetch(aut, r);

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::output_too_large);
  CHECK(answer.error().outcome == certainty::unknown);
  CHECK(has(answer.error().message, "4000 bytes (response_size_max)"));
}

TEST_CASE("cancelling closes the connection in flight and answers once") {
  inbox<responder> held;
  inbox<bool> closed;
  auto server = serve([&](auto, responder out) {
    out.on_close([&] { closed.put(true); });
    held.put(std::move(out));
  });
  answers box;
  http_client aut;

  auto id = aut.send(request_to(url_of(*server)), into(box));
  auto pending = held.take();
  aut.cancel(id);
  aut.cancel(id);
  auto answer = box.take();

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::cancelled);
  CHECK(answer.error().outcome == certainty::unknown);
  CHECK(closed.take());
  CHECK(box.size() == 0);
  CHECK(aut.in_flight() == 0);
  aut.cancel(id);
  aut.cancel(4711);
}

TEST_CASE("a client that ends answers all that is open") {
  raw_listener server;
  answers box;
  {
    http_client aut;
    for (int i = 0; i < 10; ++i)
      aut.send(request_to(server.url()), into(box));
  }

  REQUIRE(box.size() == 10);
  for (int i = 0; i < 10; ++i)
    CHECK(box.take().error().code == errc::shutting_down);
}

TEST_CASE("a client may be destroyed, and asked again, in its own callback") {
  auto server = serve([](auto, responder out) { out.respond(200, {}, ""); });
  answers box;
  auto aut = std::make_unique<http_client>();
  auto* raw = aut.get();

  raw->send(request_to(url_of(*server)), [&](auto first) {
    raw->send(request_to(url_of(*server)), into(box));
    aut.reset();
    box.put(std::move(first));
  });

  CHECK(box.take());
  CHECK(box.take().error().code == errc::shutting_down);
}

TEST_CASE("requests in flight are bounded") {
  raw_listener server;
  http_client_options o;
  o.in_flight_max = 2;
  answers open;
  answers refused;
  http_client aut{o};

  aut.send(request_to(server.url()), into(open));
  aut.send(request_to(server.url()), into(open));
  aut.send(request_to(server.url()), into(refused));
  auto answer = refused.take();

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::overloaded);
  CHECK(answer.error().outcome == certainty::definite);
  CHECK(has(answer.error().message, "in_flight_max"));
  CHECK(aut.in_flight() == 2);
}

TEST_CASE("chunks are handed on as they come") {
  inbox<responder> held;
  auto server = serve([&](auto, responder out) {
    out.start_stream({});
    held.put(std::move(out));
  });
  inbox<std::string> chunks;
  answers box;
  http_client aut;
  auto r = request_to(url_of(*server));
  // On the client's thread, where Catch cannot be asked: told as chunks, in the order of coming.
  r.on_head = [&](const http_headers& head) {
    chunks.put(head.contains("transfer-encoding") ? "head" : "another head");
  };
  r.on_chunk = [&](std::string_view piece) {
    chunks.put(std::string{piece});
    return piece != "stop";
  };

  aut.send(r, into(box));
  auto stream = held.take();
  REQUIRE(stream.write_chunk("one"));
  CHECK(chunks.take() == "head");
  CHECK(chunks.take() == "one");
  REQUIRE(stream.write_chunk("two"));
  CHECK(chunks.take() == "two");

  SECTION("to the end") {
    stream.finish();
    auto answer = box.take();
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body.empty());
  }
  SECTION("until the reader has enough") {
    REQUIRE(stream.write_chunk("stop"));
    CHECK(box.take().error().code == errc::cancelled);
  }
  SECTION("and a stream that is cut is an error") {
    stream = responder{};
    CHECK(box.take().error().code == errc::unavailable);
  }
}

TEST_CASE("the body of an error answer is kept even where chunks are asked for") {
  auto server = serve([](auto, responder out) { out.respond(429, {}, "slow down"); });
  http_client aut;
  auto r = request_to(url_of(*server));
  r.on_chunk = [](std::string_view) { return false; };

  auto answer = fetch(aut, r);

  REQUIRE(answer);
  CHECK(answer->status == 429);
  CHECK(answer->body == "slow down");
}

TEST_CASE("hundreds of requests share one thread") {
  auto server = serve(
    [](http_server_request in, responder out) { out.respond(200, {}, std::move(in.body)); });
  answers box;
  http_client aut;

  for (int i = 0; i < 300; ++i)
    aut.send(request_to(url_of(*server), "POST", std::to_string(i)), into(box));
  std::size_t total = 0;
  for (int i = 0; i < 300; ++i)
    total += box.take().value().body.size();

  CHECK(total == 10 + 2 * 90 + 3 * 200);
}
