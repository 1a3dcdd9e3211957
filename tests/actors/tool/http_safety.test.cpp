// What an HTTP tool does with peers that lie, drip, redirect, or are not who they say.

#include "actors/tool/http_outcome.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/actors/tool/far_side.hpp"
#include "tests/support/tls_peer.hpp"

#include <condition_variable>
#include <thread>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// One call of a tool at `url`, as the options say.
result<std::string> call(const http_tool_options& options, net::http_client& client,
                         std::string body = "{}") {
  auto backend = make_http_backend(options, client, the_time);
  return backend_probe{*backend, attempt_of(std::move(body))}.outcome();
}

result<std::string> call(const http_tool_options& options) {
  net::http_client client;
  return call(options, client);
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

} // namespace

TEST_CASE("a condition on the answer finds the failure behind a 200") {
  http_fixture f{says(200, R"({"ok":false,"error":"channel_not_found"})"), "/"};
  f.options.success_if.at = "/ok";

  auto refused = f.call(attempt_of("{}"));

  CHECK(refused.error().code == errc::failed);
  CHECK(refused.error().outcome == certainty::definite);
  CHECK(has(refused.error().message, "channel_not_found"));
}

TEST_CASE("a condition is met by a text as it is and by other values as JSON") {
  http_fixture f{says(200, R"({"ok":true,"state":"done","n":7})"), "/"};

  f.options.success_if = {"/ok", "true"};
  CHECK(f.call(attempt_of("{}")));
  f.options.success_if = {"/state", "done"};
  CHECK(f.call(attempt_of("{}")));
  f.options.success_if = {"/n", "8"};
  CHECK_FALSE(f.call(attempt_of("{}")));
}

TEST_CASE("an answer that lacks what the condition looks at may have happened") {
  http_fixture f{says(200, R"({"state":"done"})"), "/"};
  f.options.success_if.at = "/ok";

  auto unclear = f.call(attempt_of("{}"));

  CHECK(unclear.error().code == errc::schema_mismatch);
  CHECK(unclear.error().outcome == certainty::unknown);
}

TEST_CASE("a reconcile is unknown where the condition says no, and needs it not where it is not") {
  http_fixture f{says(200, R"({"ok":false,"items":[]})"), "/"};
  f.options.success_if.at = "/ok";
  reconcile_options reconcile;
  reconcile.url = f.options.url;
  reconcile.result = "/items/0";
  auto ask = [&](far_side& at) {
    reconcile.url = at.url("/");
    auto backend = make_http_reconciler(reconcile, f.options, f.client, the_time);
    return backend_probe{*backend, attempt_of("{}", effect_class::read)}.outcome();
  };
  far_side plain{says(200, R"({"items":[1]})")};

  CHECK(ask(f.server).error().code == errc::failed);
  CHECK(ask(plain).value() == R"({"state":"done","result":1})");
}

TEST_CASE("a redirect is not followed, its target is named without what may be secret") {
  http_fixture f{says(302, "", {{"Location", "http://127.0.0.1:1/login?token=hush"}}), "/"};

  auto answer = f.call(attempt_of("{}", effect_class::at_most_once));

  CHECK(f.server.count() == 1);
  CHECK(answer.error().code == errc::failed);
  CHECK(answer.error().outcome == certainty::unknown); // forms answer so when they have done it
  CHECK(has(answer.error().message, "http://127.0.0.1:1/login"));
  CHECK_FALSE(has(answer.error().message, "hush"));
}

TEST_CASE("arguments change neither host nor path nor query of a URL") {
  http_fixture f{says(200, "{}"), "/a/{id}/b?q={q}"};

  REQUIRE(f.call(attempt_of(R"({"id":"../../x?y#z@h:1/","q":"1&admin=true#"})")));
  CHECK(f.server.last().target == "/a/..%2F..%2Fx%3Fy%23z%40h%3A1%2F/b?q=1%26admin%3Dtrue%23");
  REQUIRE(f.call(attempt_of(R"({"id":{"a":[1]},"q":""})")));
  CHECK(f.server.last().target == "/a/%7B%22a%22%3A%5B1%5D%7D/b?q=");

  for (auto id : {R"("")", R"(".")", R"("..")"}) {
    auto refused = f.call(attempt_of(std::string{R"({"q":"","id":)"} + id + "}"));
    CHECK(refused.error().code == errc::invalid_input);
  }
  CHECK(f.server.count() == 2);
}

TEST_CASE("a template may have an empty segment of its own, the arguments may not add one") {
  http_fixture f{says(200, "{}"), "/a//b/{id}/"};

  CHECK(f.call(attempt_of(R"({"id":1})")));
  CHECK(f.call(attempt_of(R"({"id":""})")).error().code == errc::invalid_input);
}

TEST_CASE("a key that would break out of its header is refused before anything is sent") {
  http_fixture f{says(200, "{}"), "/"};
  auto request = attempt_of("{}");
  request.key = "k\r\nX-Admin: yes";

  CHECK(f.call(request).error().code == errc::invalid_input);
  CHECK(f.server.count() == 0);
}

TEST_CASE("calls of a repeatable tool share a connection, at_most_once has each its own") {
  raw_listener listener;
  http_tool_options options;
  options.url = listener.url();
  net::http_client client;
  auto backend = make_http_backend(options, client, the_time);
  auto serve = [](raw_socket& s) {
    s.read_until("\r\n\r\n{}");
    s.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  };

  backend_probe first{*backend, attempt_of("{}")};
  auto connection = listener.accept();
  serve(connection);
  CHECK(first.outcome());
  backend_probe second{*backend, attempt_of("{}")};
  serve(connection);
  CHECK(second.outcome());
  backend_probe third{*backend, attempt_of("{}", effect_class::at_most_once)};
  auto another = listener.accept();
  serve(another);
  CHECK(third.outcome());
}

TEST_CASE("fault 40: a peer that drips a byte now and then ends at the attempt's timeout") {
  raw_listener listener;
  http_tool_options options;
  options.url = listener.url();
  net::http_client client;
  auto backend = make_http_backend(options, client, the_time);
  auto request = attempt_of("{}");
  request.timeout = 300ms;

  auto begun = std::chrono::steady_clock::now();
  backend_probe probe{*backend, request};
  std::jthread drips{[connection = listener.accept()](std::stop_token stop) mutable {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n\"");
    std::mutex mutex;
    std::condition_variable_any pause; // each byte comes well within any timeout on silence
    std::unique_lock lock{mutex};
    while (!stop.stop_requested()) {
      connection.send("x");
      pause.wait_for(lock, stop, 20ms, [] { return false; });
    }
  }};
  auto outcome = probe.outcome();

  CHECK(outcome.error().code == errc::timed_out);
  CHECK(outcome.error().outcome == certainty::unknown);
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("fault 25, DNS failure: nothing was sent, and within its time the caller knows") {
  http_tool_options options;
  options.url = "http://no-such-machine.invalid/tickets"; // RFC 2606: never there
  net::http_client client;
  auto backend = make_http_backend(options, client, the_time);
  auto request = attempt_of("{}", effect_class::at_most_once);
  request.timeout = 2s; // a resolver that is out of reach says nothing

  auto begun = std::chrono::steady_clock::now();
  auto outcome = backend_probe{*backend, request}.outcome();

  CHECK((outcome.error().code == errc::unavailable || outcome.error().code == errc::timed_out));
  CHECK(outcome.error().outcome == certainty::definite);
  CHECK(has(outcome.error().message, "no-such-machine.invalid"));
  CHECK(std::chrono::steady_clock::now() - begun < 10s);
}

TEST_CASE("fault 26, half-open TCP: a call in flight ends at its timeout, the next is sent anew") {
  raw_listener listener;
  http_tool_options options;
  options.url = listener.url();
  net::http_client client;
  auto backend = make_http_backend(options, client, the_time);
  auto request = attempt_of("{}");
  auto serve = [](raw_socket& s) {
    s.read_until("\r\n\r\n{}");
    s.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  };

  request.timeout = 300ms;
  backend_probe in_flight{*backend, request};
  auto peer = listener.accept();
  peer.read_until("\r\n\r\n{}");
  if (!peer.vanish()) {
    WARN("skipped: half of a connection is closed by root alone (TCP_REPAIR)");
    return;
  }
  auto lost = in_flight.outcome();
  CHECK(lost.error().code == errc::timed_out);
  CHECK(lost.error().outcome == certainty::unknown);

  request.timeout = 10s;
  backend_probe first{*backend, request};
  auto kept = listener.accept();
  serve(kept);
  REQUIRE(first.outcome());
  REQUIRE(kept.vanish()); // between two calls, unseen
  backend_probe second{*backend, request};
  auto fresh = listener.accept();
  serve(fresh);
  CHECK(second.outcome());
}

TEST_CASE("fault 41: an answer of a gigabyte is cut at its bound") {
  raw_listener listener;
  http_tool_options options;
  options.url = listener.url();
  net::http_client client;
  auto backend = make_http_backend(options, client, the_time);

  backend_probe probe{*backend, attempt_of("{}")};
  std::size_t taken = 0;
  std::thread floods{[connection = listener.accept(), &taken]() mutable {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    const std::string piece(std::size_t{1} << 16, 'x');
    for (; taken < (std::size_t{1} << 30) && connection.send(piece); taken += piece.size()) {
    }
  }};
  auto outcome = probe.outcome();
  floods.join();

  CHECK(outcome.error().code == errc::output_too_large);
  CHECK(outcome.error().outcome == certainty::unknown);
  CHECK(taken < (std::size_t{64} << 20)); // what fits into sockets, not a gigabyte
}

TEST_CASE("a peer whose certificate nobody vouches for is refused before anything is sent") {
  tls_peer peer;
  http_tool_options options;
  options.url = peer.url();

  auto refused = call(options);

  CHECK(refused.error().code == errc::unavailable);
  CHECK(refused.error().outcome == certainty::definite);
  CHECK(has(refused.error().message, "certificate"));
}

TEST_CASE("tls_ca names who is to be trusted, and the name is checked too") {
  tls_peer peer;
  http_tool_options options;
  options.url = peer.url();
  options.tls_ca = peer.certificate();
  net::http_client client;

  CHECK(call(options, client).value() == R"({"tls":true})");
  options.url.replace(options.url.find("127.0.0.1"), 9, "localhost"); // not in the certificate
  CHECK(call(options, client).error().outcome == certainty::definite);
  // A kept connection must not lend its trust to a tool that has not named the authority.
  options.url = peer.url();
  options.tls_ca.clear();
  CHECK(call(options, client).error().code == errc::unavailable);
}

TEST_CASE("verification that is off is told at the start") {
  tls_peer peer;
  net::http_client client;
  memory_sink events;
  directory services;
  system_random random;
  environment env{the_time, random, events, services};
  tool_options options;
  options.name = "legacy";
  options.kind = tool_kind::http;
  options.http.url = peer.url();

  REQUIRE(make_tool_parts(options, env, client));
  CHECK(events.count("tool.tls_unverified") == 0);
  options.http.tls_verify = false;
  auto parts = make_tool_parts(options, env, client).value();

  CHECK(events.count("tool.tls_unverified") == 1);
  CHECK(backend_probe{*parts.backend, attempt_of("{}")}.outcome().value() == R"({"tls":true})");
}

TEST_CASE("authorities make no sense where nothing is verified") {
  tool_options options;
  options.kind = tool_kind::http;
  options.http.url = "https://127.0.0.1/";
  options.http.tls_verify = false;
  options.http.tls_ca = "ca.pem";
  options.http.success_if.at = "ok";

  std::string keys;
  for (const auto& problem : options.validate())
    keys += problem.key + " ";

  CHECK(keys == "success_if.at tls_ca ");
}

TEST_CASE("a proxy gets the request in place of its target") {
  raw_listener proxy;
  http_tool_options options;
  options.url = "http://far.invalid/tickets";
  options.proxy = proxy.url();
  net::http_client client;
  auto backend = make_http_backend(options, client, the_time);

  backend_probe probe{*backend, attempt_of("{}")};
  auto connection = proxy.accept();
  auto asked = connection.read_until("\r\n");
  connection.read_until("{}");
  connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");

  CHECK(asked == "POST http://far.invalid/tickets HTTP/1.1\r\n");
  CHECK(probe.outcome().value() == "[]");
}
