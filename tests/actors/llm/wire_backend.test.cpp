#include "actors/llm/wire_backend.hpp"
#include "actors/llm/llm_endpoint.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/net/http_client.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/openai_stub.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <future>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const std::string key = "sk-very-secret";

endpoint_options options_for(const test::openai_stub& stub) {
  endpoint_options o;
  o.name = "fast";
  o.kind = endpoint_kind::openai;
  o.model = "small";
  o.base_url = stub.base_url();
  o.api_key = secret{key};
  o.retry.backoff_base = 1ms;
  o.retry.backoff_throttled = 1ms;
  return o;
}

model_request question(std::string schema = {}) {
  model_request r;
  r.messages.push_back({"user", "hello"});
  r.schema = std::move(schema);
  r.timeout = 10s;
  return r;
}

// A backend over real sockets, one request at a time.
class line {
public:
  line() : client(std::make_shared<net::http_client>()) {}

  void open() {
    backend
      = std::make_unique<wire_backend>(options_for(stub), make_chat_wire(), clock, events, client);
  }

  std::future<result<model_answer>> start(const model_request& r) {
    if (!backend)
      open();
    auto promise = std::make_shared<std::promise<result<model_answer>>>();
    last
      = backend->start(r, [promise](result<model_answer> a) { promise->set_value(std::move(a)); });
    return promise->get_future();
  }
  result<model_answer> ask(const model_request& r) {
    auto got = start(r);
    REQUIRE(got.wait_for(20s) == std::future_status::ready);
    return got.get();
  }

  system_time clock;
  memory_sink events;
  test::openai_stub stub;
  std::shared_ptr<net::http_client> client;
  std::unique_ptr<wire_backend> backend;
  model_request_id last = 0;
};

} // namespace

TEST_CASE("a question is one POST with the key in its header only") {
  line l;
  l.stub.say("hi there");

  auto r = l.ask(question());

  REQUIRE(r);
  CHECK(r->text == "hi there");
  CHECK(r->input_tokens == 11);
  CHECK(r->model == "stub-1");
  auto seen = l.stub.requests();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].method == "POST");
  CHECK(seen[0].target == "/v1/chat/completions");
  CHECK(seen[0].headers.value_or("authorization", "") == "Bearer " + key);
  CHECK(seen[0].headers.value_or("content-type", "") == "application/json");
  CHECK(seen[0].body == R"({"model":"small","messages":[{"role":"user","content":"hello"}]})");
}

TEST_CASE("a server that refuses response_format is asked in words, now and from then on") {
  line l;
  auto q = question(R"({"type":"object"})");
  l.stub.answer(400, R"({"error":{"message":"unknown field","param":"response_format"}})");
  l.stub.say("{}").say("{}");

  CHECK(l.ask(q));
  CHECK(l.ask(q));

  auto seen = l.stub.requests();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].body.find("response_format") != std::string::npos);
  CHECK(seen[1].body.find("response_format") == std::string::npos);
  CHECK(seen[2].body.find("response_format") == std::string::npos);
}

TEST_CASE("a temperature that is refused is left out, and no other") {
  line l;
  auto warm = question();
  warm.temperature = 1.5;
  auto exact = question();
  exact.temperature = 0.0;
  l.stub.answer(400, R"({"error":{"message":"temperature must be between 0 and 1"}})");
  l.stub.say("a").say("b").say("c");

  CHECK(l.ask(warm));
  CHECK(l.ask(warm));
  CHECK(l.ask(exact));

  auto seen = l.stub.requests();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].body.find(R"("temperature":1.5)") != std::string::npos);
  CHECK(seen[1].body.find("temperature") == std::string::npos);
  CHECK(seen[2].body.find("temperature") == std::string::npos);
  CHECK(seen[3].body.find(R"("temperature":0)") != std::string::npos);
  REQUIRE(l.events.count("llm.dialect") == 1);
  auto line = to_json_line(l.events.events().front(), l.clock.now());
  CHECK(line.find(R"("left_out":"temperature 1.5")") != std::string::npos);
}

TEST_CASE("what a server says of its limits before a stream is heard while the stream goes on") {
  line l;
  l.stub.answer(200,
                "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n",
                net::http_headers{{"content-type", "text/event-stream"},
                                  {"x-ratelimit-remaining-requests", "3"}});
  auto q = question();
  std::string order; // the first piece comes after the limits, and both before the end
  q.on_limits = [&](const server_limits& left) {
    order += left.requests == 3 && left.status == 200 ? "limits " : "nonsense ";
  };
  q.on_delta = [&](const model_delta&) { order += "piece "; };

  auto r = l.ask(q);

  REQUIRE(r);
  CHECK(r->text == "hi");
  CHECK(order == "limits piece ");
}

TEST_CASE("an error that repeats the key does not pass it on") {
  line l;
  l.stub.answer(500, R"({"error":{"message":"cannot parse )" + key + R"("}})");

  auto r = l.ask(question());

  REQUIRE_FALSE(r);
  CHECK(r.error().code == errc::unavailable);
  CHECK(r.error().message.find(key) == std::string::npos);
  CHECK(r.error().message.find("***") != std::string::npos);
}

TEST_CASE("an answer that is cut is an error whose outcome nobody knows") {
  line l;
  l.stub.cut();

  auto r = l.ask(question());

  REQUIRE_FALSE(r);
  CHECK(r.error().code == errc::unavailable);
  CHECK(r.error().outcome == certainty::unknown);
}

TEST_CASE("cancelling closes the socket") {
  line l;
  l.stub.hold();
  auto got = l.start(question());
  REQUIRE(l.stub.wait_for_requests(1));

  l.backend->cancel(l.last);

  REQUIRE(got.wait_for(20s) == std::future_status::ready);
  CHECK(got.get().error().code == errc::cancelled);
  CHECK(l.stub.wait_for_gone(1));
}

TEST_CASE("a backend that goes cancels what is in flight") {
  line l;
  l.stub.hold();
  auto got = l.start(question());
  REQUIRE(l.stub.wait_for_requests(1));

  l.backend.reset();

  REQUIRE(got.wait_for(20s) == std::future_status::ready);
  CHECK_FALSE(got.get());
}

TEST_CASE("nobody listens: unavailable, and surely not sent") {
  line l;
  auto o = options_for(l.stub);
  o.base_url = "http://127.0.0.1:1/v1";
  l.backend = std::make_unique<wire_backend>(o, make_chat_wire(), l.clock, l.events, l.client);

  auto r = l.ask(question());

  REQUIRE_FALSE(r);
  CHECK(r.error().code == errc::unavailable);
  CHECK(r.error().outcome == certainty::definite);
}

TEST_CASE("an endpoint gets a value out of a difficult server") {
  test::openai_stub stub;
  stub.answer(503, R"({"error":{"message":"starting"}})")
    .answer(429, R"({"error":{"message":"slow down"}})", {{"retry-after-ms", "5"}})
    .say(R"(I think {"queue": 7} is right)")
    .cut()
    .say(R"({"queue":"billing"})");
  system_time clock;
  system_random random;
  memory_sink events;
  directory services;
  environment env{clock, random, events, services};
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto timer = spawn_timer(system, clock, events);
  auto options = options_for(stub);
  auto backend
    = make_model_backend(system, env, timer, options, std::make_shared<net::http_client>());
  REQUIRE(backend);
  auto aut = start_llm_endpoint(system, llm_setup{env, timer, options, *backend});
  call_request r;
  r.id = 1;
  r.cls = effect_class::read;
  r.body = R"({"messages":[{"role":"user","content":"Which queue?"}],"schema":{"type":"object",)"
           R"("properties":{"queue":{"type":"string"}},"required":["queue"]}})";

  caf::scoped_actor self{system};
  self->request(aut, 30s, r)
    .receive(
      [](const call_reply& reply) {
        if (!reply.outcome)
          FAIL(to_string(reply.outcome.error()));
        CHECK(*reply.outcome == R"({"queue":"billing"})");
        CHECK(reply.attempts == 5);
      },
      [](const caf::error&) { FAIL("no reply"); });

  CHECK(events.count("llm.call") == 5);
  CHECK(stub.requests().back().body.find(R"("temperature":0)") != std::string::npos);
  for (const auto& e : events.events())
    CHECK(to_json_line(e, clock.now()).find(key) == std::string::npos);
  services.clear();
  caf::anon_send_exit(aut, caf::exit_reason::kill);
  caf::anon_send_exit(timer, caf::exit_reason::kill);
}
