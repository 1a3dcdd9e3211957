#include "actors/tool/http_backend.hpp"
#include "actors/tool/http_outcome.hpp"
#include "tests/actors/tool/far_side.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

net::http_response answer(int status, std::string body = {}, net::http_headers headers = {}) {
  net::http_response r;
  r.status = status;
  r.body = std::move(body);
  r.headers = std::move(headers);
  return r;
}

error failure(int status, net::http_headers headers = {}) {
  return http_failure(answer(status, {}, std::move(headers)), the_time.now(), {});
}

} // namespace

TEST_CASE("statuses say whether an effect may have happened") {
  struct row {
    int status;
    errc code;
    certainty known;
  };
  for (auto r : {row{400, errc::invalid_input, certainty::definite},
                 row{401, errc::failed, certainty::definite},
                 row{404, errc::not_found, certainty::definite},
                 row{408, errc::timed_out, certainty::definite},
                 row{409, errc::conflict, certainty::definite},
                 row{422, errc::invalid_input, certainty::definite},
                 row{429, errc::rate_limited, certainty::definite},
                 row{302, errc::failed, certainty::unknown},
                 row{307, errc::failed, certainty::definite},
                 row{500, errc::unavailable, certainty::unknown},
                 row{501, errc::failed, certainty::definite},
                 row{502, errc::unavailable, certainty::unknown},
                 row{503, errc::unavailable, certainty::unknown},
                 row{504, errc::unavailable, certainty::unknown},
                 row{529, errc::rate_limited, certainty::definite}}) {
    INFO(r.status);
    CHECK(failure(r.status).code == r.code);
    CHECK(failure(r.status).outcome == r.known);
  }
}

TEST_CASE("Retry-After makes a 503 definite and a 409 a call that still runs") {
  auto turned_away = failure(503, {{"Retry-After", "2"}});
  CHECK(turned_away.outcome == certainty::definite);
  CHECK(turned_away.retry_after == 2s);

  auto running = failure(409, {{"Retry-After", "1"}});
  CHECK(running.code == errc::unavailable);
  CHECK(running.outcome == certainty::unknown);
}

TEST_CASE("what the far side says is quoted, but not the secrets that it echoes") {
  auto why = http_failure(answer(400, "bad token s3cr3t-s3cr3t"), the_time.now(), {"s3cr3t"});
  CHECK(why.message == "answered 400 Bad Request: bad token ***-***");
  auto page = http_failure(answer(500, std::string(9'000, 'x')), the_time.now(), {});
  CHECK(page.message.size() < 400);
}

TEST_CASE("the result is the answer, or the part that is asked for") {
  CHECK(http_result(answer(200, R"({"data":{"id":7}})"), "").value() == R"({"data":{"id":7}})");
  CHECK(http_result(answer(200, R"({"data":{"id":7}})"), "/data/id").value() == "7");
  CHECK(http_result(answer(204), "").value() == "null");
  CHECK(http_result(answer(200, "hello", {{"content-type", "text/plain"}}), "").value()
        == R"("hello")");

  auto elsewhere = http_result(answer(200, "{}"), "/data");
  CHECK(elsewhere.error().code == errc::schema_mismatch);
  CHECK(elsewhere.error().outcome == certainty::unknown);
  CHECK(http_result(answer(200, "<html>", {{"content-type", "application/json"}}), "").error().code
        == errc::schema_mismatch);
}

TEST_CASE("an HTTP tool sends its template, its headers and its key") {
  http_fixture f{says(200, R"({"n":1})")};
  f.options.headers["Authorization"] = secret{"Bearer abcdef"};

  CHECK(f.call(attempt_of(R"({"id":"T 1"})")).value() == R"({"n":1})");

  auto got = f.server.last();
  CHECK(got.method == "POST");
  CHECK(got.target == "/tickets/T%201");
  CHECK(got.body == R"({"id":"T 1"})");
  CHECK(*got.headers.find("idempotency-key") == "inv-1/0/0//3");
  CHECK(*got.headers.find("authorization") == "Bearer abcdef");
  CHECK(*got.headers.find("content-type") == "application/json");
}

TEST_CASE("a read sends no key, a GET no body") {
  http_fixture f{says(200, "[]")};
  f.options.method = "GET";

  REQUIRE(f.call(attempt_of(R"({"id":1})", effect_class::read)));

  CHECK_FALSE(f.server.last().headers.contains("idempotency-key"));
  CHECK(f.server.last().body.empty());
}

TEST_CASE("a body can be a template") {
  http_fixture f{says(200, "{}"), "/posts"};
  f.options.body = R"({"text":{text},"key":{idempotency_key}})";

  REQUIRE(f.call(attempt_of(R"({"text":"say \"hi\""})")));

  CHECK(f.server.last().body == R"({"text":"say \"hi\"","key":"inv-1/0/0//3"})");
}

TEST_CASE("arguments that do not fit the template are refused before anything is sent") {
  http_fixture f{says(200, "{}")};

  for (auto body : {R"({})", R"({"id":".."})", R"({"id":"."})", R"({"id":""})", "nonsense"}) {
    auto refused = f.call(attempt_of(body));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == errc::invalid_input);
    CHECK(refused.error().outcome == certainty::definite);
  }
  CHECK(f.server.count() == 0);
}

TEST_CASE("what counts as success is the tool's choice") {
  http_fixture f{says(404, R"({"none":true})")};
  f.options.success = {{200, 299}, {404, 404}};

  CHECK(f.call(attempt_of(R"({"id":1})")).value() == R"({"none":true})");
}

TEST_CASE("an answer above its bound is refused, and may have happened") {
  http_fixture f{says(200, "\"" + std::string(5'000, 'x') + "\"")};
  f.options.response_size_max = 1'000;

  auto large = f.call(attempt_of(R"({"id":1})"));

  CHECK(large.error().code == errc::output_too_large);
  CHECK(large.error().outcome == certainty::unknown);
}

TEST_CASE("a refused connection is definite, a lost answer is not") {
  http_fixture f{[](const net::http_server_request&, net::responder) {}}; // answers 500
  auto lost = f.call(attempt_of(R"({"id":1})", effect_class::at_most_once));
  CHECK(lost.error().outcome == certainty::unknown);

  f.options.url = "http://127.0.0.1:1/{id}";
  auto refused = f.call(attempt_of(R"({"id":1})", effect_class::at_most_once));
  CHECK(refused.error().code == errc::unavailable);
  CHECK(refused.error().outcome == certainty::definite);
}

TEST_CASE("cancelling an HTTP attempt closes its connection") {
  std::promise<net::responder> arrived;
  http_fixture f{[&](const net::http_server_request&, net::responder out) {
    arrived.set_value(std::move(out));
  }};
  auto backend = make_http_backend(f.options, f.client, the_time);
  backend_probe probe{*backend, attempt_of(R"({"id":1})")};
  auto held = arrived.get_future().get();
  std::promise<void> closed;
  held.on_close([&] { closed.set_value(); });

  backend->cancel(1);

  auto outcome = probe.outcome();
  CHECK(outcome.error().code == errc::cancelled);
  CHECK(outcome.error().outcome == certainty::unknown);
  CHECK(closed.get_future().wait_for(20s) == std::future_status::ready);
}

TEST_CASE("an HTTP attempt ends at its timeout") {
  std::promise<net::responder> arrived;
  http_fixture f{[&](const net::http_server_request&, net::responder out) {
    arrived.set_value(std::move(out));
  }};
  auto request = attempt_of(R"({"id":1})");
  request.timeout = 100ms;

  auto outcome = f.call(request);

  CHECK(outcome.error().code == errc::timed_out);
  CHECK(outcome.error().outcome == certainty::unknown);
}

TEST_CASE("an HTTP reconcile tells done, not_done and what it cannot tell") {
  int status = 200;
  std::string body;
  http_fixture f{[&](const net::http_server_request&, net::responder out) {
    out.respond(status, net::http_headers{{"content-type", "application/json"}}, body);
  }};
  reconcile_options reconcile;
  reconcile.url = f.server.url("/posts?key={idempotency_key}");
  reconcile.result = "/items/0";
  auto backend = make_http_reconciler(reconcile, f.options, f.client, the_time);
  auto ask = [&](int s, std::string b) {
    status = s;
    body = std::move(b);
    return backend_probe{*backend, attempt_of(R"({"id":1})", effect_class::read)}.outcome();
  };

  CHECK(ask(200, R"({"items":[{"n":1}]})").value() == R"({"state":"done","result":{"n":1}})");
  CHECK(f.server.last().target == "/posts?key=inv-1%2F0%2F0%2F%2F3");
  CHECK(f.server.last().method == "GET");
  CHECK(ask(200, R"({"items":[]})").value() == R"({"state":"not_done"})");
  CHECK(ask(404, "").value() == R"({"state":"not_done"})");
  CHECK(ask(500, "").error().code == errc::unavailable);
  CHECK(ask(410, "").error().code == errc::not_found); // it was there once
}

TEST_CASE("a reconcile's answer of another shape is not taken for not_done") {
  auto told = [](std::string body, std::string_view pointer = "/items/0",
                 std::string type = "application/json") -> std::string {
    auto said = http_reconciled(answer(200, std::move(body), {{"content-type", std::move(type)}}),
                                true, pointer, the_time.now(), {});
    if (said)
      return *said;
    CHECK(said.error().code == errc::schema_mismatch);
    CHECK(said.error().outcome == certainty::unknown);
    return "unknown";
  };
  const std::string not_done = R"({"state":"not_done"})";
  const std::string done_null = R"({"state":"done","result":null})";

  CHECK(told(R"({"items":[null]})") == not_done);
  CHECK(told(R"({"items":[[]]})") == not_done);
  CHECK(told(R"({"items":{}})") == not_done);
  CHECK(told(R"({"id":null})", "/id") == not_done);
  CHECK(told("{}", "/id") == not_done);
  CHECK(told("[]", "/0") == not_done);
  CHECK(told("[]", "") == not_done);
  CHECK(told("", "") == done_null);

  CHECK(told(R"({"error":"down for maintenance"})") == "unknown");
  CHECK(told(R"({"items":null})") == "unknown");
  CHECK(told(R"({"items":"none"})") == "unknown");
  CHECK(told(R"([{"id":1}])", "/id") == "unknown");
  CHECK(told(R"({"items":[1]})", "/items/-") == "unknown");
  CHECK(told("") == "unknown");
  CHECK(told("<html>back soon</html>") == "unknown");
  CHECK(told("<html>back soon</html>", "/items/0", "text/html") == "unknown");
  CHECK(told("<html>back soon</html>", "", "text/html") == "unknown");
}
