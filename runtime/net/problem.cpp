#include "runtime/net/problem.hpp"

#include "runtime/core/json_text.hpp"
#include "runtime/net/http_headers.hpp"

namespace troupe::net {
namespace {

/// All but the closing brace.
std::string open_problem(int status, errc code, std::string_view detail,
                         std::string_view instance) {
  std::string out = R"({"type":"about:blank","title":)";
  append_string(out, reason_phrase(status));
  out += ",\"status\":";
  append_integer(out, status);
  if (code != errc::none) {
    out += ",\"code\":";
    append_string(out, to_string(code));
  }
  if (!detail.empty()) {
    out += ",\"detail\":";
    append_string(out, detail);
  }
  if (!instance.empty()) {
    out += ",\"instance\":";
    append_string(out, instance);
  }
  return out;
}

} // namespace

int http_status(errc code) noexcept {
  switch (code) {
  case errc::none:
    return 200;
  case errc::invalid_input:
    return 400;
  case errc::budget_exceeded:
    return 403;
  case errc::not_found:
    return 404;
  case errc::cancelled:
  case errc::conflict:
  case errc::deadlock:
    return 409;
  case errc::key_conflict:
    return 422;
  case errc::overloaded:
  case errc::rate_limited:
    return 429;
  case errc::schema_mismatch:
  case errc::failed:
  case errc::outcome_unknown:
  case errc::output_too_large:
    return 502;
  case errc::unavailable:
  case errc::circuit_open:
  case errc::fenced:
  case errc::store_failed:
  case errc::shutting_down:
    return 503;
  case errc::timed_out:
  case errc::deadline_exceeded:
    return 504;
  case errc::nondeterministic:
  case errc::corrupted:
  case errc::internal:
    return 500;
  }
  return 500;
}

std::string problem_json(int status, errc code, std::string_view detail,
                         std::string_view instance) {
  return open_problem(status, code, detail, instance) + '}';
}

std::string problem_json(const error& e, std::string_view instance) {
  auto out = open_problem(http_status(e.code), e.code, e.message, instance);
  if (e.outcome == certainty::unknown)
    out += R"(,"outcome":"unknown")";
  if (e.retry_after) {
    out += ",\"retry_after_ms\":";
    append_integer(out, e.retry_after->count());
  }
  out += '}';
  return out;
}

} // namespace troupe::net
