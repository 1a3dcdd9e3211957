#include "actors/tool/http_outcome.hpp"

#include "runtime/core/json.hpp"
#include "runtime/net/retry_after.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

namespace troupe {
namespace {

/// Bytes of the far side's explanation in a message: a sentence, not a page of HTML.
constexpr std::size_t excerpt_max = 300;

struct meaning {
  errc code;
  certainty known;
};

meaning meaning_of(int status, bool has_retry_after) {
  using enum certainty;
  switch (status) {
    case 400:
    case 413:
    case 414:
    case 415:
    case 422:
      return {errc::invalid_input, definite};
    case 404:
    case 410:
      return {errc::not_found, definite};
    case 408: // the request never arrived whole
      return {errc::timed_out, definite};
    case 409: // with Retry-After: the first request with this key still runs
      return has_retry_after ? meaning{errc::unavailable, unknown}
                             : meaning{errc::conflict, definite};
    case 300:
    case 301:
    case 302:
    case 303: // "see the result there": what many forms answer when they have done it
      return {errc::failed, unknown};
    case 425:
      return {errc::unavailable, definite};
    case 429:
    case 529:
      return {errc::rate_limited, definite};
    case 501:
    case 505:
      return {errc::failed, definite};
    case 503: // with Retry-After it was turned away at the door; without, a proxy may have lost it
      return {errc::unavailable, has_retry_after ? definite : unknown};
    default:
      return status >= 500 ? meaning{errc::unavailable, unknown} : meaning{errc::failed, definite};
  }
}

std::string excerpt(std::string_view body, const std::vector<std::string_view>& secrets) {
  std::string text{body};
  constexpr std::string_view hidden = "***";
  for (auto secret : secrets)
    for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at + hidden.size()))
      text.replace(at, secret.size(), hidden);
  if (text.size() > excerpt_max)
    text.resize(excerpt_max);
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20)
      c = ' ';
  return text;
}

/// Where it points, without what may be secret: the query goes.
std::string redirect_hint(const net::http_response& answer,
                          const std::vector<std::string_view>& secrets) {
  auto to = answer.headers.value_or("location", "");
  to = to.substr(0, to.find_first_of("?#"));
  auto text = std::string{"; redirects are not followed"};
  return to.empty() ? text : text + ", name the final URL: it points to " + excerpt(to, secrets);
}

bool claims_json(const net::http_headers& headers) {
  auto type = headers.value_or("content-type", "application/json");
  return type.find("json") != std::string_view::npos;
}

result<boost::json::value> read_body(const net::http_response& answer) {
  auto first = answer.body.find_first_not_of(" \t\r\n");
  if (first == std::string::npos)
    return boost::json::value{};
  if (!claims_json(answer.headers))
    return boost::json::value(answer.body.c_str());
  auto tree = parse_json(answer.body);
  if (!tree)
    return error{errc::schema_mismatch, "the answer is not JSON", certainty::unknown};
  return tree;
}

/// Null where the pointer leads nowhere.
const boost::json::value* at_pointer(const boost::json::value& tree, std::string_view pointer) {
  boost::json::error_code failed;
  return tree.find_pointer({pointer.data(), pointer.size()}, failed);
}

bool is_nothing(const boost::json::value& v) {
  return v.is_null() || (v.is_array() && v.get_array().empty());
}

/// Whether what `pointer` leads through is there, so that nothing at its end means something. An
/// answer of another shape (`{"error": ..}`) says nothing about the call.
bool is_place(const boost::json::value& tree, std::string_view pointer) {
  auto last = pointer.rfind('/');
  if (last == pointer.npos)
    return false;
  const auto* parent = last == 0 ? &tree : at_pointer(tree, pointer.substr(0, last));
  if (parent == nullptr || !parent->is_array())
    return parent != nullptr && parent->is_object();
  auto index = pointer.substr(last + 1);
  return !index.empty() && index.find_first_not_of("0123456789") == index.npos;
}

result<std::string> not_done() {
  return std::string{R"({"state":"not_done"})"};
}

std::string done_with(const boost::json::value& value) {
  return R"({"state":"done","result":)" + boost::json::serialize(value) + "}";
}

} // namespace

error http_failure(const net::http_response& answer, utc_time now,
                   const std::vector<std::string_view>& secrets) {
  auto wait = net::retry_after(answer.headers, now);
  auto [code, known] = meaning_of(answer.status, wait.has_value());
  auto said = excerpt(answer.body, secrets);
  auto text = fmt::format("answered {} {}", answer.status, net::reason_phrase(answer.status));
  if (answer.status >= 300 && answer.status < 400)
    text += redirect_hint(answer, secrets);
  error why{code, said.empty() ? std::move(text) : text + ": " + said, known};
  why.retry_after = wait;
  return why;
}

result<void> http_accepts(const net::http_response& answer, const answer_condition& condition,
                          const std::vector<std::string_view>& secrets) {
  if (!condition.given())
    return {};
  auto tree = read_body(answer);
  if (!tree)
    return std::move(tree).error();
  const auto* said = at_pointer(*tree, condition.at);
  if (said == nullptr)
    return error{errc::schema_mismatch,
                 fmt::format("the answer has nothing at {} (success_if)", condition.at),
                 certainty::unknown};
  auto text = said->is_string() ? std::string{said->get_string()} : boost::json::serialize(*said);
  if (text == condition.equals)
    return {};
  return error{errc::failed,
               fmt::format("answered {}, but {} is not {}: {}", answer.status, condition.at,
                           condition.equals, excerpt(answer.body, secrets))};
}

result<std::string> http_result(const net::http_response& answer, std::string_view pointer) {
  if (pointer.empty() && claims_json(answer.headers) && !answer.body.empty()) {
    if (auto checked = from_json<raw_json>(answer.body))
      return std::move(checked->text);
  }
  auto tree = read_body(answer);
  if (!tree)
    return std::move(tree).error();
  const auto* part = pointer.empty() ? &*tree : at_pointer(*tree, pointer);
  if (part == nullptr)
    return error{errc::schema_mismatch, fmt::format("the answer has nothing at {}", pointer),
                 certainty::unknown};
  return boost::json::serialize(*part);
}

result<std::string> http_reconciled(const net::http_response& answer, bool success,
                                    std::string_view pointer, utc_time now,
                                    const std::vector<std::string_view>& secrets) {
  if (!success) {
    if (answer.status == 404)
      return not_done();
    return http_failure(answer, now, secrets); // 410 too: it was there once
  }
  if (!answer.body.empty() && !claims_json(answer.headers))
    return error{errc::schema_mismatch, "the answer is not JSON", certainty::unknown};
  auto tree = read_body(answer);
  if (!tree)
    return std::move(tree).error();
  if (pointer.empty())
    return is_nothing(*tree) && !answer.body.empty() ? not_done() : done_with(*tree);
  if (const auto* part = at_pointer(*tree, pointer))
    return is_nothing(*part) ? not_done() : done_with(*part);
  if (is_place(*tree, pointer))
    return not_done();
  return error{errc::schema_mismatch,
               fmt::format("the answer has no place for {}", pointer), certainty::unknown};
}

} // namespace troupe
