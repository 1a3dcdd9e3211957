#include "actors/llm/limit_headers.hpp"

#include "actors/llm/token_estimate.hpp"
#include "tests/support/catch.hpp"

#include <limits>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const utc_time noon{1'769'515'200s}; // 2026-01-27T12:00:00Z

server_limits said(net::http_headers headers, int status = 200) {
  net::http_response r;
  r.status = status;
  r.headers = std::move(headers);
  return limits_of(r, noon);
}

} // namespace

TEST_CASE("what OpenAI and Anthropic say of their limits is read") {
  auto openai = said({{"x-ratelimit-limit-requests", "500"},
                      {"x-ratelimit-remaining-requests", "499"},
                      {"x-ratelimit-remaining-tokens", "29000"},
                      {"x-ratelimit-reset-requests", "120ms"}});
  CHECK(openai.status == 200);
  CHECK(openai.requests == 499.0);
  CHECK(openai.input_tokens == 29'000.0);
  CHECK_FALSE(openai.rest);

  auto anthropic = said({{"anthropic-ratelimit-requests-remaining", "0"},
                         {"anthropic-ratelimit-requests-limit", "50"},
                         {"anthropic-ratelimit-requests-reset", "2026-01-27T12:01:00Z"},
                         {"anthropic-ratelimit-output-tokens-remaining", "800"}},
                        429);
  CHECK(anthropic.status == 429);
  CHECK(anthropic.requests == 0.0);
  CHECK(anthropic.output_tokens == 800.0);
  CHECK(anthropic.rest == 1'200ms); // a 50th of the minute
}

TEST_CASE("a response that says nothing of limits gives its status") {
  auto none = said({{"content-type", "application/json"}}, 401);

  CHECK(none.status == 401);
  CHECK_FALSE(none.requests);
  CHECK_FALSE(none.rest);
}

TEST_CASE("a reset is a duration or a time, and nonsense is nothing") {
  CHECK(reset_in("6m0s", noon) == 360s);
  CHECK(reset_in("120ms", noon) == 120ms);
  CHECK(reset_in("1h2m3.5s", noon) == 3'723'500ms);
  CHECK(reset_in("30", noon) == 30s);
  CHECK(reset_in("2026-01-27T12:00:30Z", noon) == 30s);
  CHECK(reset_in("2026-01-27T14:00:30.250+02:00", noon) == 30s);
  CHECK(reset_in("2026-01-27T11:00:00Z", noon) == 0s);
  CHECK(reset_in("9999-01-01T00:00:00Z", noon) == 24h);
  for (auto text : {"", "soon", "5 apples", "-3s", "2026-99-99T00:00:00Z", "1e999", "s"})
    CHECK_FALSE(reset_in(text, noon));
}

TEST_CASE("tokens are estimated by bytes and the bound of the answer") {
  model_request r;
  r.messages.push_back({"user", std::string(400, 'x')});

  auto open = estimate_tokens(r, 321);
  r.max_tokens = 50;
  r.messages.back().images.push_back({"https://x/y.png"});
  auto bounded = estimate_tokens(r, 321);

  CHECK(open.input == 104);
  CHECK(open.output == 321);
  CHECK(bounded.input == 1'104);
  CHECK(bounded.output == 50);
}

TEST_CASE("fault 39: usage that cannot be right is put at the most that it can be") {
  model_request r;
  r.messages.push_back({"user", std::string(400, 'x')});
  model_answer a;
  a.text = "Yes.";
  a.input_tokens = 9'000'000'000'000'000;
  a.output_tokens = std::numeric_limits<std::int64_t>::max();
  a.cached_tokens = -5;

  auto said = mend_usage(a, r);

  REQUIRE(said);
  CHECK(said->input == 9'000'000'000'000'000);
  CHECK(said->cached == -5);
  CHECK(a.input_tokens < 100'000);
  CHECK(a.output_tokens == output_tokens_most);
  CHECK(a.cached_tokens == 0);
  r.max_tokens = 1'000;
  CHECK(mend_usage(a, r));
  CHECK(a.output_tokens == 1'000);
  CHECK_FALSE(mend_usage(a, r));
}

TEST_CASE("fault 39: usage that is missing is estimated from what was asked and written") {
  model_request r;
  r.messages.push_back({"user", std::string(400, 'x')});
  model_answer a;
  a.text = std::string(4'000, 'y');
  a.reasoning = std::string(2'000, 'z');
  a.tool_calls.push_back({"1", "look", std::string(396, ' ')});

  CHECK(tokens_of(a, r).input == 104);
  CHECK(tokens_of(a, r).output == 1'600);
  a.input_tokens = 90;
  a.output_tokens = 70;
  CHECK(tokens_of(a, r).input == 90);
  CHECK(tokens_of(a, r).output == 70);
}

TEST_CASE("a 403 about what was asked says nothing against the key") {
  net::http_response r;
  r.status = 403;
  auto says = [&](std::string body) {
    r.body = std::move(body);
    return limits_of(r, utc_time{}).about_request;
  };
  CHECK(says(R"({"error":{"code":403,"message":"Your input was flagged","metadata":{}}})"));
  CHECK(says(R"({"type":"error","error":{"type":"permission_error","message":"no"}})"));
  CHECK_FALSE(says(R"({"error":{"message":"Country, region, or territory not supported"}})"));
  CHECK_FALSE(says("<html>Forbidden</html>"));
  r.status = 401;
  CHECK_FALSE(says(R"({"error":{"type":"permission_error","message":"no"}})"));
}
