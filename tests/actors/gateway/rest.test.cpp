#include "actors/gateway/rest.hpp"
#include "actors/supervision/dead_letter_messages.hpp"
#include "runtime/journal/exported.hpp"
#include "tests/actors/gateway/playing.hpp"
#include "tests/runtime/net/raw_socket.hpp"
#include "tests/support/paths.hpp"

#include <caf/send.hpp>

#include <fmt/format.h>

#include <atomic>
#include <thread>

namespace troupe::test {

extern std::atomic<bool> gateway_is_flaky;

namespace {

using headers = net::http_headers;

constexpr const char* problem = "application/problem+json";

TEST_CASE("a POST that waits is answered with the result") {
  playing aut;

  auto got = aut.peer.post("/v1/agents/double/invocations", R"({"n":21})");

  CHECK(got.status == 200);
  CHECK(got.text("status") == "completed");
  CHECK(got.text("result") == R"({"n":42})");
  CHECK(aut.show(got.text("id")).text("result") == R"({"n":42})");
}

TEST_CASE("a POST that would rather not wait is answered at acceptance") {
  playing aut;

  auto got
    = aut.peer.post("/v1/agents/approved/invocations", "{}", headers{{"Prefer", "respond-async"}});

  CHECK(got.status == 202);
  CHECK(got.headers.value_or("location", "") == "/v1/invocations/" + got.text("id"));
  CHECK(aut.peer.get(got.headers.value_or("location", "")).text("agent") == "approved");
}

TEST_CASE("a POST whose wait is over gets 202, and its invocation goes on") {
  playing aut;
  auto begun = std::chrono::steady_clock::now();

  auto got = aut.peer.post("/v1/agents/approved/invocations", "{}", headers{{"Prefer", "wait=1"}});

  CHECK(got.status == 202);
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds{990});
  auto id = got.text("id");
  CHECK(aut.peer.post("/v1/invocations/" + id + "/signals/approve", R"({"text":"go"})").status
        == 200);
  CHECK(aut.until(id, "status", "completed").text("result") == R"({"text":"go"})");
}

TEST_CASE("the same key and input are the first one's answer, another input is 422") {
  playing aut;
  auto path = "/v1/agents/double/invocations";
  auto key = headers{{"Idempotency-Key", "k1"}};

  auto first = aut.peer.post(path, R"({"n":1})", key);
  auto again = aut.peer.post(path, R"({ "n": 1 })", key);
  auto other = aut.peer.post(path, R"({"n":2})", key);

  CHECK(again.status == 200);
  CHECK(again.text("id") == first.text("id"));
  CHECK(again.text("result") == first.text("result"));
  CHECK(again.headers.value_or("idempotent-replayed", "") == "true");
  CHECK(!first.headers.contains("idempotent-replayed"));
  CHECK(other.status == 422);
  CHECK(other.headers.value_or("content-type", "") == problem);
  CHECK(other.text("code") == "key_conflict");
}

TEST_CASE("a request may say for which tenant it is and a name that cannot be one is 400") {
  playing aut;
  auto path = "/v1/agents/double/invocations";

  CHECK(aut.peer.post(path, R"({"n":1})", headers{{"Troupe-Tenant", "acme"}}).status == 200);
  auto wrong = aut.peer.post(path, R"({"n":1})", headers{{"Troupe-Tenant", "acme/eu"}});
  CHECK(wrong.status == 400);
  CHECK(wrong.text("detail").find("Troupe-Tenant: the name of a tenant has 1 to 64")
        != std::string::npos);
}

TEST_CASE("a gateway that requires a key refuses a request without one") {
  playing aut{"idempotency = \"required\"\n"};
  auto path = "/v1/agents/double/invocations";

  auto bare = aut.peer.post(path, R"({"n":1})");
  auto keyed = aut.peer.post(path, R"({"n":1})", headers{{"Idempotency-Key", "\"k 1\""}});
  auto again = aut.peer.post(path, R"({"n":1})", headers{{"Idempotency-Key", "k 1"}});

  CHECK(bare.status == 400);
  CHECK(bare.headers.value_or("content-type", "") == problem);
  CHECK(bare.text("detail").find("Idempotency-Key") != std::string::npos);
  CHECK(bare.text("detail").find("double") != std::string::npos);
  CHECK(keyed.status == 200);
  CHECK(again.text("id") == keyed.text("id"));
}

TEST_CASE("a strict gateway answers 409 while the first one runs") {
  playing aut{"idempotency = \"strict\"\n"};
  auto key = headers{{"Idempotency-Key", "k"}};
  auto id = aut.begin("approved", "{}", key);

  auto early = aut.peer.post("/v1/agents/approved/invocations", "{}", key);
  CHECK(early.status == 409);
  CHECK(early.text("code") == "conflict");
  CHECK(early.headers.contains("retry-after"));

  CHECK(aut.peer.post("/v1/invocations/" + id + "/signals/approve", R"({"text":"go"})").status
        == 200);
  aut.until(id, "status", "completed");
  auto late = aut.peer.post("/v1/agents/approved/invocations", "{}", key);
  CHECK(late.status == 200);
  CHECK(late.text("id") == id);
}

TEST_CASE("dead letters are listed, shown and dropped over HTTP") {
  playing aut;
  auto none = aut.peer.get("/v1/deadletters");
  CHECK(none.status == 200);
  CHECK(none.body == R"({"letters":[],"next":null})");
  file_letter f;
  f.what.subject = "tool:bank";
  f.what.key = "k";
  f.what.why = "stoi";
  f.what.deaths = 3;
  caf::anon_send(aut.cast().dispatcher(), f);
  std::string id;
  for (int i = 0; i < 2'000 && id.empty(); ++i) {
    auto all = aut.peer.get("/v1/deadletters");
    if (auto at = all.body.find("\"id\":\""); at != std::string::npos)
      id = all.body.substr(at + 6, all.body.find('"', at + 6) - at - 6);
  }

  auto one = aut.peer.get("/v1/deadletters/" + id);
  CHECK(one.text("kind") == "poisoned");
  CHECK(one.text("why") == "stoi");
  CHECK(aut.peer.get("/v1/deadletters/x").status == 404);
  CHECK(aut.peer.post("/v1/deadletters/" + id + "/drop", "").status == 200);
  CHECK(aut.peer.get("/v1/deadletters/" + id).status == 404);
  CHECK(aut.peer.post("/v1/deadletters/" + id + "/retry", "").status == 404);
}

TEST_CASE("what cannot be right is refused with a problem document") {
  playing aut;
  auto post = [&](std::string_view path, std::string body, headers h = {}) {
    auto got = aut.peer.post(path, std::move(body), std::move(h));
    CHECK(got.headers.value_or("content-type", "") == problem);
    return got.status;
  };

  CHECK(post("/v1/agents/nobody/invocations", "{}") == 404);
  CHECK(post("/v1/agents/double/invocations", "{\"n\":\"x\"}") == 400);
  CHECK(post("/v1/agents/double/invocations", "{") == 400);
  CHECK(
    post("/v1/agents/double/invocations", "{}", headers{{"Idempotency-Key", std::string(256, 'k')}})
    == 400);
  CHECK(post("/v1/invocations", "{}") == 405);
  CHECK(post("/v2/invocations", "{}") == 404);
  CHECK(post("/v1/invocations/zzz-1/cancel", "") == 404);
  CHECK(aut.peer.get("/v1/invocations/zzz-1").status == 404);
  CHECK(aut.peer.get("/v1/invocations?status=tired").status == 400);
  CHECK(aut.peer.get("/v1/invocations?limit=0").status == 400);
  CHECK(aut.peer.get("/v1/invocations?since=yesterday").status == 400);
}

TEST_CASE("a full queue is answered with 429 and Retry-After") {
  playing aut;
  aut.begin("narrow", "{}");
  aut.begin("narrow", "{}");

  auto got = aut.peer.post("/v1/agents/narrow/invocations", "{}");

  CHECK(got.status == 429);
  CHECK(got.text("code") == "overloaded");
  CHECK(!got.headers.value_or("retry-after", "").empty());
}

TEST_CASE("limiters and budgets are told over HTTP and as gauges") {
  playing aut{fmt::format(R"([models.wise]
kind = "scripted"
script = "{}/tests/actors/gateway/words.script.json"
concurrent = 7
[budgets.today]
tokens = 5_000
[budgets.run]
per = "invocation"
money = 2
)",
                          paths::source_dir)};

  auto got = aut.peer.get("/v1/limits");
  auto numbers = aut.peer.get("/metrics").body;

  REQUIRE(got.status == 200);
  auto all = got.json();
  const auto& wise = all.at("limits").at(0);
  CHECK(wise.at("name").as_string() == "llm:wise");
  CHECK(wise.at("in_flight").to_number<int>() == 0);
  CHECK(wise.at("keys").at(0).at("window").to_number<double>() == 7);
  CHECK(all.at("budgets").at(1).at("name").as_string() == "today");
  CHECK(all.at("budgets").at(1).at("tokens_max").to_number<int>() == 5'000);
  for (const auto* line : {"troupe_limiter_window{endpoint=\"wise\"} 7",
                           "troupe_limiter_keys{endpoint=\"wise\",state=\"usable\"} 1",
                           "troupe_budget_limit{budget=\"today\",unit=\"tokens\"} 5000",
                           "troupe_budget_spent{budget=\"run\",unit=\"money\"} 0"})
    CHECK(numbers.find(line) != std::string::npos);
  CHECK(aut.peer.post("/v1/limits").status == 405);
}

TEST_CASE("breakers are listed, forced and left to themselves over HTTP") {
  playing aut;
  auto state_of = [&](std::string_view name) {
    auto all = aut.peer.get("/v1/breakers").json();
    for (const auto& b : all.at("breakers").as_array())
      if (b.at("name").as_string() == boost::json::string_view{name.data(), name.size()})
        return std::string{b.at("state").as_string()};
    return std::string{"none"};
  };

  CHECK(state_of("tool:bank") == "closed");
  CHECK(state_of("store") == "closed");
  CHECK(aut.peer.post("/v1/breakers/bank/open").status == 200);
  CHECK(state_of("tool:bank") == "forced_open");
  auto refused = aut.peer.post("/v1/agents/pays/invocations", "{}");
  CHECK(refused.body.find("circuit_open") != std::string::npos);
  CHECK(aut.peer.post("/v1/breakers/tool:bank/auto").text("state") == "closed");

  CHECK(aut.peer.post("/v1/breakers/nothing/open").status == 404);
  CHECK(aut.peer.post("/v1/breakers/bank/ajar").status == 400);
  CHECK(aut.peer.post("/v1/breakers/store/open").status == 409);
  CHECK(aut.peer.get("/v1/breakers/bank/open").status == 405);
}

TEST_CASE("a cancelled invocation ends, and takes no more commands") {
  playing aut;
  auto id = aut.begin("approved", "{}");

  CHECK(aut.peer.post("/v1/invocations/" + id + "/cancel").status == 200);

  aut.until(id, "status", "cancelled");
  auto late = aut.peer.post("/v1/invocations/" + id + "/signals/approve", R"({"text":"x"})");
  CHECK(late.status == 409);
  CHECK(late.text("detail") == "it has ended: cancelled");
}

TEST_CASE("a failed invocation is retried, and its first run's failure is forgotten") {
  playing aut;
  gateway_is_flaky = true;
  auto failed = aut.peer.post("/v1/agents/breaks/invocations", "{}");
  CHECK(failed.status == 200);
  CHECK(failed.text("status") == "failed");
  CHECK(failed.json().at("error").at("code").as_string() == "failed");

  gateway_is_flaky = false;
  auto id = failed.text("id");
  CHECK(aut.peer.post("/v1/invocations/" + id + "/retry").status == 200);

  auto done = aut.until(id, "status", "completed");
  CHECK(done.text("result") == R"({"text":"mended"})");
  CHECK(done.text("run") == "1");
  CHECK(aut.peer.post("/v1/invocations/" + id + "/retry").status == 409);
}

TEST_CASE("a parked invocation says what settles it, and goes on when it is settled") {
  playing aut;
  auto id = aut.begin("pays", "{}");

  std::string shown;
  for (int i = 0; i < 2'000 && shown.find("\"parked\":{") == std::string::npos; ++i)
    shown = aut.show(id).body;
  INFO(shown);
  CHECK(shown.find("\"effect\":\"tool bank\"") != std::string::npos);
  CHECK(shown.find("troupe resolve " + id + " --not-done") != std::string::npos);
  CHECK(aut.peer.post("/v1/invocations/" + id + "/resolve", "{}").status == 400);
  CHECK(aut.peer.post("/v1/invocations/" + id + "/resolve", R"({"done":{"text":"paid"}})").status
        == 200);
  CHECK(aut.until(id, "status", "completed").text("result") == R"({"text":"paid"})");
  CHECK(aut.peer.post("/v1/invocations/" + id + "/resolve", R"({"abort":true})").status == 409);
}

TEST_CASE("of two parked effects the one is shown that resolve settles, and only it is settled") {
  playing aut;
  auto id = aut.begin("pays_twice", "{}");
  auto parked_at = [&](std::string_view not_this) {
    std::string at;
    for (int i = 0; i < 2'000 && (at.empty() || at == not_this); ++i) {
      auto shown = aut.show(id).json();
      const auto* p = shown.as_object().if_contains("parked");
      at = p == nullptr ? std::string{} : std::string{p->at("at").as_string()};
    }
    return at;
  };
  auto parked_effects = [&] {
    auto text = aut.peer.get("/v1/invocations/" + id + "/journal").body;
    std::size_t n = 0;
    for (auto i = text.find("\"entry\":\"parked\""); i != std::string::npos;
         i = text.find("\"entry\":\"parked\"", i + 1))
      ++n;
    return n;
  };
  for (int i = 0; i < 2'000 && parked_effects() < 2; ++i) {
  }
  REQUIRE(parked_effects() == 2);
  auto resolve = [&](const std::string& at) {
    return aut.peer.post("/v1/invocations/" + id + "/resolve",
                         R"({"done":{"text":"paid )" + at + R"("},"at":")" + at + "\"}");
  };

  auto first = parked_at({});
  CHECK(aut.show(id).body.find("--not-done --at=" + first) != std::string::npos);
  CHECK(resolve("0.7/7").status == 409);
  CHECK(resolve("seven").status == 400);
  CHECK(resolve(first).status == 200);
  auto second = parked_at(first);
  CHECK(second != first);
  CHECK(resolve(first).status == 409);
  CHECK(resolve(second).status == 200);

  auto text = aut.until(id, "status", "completed").text("result");
  CHECK(text.find("paid " + first) != std::string::npos);
  CHECK(text.find("paid " + second) != std::string::npos);
}

TEST_CASE("a client that ends its own side while it waits still gets the result") {
  playing aut;
  auto at = aut.cast().address();
  auto client = raw_socket::to(static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1))));

  client.send("POST /v1/agents/approved/invocations HTTP/1.1\r\nHost: localhost\r\n"
              "Content-Length: 2\r\n\r\n{}");
  client.end_sending();
  std::string id;
  for (int i = 0; i < 2'000 && id.empty(); ++i) {
    auto open = aut.peer.get("/v1/invocations?status=open").json();
    if (const auto& all = open.at("invocations").as_array(); !all.empty())
      id = all[0].at("id").as_string();
  }
  auto path = "/v1/invocations/" + id + "/signals/approve";
  CHECK(aut.peer.post(path, R"({"text":"go"})").status == 200);

  auto answer = client.read_to_end();
  CHECK(answer.starts_with("HTTP/1.1 200 OK"));
  CHECK(answer.find(R"("result":{"text":"go"})") != std::string::npos);
}

TEST_CASE("without a token, no page of another machine comes in") {
  playing aut;
  auto at = aut.cast().address();
  auto port = at.substr(at.rfind(':'));
  auto status = [&](const char* name, std::string value) {
    return aut.peer.post("/v1/agents/double/invocations", R"({"n":1})", headers{{name, value}})
      .status;
  };

  CHECK(status("Origin", "https://evil.example") == 403);
  CHECK(status("Origin", "http://127.0.0.1.evil.example" + port) == 403);
  CHECK(status("Origin", "null") == 403);
  CHECK(status("Host", "evil.example" + port) == 403);
  CHECK(status("Origin", "http://LOCALHOST:3000") == 200);
  CHECK(status("Origin", "http://[::1]" + port) == 200);
  CHECK(status("Host", "localhost" + port) == 200);
  auto refused = aut.peer.get("/v1/agents", headers{{"Origin", "https://evil.example"}});
  CHECK(refused.status == 403);
  CHECK(refused.headers.value_or("content-type", "") == problem);
  CHECK(aut.peer.get("/healthz", headers{{"Host", "evil.example"}}).status == 200);
}

TEST_CASE("with a token, names do not matter") {
  playing aut{"token = \"open sesame\"\n"};

  auto got = aut.peer.get("/v1/agents", headers{{"Authorization", "Bearer open sesame"},
                                                {"Host", "desk.example"},
                                                {"Origin", "https://desk.example"}});

  CHECK(got.status == 200);
}

TEST_CASE("lists are filtered and paged, newest first") {
  playing aut;
  for (int i = 0; i < 5; ++i)
    aut.peer.post("/v1/agents/double/invocations", R"({"n":1})");
  auto waits = aut.begin("approved", "{}");

  auto open = aut.peer.get("/v1/invocations?status=open").json();
  auto first = aut.peer.get("/v1/invocations?agent=double&limit=3").json();
  auto next = std::string{first.at("next").as_string()};
  auto rest = aut.peer.get("/v1/invocations?agent=double&limit=3&before=" + next).json();

  CHECK(open.at("invocations").as_array().size() == 1);
  CHECK(open.at("invocations").as_array()[0].at("id").as_string() == waits);
  CHECK(first.at("invocations").as_array().size() == 3);
  CHECK(rest.at("invocations").as_array().size() == 2);
  CHECK(rest.at("next").is_null());
  CHECK(aut.peer.get("/v1/invocations?since=2999-01-01T00:00:00Z").body
        == R"({"invocations":[],"next":null})");
}

TEST_CASE("a journal is shown entry by entry") {
  playing aut;
  auto id = aut.peer.post("/v1/agents/double/invocations", R"({"n":3})").text("id");

  auto entries = aut.peer.get("/v1/invocations/" + id + "/journal").json().as_array();

  CHECK(entries.front().at("entry").as_string() == "started");
  CHECK(entries.front().at("input").at("n").as_int64() == 3);
  CHECK(entries.back().at("entry").as_string() == "ended");
  CHECK(entries.back().at("value").at("n").as_int64() == 6);
}

TEST_CASE("a journal is exported as a file that stands on its own") {
  playing aut;
  auto id = aut.peer.post("/v1/agents/double/invocations", R"({"n":3})").text("id");

  auto file = aut.peer.get("/v1/invocations/" + id + "/journal?form=export").body;

  auto read = journal::read_export(file, "x").value();
  CHECK(read.id == id);
  CHECK(read.agent == "double");
  CHECK(read.agent_class == "gateway_double");
  CHECK(read.status == "completed");
  CHECK(std::get<journal::ended>(read.rows.back().entries.back()).value.text == R"({"n":6})");
  CHECK(aut.peer.get("/v1/invocations/nobody-1/journal?form=export").status == 404);
}

TEST_CASE("agents are listed with their schemas") {
  playing aut;

  auto all = aut.peer.get("/v1/agents").json().at("agents").as_array();

  CHECK(all.size() == 7);
  for (const auto& a : all) {
    CHECK(a.at("loaded").as_bool());
    CHECK(a.at("input_schema").is_object());
  }
}

TEST_CASE("with a token, only who has it comes in") {
  playing aut{"token = \"open sesame\"\n"};
  auto path = "/v1/agents/double/invocations";
  auto with = [](std::string value) { return headers{{"Authorization", std::move(value)}}; };

  auto none = aut.peer.post(path, R"({"n":1})");
  CHECK(none.status == 401);
  CHECK(none.headers.value_or("www-authenticate", "") == "Bearer");
  CHECK(aut.peer.post(path, R"({"n":1})", with("Bearer open sesamf")).status == 401);
  CHECK(aut.peer.post(path, R"({"n":1})", with("Basic open sesame")).status == 401);
  CHECK(aut.peer.post(path, R"({"n":1})", with("bearer open sesame")).status == 200);
  CHECK(aut.peer.get("/metrics").status == 401);
  CHECK(aut.peer.get("/healthz").status == 200);
  CHECK(aut.peer.get("/readyz").status == 200);
}

TEST_CASE("health, readiness and metrics are there") {
  playing aut;
  aut.peer.post("/v1/agents/double/invocations", R"({"n":1})");

  CHECK(aut.peer.get("/healthz").status == 200);
  CHECK(aut.peer.get("/readyz").status == 200);
  auto metrics = aut.peer.get("/metrics");
  CHECK(metrics.status == 200);
  CHECK(metrics.body.find("troupe_invocations_total{agent=\"double\",status=\"completed\"} 1")
        != std::string::npos);
  CHECK(metrics.body.find("troupe_http_requests_total{route=\"invoke\",status=\"200\"} 1")
        != std::string::npos);
  CHECK(metrics.body.find("troupe_journal_syncs_total") != std::string::npos);
}

TEST_CASE("a cast that drains takes nothing new and says so") {
  playing aut;
  auto id = aut.begin("approved", "{}");

  auto left = std::uint64_t{99};
  std::thread drains{[&] { left = aut.cast().drain(std::chrono::milliseconds{300}); }};
  int ready = 200;
  for (int i = 0; i < 2'000 && ready == 200; ++i)
    ready = aut.peer.get("/readyz").status;
  auto refused = aut.peer.post("/v1/agents/double/invocations", R"({"n":1})");
  drains.join();

  CHECK((ready == 503 || ready == 0)); // 0: the door is closed already
  CHECK((refused.status == 503 || refused.status == 0));
  CHECK(left == 1);
}

} // namespace
} // namespace troupe::test
