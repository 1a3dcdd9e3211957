#include "runtime/net/http_server.hpp"

#include "runtime/net/http_client.hpp"
#include "tests/runtime/net/await.hpp"
#include "tests/runtime/net/raw_socket.hpp"
#include "tests/support/catch.hpp"

#include <thread>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
using test::inbox;
using test::raw_socket;

namespace {

struct exchange {
  http_server_request request;
  responder answer;
};

http_server_options any_port() {
  http_server_options o;
  o.port = 0;
  return o;
}

std::unique_ptr<http_server> serve(http_server_options o, http_handler handler) {
  return http_server::start(std::move(o), std::move(handler)).value();
}

/// A server whose requests are answered by the test itself, that is from another thread.
struct manual_server {
  explicit manual_server(http_server_options o = any_port())
    : server(serve(std::move(o), [this](http_server_request in, responder out) {
        requests.put({std::move(in), std::move(out)});
      })) {}

  raw_socket connect() const { return raw_socket::to(server->port()); }

  inbox<exchange> requests;
  std::unique_ptr<http_server> server;
};

std::unique_ptr<http_server> echo_server(http_server_options o = any_port()) {
  return serve(std::move(o), [](http_server_request in, responder out) {
    out.respond(200, http_headers{{"Content-Type", "text/plain"}}, in.target + in.body);
  });
}

constexpr std::string_view get_root = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a request is answered from another thread") {
  manual_server aut;
  auto client = aut.connect();
  client.send("POST /v1/x?a=1&b HTTP/1.1\r\nHost: h\r\nX-Key: k\r\nContent-Length: 4\r\n\r\nbody");

  auto [request, answer] = aut.requests.take();
  answer.respond(201, http_headers{{"Location", "/v1/y"}}, "done");
  auto head = client.read_until("\r\n\r\n");
  auto body = client.read_until("done");

  CHECK(request.method == "POST");
  CHECK(request.path() == "/v1/x");
  CHECK(request.query() == "a=1&b");
  CHECK(request.headers.value_or("x-key", "") == "k");
  CHECK(request.body == "body");
  CHECK(head.starts_with("HTTP/1.1 201 Created\r\n"));
  CHECK(has(head, "Location: /v1/y\r\n"));
  CHECK(has(head, "Content-Length: 4\r\n"));
  CHECK(has(head, "\r\nDate: "));
  CHECK(body == "done");
  CHECK_FALSE(answer);
}

TEST_CASE("pipelined requests are answered in order, one at a time") {
  manual_server aut;
  auto client = aut.connect();
  client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\n"
              "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
              "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

  auto first = aut.requests.take();
  CHECK(aut.requests.size() == 0);
  first.answer.respond(200, {}, "one");
  auto second = aut.requests.take();
  second.answer.respond(200, {}, "two");
  auto third = aut.requests.take();
  third.answer.respond(204, {}, "");
  auto all = client.read_to_end();

  CHECK(second.request.body == "abc");
  CHECK(all.find("one") < all.find("two"));
  CHECK(all.find("two") < all.find("204 No Content"));
  CHECK(has(all, "Connection: close"));
}

TEST_CASE("a request that comes byte by byte is put together") {
  manual_server aut;
  auto client = aut.connect();

  for (char c : std::string_view{"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"})
    client.send({&c, 1});

  CHECK(aut.requests.take().request.body == "abc");
}

TEST_CASE("what is too large, malformed or incomplete never reaches the handler") {
  auto o = any_port();
  o.body_max = 100;
  o.header_max = 1'000;
  manual_server aut{o};
  auto client = aut.connect();
  std::string long_line(30'000, 'x');
  auto [sent, status, word] = GENERATE_REF(table<std::string, std::string, std::string>({
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", "413", "body_max"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + long_line, "413",
     "body_max"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + long_line, "4", ""},
    {"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + long_line, "431", "header_max"},
    {"GET /" + long_line, "431", "header_max"},
    {"HELLO\r\n\r\n", "400", "invalid_input"},
    {"GET / HTTP/1.1\r\n\r\n", "400", "Host"},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400", "HTTP/1.1"},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
     "400", "HTTP/1.1"},
  }));

  client.send(sent);
  auto answer = client.read_to_end();

  INFO(answer);
  CHECK(answer.starts_with("HTTP/1.1 " + status));
  CHECK(has(answer, "Content-Type: application/problem+json\r\n"));
  CHECK(has(answer, "Connection: close\r\n"));
  CHECK(has(answer, word));
  CHECK(aut.requests.size() == 0);
}

TEST_CASE("a client that is slow with its headers or its body is told so and left") {
  auto o = any_port();
  o.header_timeout = 50ms;
  o.body_timeout = 50ms;
  auto aut = echo_server(o);
  auto sent = GENERATE(as<std::string>{}, "GET / HT",
                       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  auto client = raw_socket::to(aut->port());

  client.send(sent);

  CHECK(client.read_to_end().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_CASE("an idle connection is closed without a word") {
  auto o = any_port();
  o.idle_timeout = 50ms;
  auto aut = echo_server(o);
  auto client = raw_socket::to(aut->port());

  CHECK(client.read_to_end().empty());
}

TEST_CASE("the bytes of all bodies are bounded, and given back") {
  auto o = any_port();
  o.bodies_max = 1'000;
  auto aut = echo_server(o);
  auto first = raw_socket::to(aut->port());
  auto second = raw_socket::to(aut->port());

  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
             + std::string(8'000, 'x'));
  auto refused = first.read_to_end();
  for (int i = 0; i < 3; ++i) {
    second.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" + std::string(899, 'y')
                + '!');
    CHECK(second.read_until("!").starts_with("HTTP/1.1 200 OK"));
  }

  CHECK(refused.starts_with("HTTP/1.1 503 "));
  CHECK(has(refused, "bodies_max"));
}

TEST_CASE("a responder that is dropped answers 500, and so does a handler that throws") {
  auto aut = serve(any_port(), [](http_server_request in, responder out) {
    auto mine = std::move(out);
    if (in.path() == "/throw")
      throw std::runtime_error("a bug");
  });
  auto client = raw_socket::to(aut->port());
  auto path = GENERATE(as<std::string>{}, "/drop", "/throw");

  client.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto answer = client.read_to_end();

  CHECK(answer.starts_with("HTTP/1.1 500 "));
  CHECK(has(answer, R"("code":"internal")"));
}

TEST_CASE("an error answers with its status, its wait and its problem") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);
  error busy{errc::overloaded, "the queue is full"};
  busy.retry_after = 1'200ms;

  aut.requests.take().answer.respond(busy, "/v1/x");
  auto answer = client.read_until("}");

  CHECK(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"));
  CHECK(has(answer, "Retry-After: 2\r\n"));
  CHECK(has(answer, R"("retry_after_ms":1200)"));
  CHECK(has(answer, R"("instance":"/v1/x")"));
}

TEST_CASE("HEAD has the length of the body but not the body") {
  auto aut = echo_server();
  auto client = raw_socket::to(aut->port());

  client.send("HEAD /abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto answer = client.read_to_end();

  CHECK(has(answer, "Content-Length: 4\r\n"));
  CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("an HTTP/1.0 client gets its answer and the end of the connection") {
  auto aut = echo_server();
  auto client = raw_socket::to(aut->port());

  client.send("GET /abc HTTP/1.0\r\n\r\n");

  CHECK(client.read_to_end().ends_with("\r\n\r\n/abc"));
}

TEST_CASE("a value with line breaks cannot end its header field") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);

  aut.requests.take().answer.respond(200, http_headers{{"X", "a\r\nSet-Cookie: b"}}, "!");

  CHECK(has(client.read_until("!"), "X: a  Set-Cookie: b\r\n"));
}

TEST_CASE("a client that asks first is told to continue") {
  auto aut = echo_server();
  auto client = raw_socket::to(aut->port());

  client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  auto go = client.read_until("\r\n\r\n");
  client.send("ok");

  CHECK(go == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(client.read_until("/ok").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a stream arrives piece by piece, and the connection lives on after it") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);
  auto [request, answer] = aut.requests.take();

  answer.start_stream(http_headers{{"Content-Type", "text/event-stream"}});
  auto head = client.read_until("\r\n\r\n");
  CHECK(answer.write_chunk("data: 1\n\n"));
  auto first = client.read_until("data: 1\n\n");
  CHECK(answer.write_chunk("data: 2\n\n"));
  answer.finish();
  auto rest = client.read_until("0\r\n\r\n");
  client.send(get_root);
  aut.requests.take().answer.respond(200, {}, "again");

  CHECK(has(head, "Transfer-Encoding: chunked\r\n"));
  CHECK(first == "9\r\ndata: 1\n\n");
  CHECK(rest == "\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n");
  CHECK(has(client.read_until("again"), "200 OK"));
}

TEST_CASE("a stream that is dropped is cut, not ended") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);

  {
    auto [request, answer] = aut.requests.take();
    answer.start_stream({});
    CHECK(answer.write_chunk("half"));
  }

  CHECK(client.read_to_end().ends_with("4\r\nhalf\r\n"));
}

TEST_CASE("a reader that is too slow for its stream is dropped, and the writer is told") {
  auto o = any_port();
  o.stream_buffer_max = 64 << 10;
  manual_server aut{o};
  auto client = aut.connect();
  client.send(get_root);
  auto [request, answer] = aut.requests.take();
  inbox<bool> closed;
  answer.on_close([&] { closed.put(true); });
  answer.start_stream({});

  result<void> written;
  for (int i = 0; i < 100'000 && written; ++i)
    written = answer.write_chunk(std::string(1'000, 'x'));

  REQUIRE_FALSE(written);
  CHECK(written.error().code == errc::overloaded);
  CHECK(closed.take());
  CHECK(answer.closed());
  CHECK(answer.write_chunk("more").error().code == errc::cancelled);
}

TEST_CASE("a reader that keeps up may have a stream of any length") {
  auto o = any_port();
  o.stream_buffer_max = 64 << 10;
  manual_server aut{o};
  auto client = aut.connect();
  client.send(get_root);
  auto [request, answer] = aut.requests.take();
  answer.start_stream({});
  client.read_until("\r\n\r\n");

  for (int i = 0; i < 100; ++i) {
    REQUIRE(answer.write_chunk(std::string(4'095, 'x') + '!'));
    client.read_until("!");
  }

  CHECK_FALSE(answer.closed());
}

TEST_CASE("whoever answers is told when the client goes") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);
  auto [request, answer] = aut.requests.take();
  inbox<bool> closed;
  answer.on_close([&] { closed.put(true); });
  CHECK_FALSE(answer.closed());

  client.close();

  CHECK(closed.take());
  CHECK(answer.closed());
  bool at_once = false;
  answer.on_close([&] { at_once = true; });
  CHECK(at_once);
}

TEST_CASE("a client that ends only its own side still gets its answer") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);
  client.end_sending();
  auto [request, answer] = aut.requests.take();

  inbox<bool> ended;
  answer.on_close([&] { ended.put(true); });
  CHECK(ended.take());
  CHECK_FALSE(answer.gone());
  answer.respond(200, {}, "late");

  CHECK(client.read_to_end().ends_with("late"));
}

TEST_CASE("an address that cannot be had is named, with what to do") {
  auto first = echo_server();
  auto o = any_port();
  o.port = first->port();

  auto taken = http_server::start(o, [](auto, auto) {});
  o.address = "no.such";
  auto no_address = http_server::start(o, [](auto, auto) {});

  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == errc::unavailable);
  CHECK(has(taken.error().message, "127.0.0.1:" + std::to_string(first->port())));
  CHECK(has(taken.error().message, "choose another `port`"));
  REQUIRE_FALSE(no_address);
  CHECK(no_address.error().code == errc::invalid_input);
  CHECK(has(no_address.error().message, "no.such"));
}

TEST_CASE("a connection above the bound is turned away with 503") {
  auto o = any_port();
  o.connections_max = 1;
  auto aut = echo_server(o);
  auto first = raw_socket::to(aut->port());
  first.send(get_root);
  first.read_until("\r\n\r\n/");

  auto second = raw_socket::to(aut->port());
  auto answer = second.read_to_end();

  CHECK(answer.starts_with("HTTP/1.1 503 "));
  CHECK(has(answer, "connections_max"));
}

TEST_CASE("draining closes idle connections and waits for answers that are due") {
  manual_server aut;
  auto idle = aut.connect();
  auto busy = aut.connect();
  busy.send(get_root);
  auto [request, answer] = aut.requests.take();

  CHECK_FALSE(aut.server->drain(20ms));
  auto gone = idle.read_to_end();
  answer.respond(200, {}, "last");
  auto last = busy.read_to_end();
  busy.close();

  CHECK(gone.empty());
  CHECK(has(last, "Connection: close\r\n"));
  CHECK(last.ends_with("last"));
  CHECK(aut.server->drain(10s));
  CHECK_THROWS(aut.connect());
}

TEST_CASE("a responder outlives its server") {
  manual_server aut;
  auto client = aut.connect();
  client.send(get_root);
  auto [request, answer] = aut.requests.take();

  aut.server.reset();
  answer.respond(200, {}, "too late");

  CHECK(client.read_to_end().empty());
}

TEST_CASE("many connections are answered by many threads") {
  manual_server aut;
  constexpr int rounds = 200;
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      auto client = aut.connect();
      for (int n = 0; n < rounds; ++n) {
        client.send(get_root);
        right += has(client.read_until("!"), "200 OK") ? 1 : 0;
      }
    });
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 2 * rounds; ++n)
        aut.requests.take().answer.respond(200, {}, "!");
    });

  for (auto& thread : threads)
    thread.join();

  CHECK(right == 4 * rounds);
}

TEST_CASE("a large body goes both ways") {
  auto aut = echo_server();
  http_client client;
  std::string large(7'000'000, 'x');
  http_request r;
  r.method = "POST";
  r.url = "http://127.0.0.1:" + std::to_string(aut->port()) + "/";
  r.body = large;
  r.timeout = 10s;

  auto answer = test::fetch(client, r);

  REQUIRE(answer);
  CHECK(answer->body == "/" + large);
}
