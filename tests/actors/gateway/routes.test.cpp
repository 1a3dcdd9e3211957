#include "actors/gateway/routes.hpp"
#include "tests/support/catch.hpp"

namespace troupe::gateway {
namespace {

TEST_CASE("paths lead to routes, and their percents are decoded") {
  CHECK(parse_path("/v1/agents/triage/invocations").which == route::invoke);
  CHECK(parse_path("/v1/agents/triage/invocations").subject == "triage");
  CHECK(parse_path("/v1/invocations").which == route::list);
  CHECK(parse_path("/v1/invocations/k-1").which == route::show);
  CHECK(parse_path("/v1/invocations/k-1/journal").which == route::journal);
  CHECK(parse_path("/v1/invocations/k-1/signals/a%20b").name == "a b");
  CHECK(parse_path("/metrics").which == route::metrics);
  CHECK(parse_path("/v1/deadletters").which == route::letters);
  CHECK(parse_path("/v1/deadletters/7").which == route::letter);
  CHECK(parse_path("/v1/deadletters/7/retry").which == route::letter_retry);
  CHECK(parse_path("/v1/deadletters/7/drop").subject == "7");
  CHECK(parse_path("/v1/deadletters/7/burn").which == route::unknown);
  for (const auto* wrong : {"", "/", "/v1", "/v1/", "/v1/agents//invocations", "/v1/invocations/",
                            "/v1/invocations/k-1/show", "/v1/invocations/k-1/signals/",
                            "/v1/invocations/k%2/journal", "/v1/a/b/c/d/e", "v1/agents"})
    CHECK(parse_path(wrong).which == route::unknown);
}

TEST_CASE("queries are read and decoded") {
  CHECK(query_value("a=1&b=x%26y", "b") == "x&y");
  CHECK(query_value("a=1&flag", "flag") == "");
  CHECK(!query_value("a=1", "b"));
  CHECK(!query_value("a=%zz", "a"));
}

TEST_CASE("times are RFC 3339 or nothing") {
  CHECK(troupe::to_string(*parse_time("2026-11-20T22:34:24.5Z")) == "2026-11-20T22:34:24.500000Z");
  CHECK(troupe::to_string(*parse_time("2026-11-20T22:34:24+01:30"))
        == "2026-11-20T21:04:24.000000Z");
  for (const auto* wrong : {"", "now", "2026-11-20", "2026-13-20T22:34:24Z", "2026-02-30T00:00:00Z",
                            "2026-11-20T22:34:24", "2026-11-20T22:34:24Zx"})
    CHECK(!parse_time(wrong));
}

TEST_CASE("a preference is read whatever stands beside it") {
  CHECK(parse_prefer("respond-async, wait=5").respond_async);
  CHECK(parse_prefer("respond-async, wait=5").wait == std::chrono::seconds{5});
  CHECK(parse_prefer("Wait=7").wait == std::chrono::seconds{7});
  CHECK(!parse_prefer("wait=soon").wait);
  CHECK(!parse_prefer("").respond_async);
}

TEST_CASE("a quoted text is the same as a bare one") {
  CHECK(unquoted("\"a b\"") == "a b");
  CHECK(unquoted(" a-b ") == "a-b");
  CHECK(unquoted(R"("say \"yes\"")") == R"(say "yes")");
  CHECK(unquoted("\"") == "\"");
}

TEST_CASE("tokens are compared whole") {
  CHECK(equal_in_constant_time("secret", "secret"));
  CHECK(!equal_in_constant_time("secret", "secrex"));
  CHECK(!equal_in_constant_time("secret", "secre"));
}

} // namespace
} // namespace troupe::gateway
