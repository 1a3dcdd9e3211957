// A tool with everything real: scheduler, timer, HTTP client, a server that fails at first.

#include "actors/tool/tool.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/net/http_client.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/support/catch.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <atomic>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// Turns every second request away at the door.
struct moody_server {
  std::atomic<int> requests{0};
  std::unique_ptr<net::http_server> server;

  moody_server() {
    auto started = net::http_server::start({.port = 0}, [this](auto in, auto out) {
      if (requests.fetch_add(1) % 2 == 0)
        out.respond(503, net::http_headers{{"Retry-After", "0"}}, "");
      else
        out.respond(200, net::http_headers{{"content-type", "application/json"}}, in.body);
    });
    server = std::move(started.value());
  }
};

} // namespace

TEST_CASE("on real threads, a hundred calls of a moody service are each answered once") {
  moody_server far_side;
  net::http_client client;
  system_time clock;
  system_random random;
  memory_sink events;
  directory services;
  environment env{clock, random, events, services};
  tool_options options;
  options.name = "moody";
  options.kind = tool_kind::http;
  options.http.url = "http://127.0.0.1:" + std::to_string(far_side.server->port()) + "/";
  options.retry.attempts_max = 1'000;
  options.retry.backoff_base = options.retry.backoff_max = 1ms;
  options.retry.budget = 1'000'000;
  options.concurrent = 8;
  options.breaker.enabled = false; // every other request fails
  auto parts = make_tool_parts(options, env, client).value();

  caf::actor_system_config config;
  caf::actor_system system{config};
  {
    auto timer = spawn_timer(system, clock, events);
    tool_setup setup{.env = env, .options = options, .parts = parts, .timer = timer};
    auto aut = spawn_tool(system, setup).value();
    caf::scoped_actor self{system};

    int right = 0;
    for (int i = 1; i <= 100; ++i) {
      call_request r;
      r.id = static_cast<call_id>(i);
      r.body = std::to_string(i);
      r.key = "k-" + r.body;
      self->request(aut, 60s, r).receive(
        [&](const call_reply& reply) { right += reply.outcome && *reply.outcome == r.body ? 1 : 0; },
        [](const caf::error&) {});
    }

    CHECK(right == 100);
    CHECK(far_side.requests == 200);
    CHECK(events.count("tool.call") == 100);
    self->send_exit(aut, caf::exit_reason::user_shutdown);
    self->send_exit(timer, caf::exit_reason::user_shutdown);
  }
  system.await_all_actors_done();
}
