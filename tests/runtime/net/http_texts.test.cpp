#include "runtime/net/http_headers.hpp"
#include "runtime/net/problem.hpp"
#include "runtime/net/retry_after.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;

namespace {

/// Fri, 20 Nov 2026 22:34:24 GMT
constexpr utc_time now{1'795'214'064s};

std::optional<std::chrono::milliseconds> wait_for(std::string name, std::string value) {
  return retry_after(http_headers{}.add(std::move(name), std::move(value)), now);
}

} // namespace

TEST_CASE("header names are found whatever their case") {
  http_headers aut{{"Content-Type", "a"}, {"content-type", "b"}};

  CHECK(*aut.find("CONTENT-TYPE") == "a");
  CHECK(aut.find("content-length") == nullptr);
  CHECK(aut.value_or("x", "none") == "none");
  CHECK(aut.size() == 2);
}

TEST_CASE("a wait is read from milliseconds, seconds and dates") {
  CHECK(wait_for("Retry-After-Ms", "250") == 250ms);
  CHECK(wait_for("Retry-After", "3") == 3s);
  CHECK(wait_for("Retry-After", " 1.5 ") == 1500ms);
  CHECK(wait_for("Retry-After", "0") == 0ms);
  CHECK(wait_for("Retry-After", "Fri, 20 Nov 2026 22:35:24 GMT") == 60s);
  CHECK(wait_for("Retry-After", "Friday, 20-Nov-26 22:35:24 GMT") == 60s);
  CHECK(wait_for("Retry-After", "Fri, 20 Nov 2020 22:35:24 GMT") == 0ms);
}

TEST_CASE("milliseconds win over seconds where they make sense") {
  http_headers both{{"retry-after", "2"}, {"retry-after-ms", "1750"}};
  http_headers broken{{"retry-after", "2"}, {"retry-after-ms", "soon"}};

  CHECK(retry_after(both, now) == 1750ms);
  CHECK(retry_after(broken, now) == 2s);
}

TEST_CASE("a wait that makes no sense is none, and an endless one ends") {
  CHECK_FALSE(retry_after(http_headers{}, now));
  CHECK_FALSE(wait_for("Retry-After", ""));
  CHECK_FALSE(wait_for("Retry-After", "-5"));
  CHECK_FALSE(wait_for("Retry-After", "nan"));
  CHECK_FALSE(wait_for("Retry-After", "later"));
  CHECK(wait_for("Retry-After", "1e30") == std::chrono::hours{24 * 30});
}

TEST_CASE("a problem says what programs and people need") {
  CHECK(problem_json(404, errc::not_found, "no agent `tri\"age`", "/v1/agents/x")
        == R"({"type":"about:blank","title":"Not Found","status":404,"code":"not_found",)"
           R"("detail":"no agent `tri\"age`","instance":"/v1/agents/x"})");
  CHECK(problem_json(405, errc::none, "")
        == R"({"type":"about:blank","title":"Method Not Allowed","status":405})");
}

TEST_CASE("a problem made of an error says whether it may have happened") {
  error e{errc::timed_out, "no answer", certainty::unknown};

  CHECK(problem_json(e)
        == R"({"type":"about:blank","title":"Gateway Timeout","status":504,"code":"timed_out",)"
           R"("detail":"no answer","outcome":"unknown"})");
}

TEST_CASE("every error has a status with a name") {
  for (int i = 0; i <= static_cast<int>(errc::internal); ++i) {
    auto status = http_status(static_cast<errc>(i));
    CHECK(reason_phrase(status) != "<unknown-status>");
    CHECK((i == 0) == (status == 200));
  }
  CHECK(http_status(errc::overloaded) == 429);
  CHECK(http_status(errc::shutting_down) == 503);
}
