#include "actors/gateway/routes.hpp"

#include "runtime/net/http_headers.hpp"

#include <charconv>

namespace troupe::gateway {
namespace {

constexpr std::size_t parts_max = 5;

struct path_parts {
  std::array<std::string_view, parts_max> at;
  std::size_t count = 0;
};

/// `/a/b` gives a, b; nothing where there are too many.
std::optional<path_parts> split(std::string_view path) {
  path_parts parts;
  if (!path.starts_with('/'))
    return std::nullopt;
  path.remove_prefix(1);
  for (;;) {
    if (parts.count == parts_max)
      return std::nullopt;
    auto slash = path.find('/');
    parts.at[parts.count++] = path.substr(0, slash);
    if (slash == std::string_view::npos)
      return parts;
    path.remove_prefix(slash + 1);
  }
}

route top_level(std::string_view path) {
  if (path == "/healthz")
    return route::healthz;
  if (path == "/readyz")
    return route::readyz;
  if (path == "/metrics")
    return route::metrics;
  if (path == "/v1/chat/completions")
    return route::completions;
  if (path == "/v1/models")
    return route::models;
  if (path == "/v1/agents")
    return route::agents;
  if (path == "/v1/invocations")
    return route::list;
  if (path == "/v1/breakers")
    return route::breakers;
  if (path == "/v1/limits")
    return route::limits;
  if (path == "/v1/deadletters")
    return route::letters;
  return route::unknown;
}

route of_invocation(std::string_view verb) {
  for (auto r : {route::journal, route::events, route::cancel, route::retry, route::resolve})
    if (verb == to_string(r))
      return r;
  return route::unknown;
}

int hex(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// Takes the digits at the front of `text`: exactly `digits` of them.
std::optional<int> take(std::string_view& text, std::size_t digits) {
  int n = 0;
  if (text.size() < digits)
    return std::nullopt;
  auto [end, failed] = std::from_chars(text.data(), text.data() + digits, n);
  if (failed != std::errc{} || end != text.data() + digits)
    return std::nullopt;
  text.remove_prefix(digits);
  return n;
}

bool skip(std::string_view& text, char expected) {
  if (!text.starts_with(expected))
    return false;
  text.remove_prefix(1);
  return true;
}

std::chrono::microseconds take_fraction(std::string_view& text) {
  std::int64_t micros = 0;
  std::int64_t unit = 100'000;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    micros += (text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return std::chrono::microseconds{micros};
}

/// `Z`, `+01:00`; nothing else may follow.
std::optional<std::chrono::minutes> take_offset(std::string_view text) {
  if (text == "Z" || text == "z")
    return std::chrono::minutes{0};
  auto sign = text.starts_with('-') ? -1 : 1;
  if (!skip(text, '+') && !skip(text, '-'))
    return std::nullopt;
  auto hours = take(text, 2);
  if (!hours || !skip(text, ':'))
    return std::nullopt;
  auto minutes = take(text, 2);
  if (!minutes || !text.empty())
    return std::nullopt;
  return std::chrono::minutes{sign * (*hours * 60 + *minutes)};
}

} // namespace

std::string_view to_string(route r) noexcept {
  static constexpr std::array<std::string_view, routes_count> names{
    "unknown", "invoke", "agents", "list",    "show",    "journal", "events",
    "signal",  "cancel", "retry",  "resolve", "breakers", "breaker", "limits", "healthz", "readyz",  "metrics",
    "completions", "models", "letters", "letter", "letter_retry", "letter_drop"};
  return names[static_cast<std::size_t>(r)];
}

std::string_view method_of(route r) noexcept {
  switch (r) {
  case route::invoke:
  case route::signal:
  case route::cancel:
  case route::retry:
  case route::resolve:
  case route::breaker:
  case route::completions:
  case route::letter_retry:
  case route::letter_drop:
    return "POST";
  default:
    return "GET";
  }
}

target parse_path(std::string_view path) {
  target out;
  out.which = top_level(path);
  auto parts = out.which == route::unknown ? split(path) : std::nullopt;
  if (!parts || parts->count < 3 || parts->at[0] != "v1")
    return out;
  auto which = route::unknown;
  if (parts->at[1] == "agents" && parts->count == 4 && parts->at[3] == "invocations")
    which = route::invoke;
  else if (parts->at[1] == "models" && parts->count == 3)
    which = route::models;
  else if (parts->at[1] == "invocations" && parts->count == 3)
    which = route::show;
  else if (parts->at[1] == "invocations" && parts->count == 4)
    which = of_invocation(parts->at[3]);
  else if (parts->at[1] == "invocations" && parts->count == 5 && parts->at[3] == "signals")
    which = route::signal;
  else if (parts->at[1] == "breakers" && parts->count == 4)
    which = route::breaker;
  else if (parts->at[1] == "deadletters" && parts->count == 3)
    which = route::letter;
  else if (parts->at[1] == "deadletters" && parts->count == 4)
    which = parts->at[3] == "retry"  ? route::letter_retry
            : parts->at[3] == "drop" ? route::letter_drop
                                     : route::unknown;
  auto named = which == route::signal || which == route::breaker;
  auto subject = percent_decode(parts->at[2]);
  auto name = named ? percent_decode(parts->at[parts->count - 1]) : std::string{};
  if (!subject || subject->empty() || !name || (named && name->empty()))
    return out;
  out.which = which;
  out.subject = std::move(*subject);
  out.name = std::move(*name);
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos)
    return std::string{text};
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
      return std::nullopt;
    out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
    i += 2;
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    auto end = query.find('&');
    auto pair = query.substr(0, end);
    auto equals = pair.find('=');
    if (pair.substr(0, equals) == name)
      return equals == std::string_view::npos ? std::string{}
                                              : percent_decode(pair.substr(equals + 1));
    if (end == std::string_view::npos)
      break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::optional<utc_time> parse_time(std::string_view text) {
  auto year = take(text, 4);
  if (!year || !skip(text, '-'))
    return std::nullopt;
  auto month = take(text, 2);
  if (!month || !skip(text, '-'))
    return std::nullopt;
  auto day = take(text, 2);
  if (!day || !(skip(text, 'T') || skip(text, 't') || skip(text, ' ')))
    return std::nullopt;
  auto hour = take(text, 2);
  if (!hour || !skip(text, ':'))
    return std::nullopt;
  auto minute = take(text, 2);
  if (!minute || !skip(text, ':'))
    return std::nullopt;
  auto second = take(text, 2);
  if (!second)
    return std::nullopt;
  auto fraction = skip(text, '.') ? take_fraction(text) : std::chrono::microseconds{0};
  auto offset = take_offset(text);
  auto date = std::chrono::year_month_day{std::chrono::year{*year},
                                          std::chrono::month{static_cast<unsigned>(*month)},
                                          std::chrono::day{static_cast<unsigned>(*day)}};
  if (!offset || !date.ok() || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  return utc_time{std::chrono::sys_days{date} + std::chrono::hours{*hour}
                  + std::chrono::minutes{*minute} + std::chrono::seconds{*second} + fraction
                  - *offset};
}

std::string unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"')
    return std::string{text};
  std::string out;
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size())
      ++i;
    out += text[i];
  }
  return out;
}

std::string_view host_of(std::string_view authority) noexcept {
  if (auto scheme = authority.find("://"); scheme != std::string_view::npos)
    authority.remove_prefix(scheme + 3);
  if (authority.starts_with('['))
    return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

preference parse_prefer(std::string_view header) {
  preference out;
  while (!header.empty()) {
    auto end = header.find(',');
    auto item = trim(header.substr(0, end));
    if (net::equal_ignoring_case(item, "respond-async")) {
      out.respond_async = true;
    } else if (item.size() > 5 && net::equal_ignoring_case(item.substr(0, 5), "wait=")) {
      // A day is longer than any `wait_max`, and keeps the number of milliseconds in bounds.
      std::uint32_t seconds = 0;
      auto [at, failed] = std::from_chars(item.data() + 5, item.data() + item.size(), seconds);
      if (failed == std::errc{} && at == item.data() + item.size())
        out.wait = std::chrono::seconds{std::min<std::uint32_t>(seconds, 86'400)};
    }
    if (end == std::string_view::npos)
      break;
    header.remove_prefix(end + 1);
  }
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  // The length of the token is no secret; its characters are.
  if (a.size() != b.size())
    return false;
  unsigned char differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    differ = static_cast<unsigned char>(
      differ | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  return differ == 0;
}

} // namespace troupe::gateway
