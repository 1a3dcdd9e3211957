#include "config/units.hpp"

#include <array>
#include <charconv>
#include <optional>

namespace troupe::config {

namespace {

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<unit, 5> durations{
  {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

constexpr std::array<unit, 8> sizes{{{"GiB", 1ull << 30},
                                     {"MiB", 1ull << 20},
                                     {"KiB", 1ull << 10},
                                     {"GB", 1'000'000'000},
                                     {"MB", 1'000'000},
                                     {"kB", 1'000},
                                     {"B", 1},
                                     {"", 1}}};

/// 100 years: past it a duration is a typing error, and sums with it could overflow.
constexpr std::uint64_t duration_max = 36'525ull * 86'400'000;
constexpr std::uint64_t size_max = 1ull << 50;

error wrong_duration() {
  return {errc::invalid_input, "expected a duration such as \"200ms\", \"3s\", \"5m\", \"24h\" or "
                               "\"7d\""};
}

error wrong_size() {
  return {errc::invalid_input, "expected a size such as \"4096\", \"16KiB\", \"1MiB\" or \"2GiB\""};
}

/// Takes digits from the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{})
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

template <std::size_t N>
const unit* find_unit(const std::array<unit, N>& units, std::string_view name) {
  for (const auto& u : units)
    if (u.name == name)
      return &u;
  return nullptr;
}

} // namespace

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0")
    return std::chrono::milliseconds{0};
  std::uint64_t sum = 0;
  const unit* before = nullptr;
  while (!text.empty()) {
    auto value = take_number(text);
    if (!value)
      return wrong_duration();
    auto digits = text.find_first_of("0123456789");
    const auto* u = find_unit(durations, text.substr(0, digits));
    if (!u || (before && u->factor >= before->factor))
      return wrong_duration();
    if (*value > duration_max / u->factor || (sum += *value * u->factor) > duration_max)
      return error{errc::invalid_input, "is longer than 100 years"};
    text.remove_prefix(u->name.size());
    before = u;
  }
  if (!before)
    return wrong_duration();
  return std::chrono::milliseconds{sum};
}

std::string to_text(std::chrono::milliseconds d) {
  auto left = static_cast<std::uint64_t>(d.count() < 0 ? 0 : d.count());
  if (left == 0)
    return "0";
  if (left < 60'000 && left % 1'000 != 0)
    return std::to_string(left) + "ms";
  std::string text;
  for (const auto& u : durations) {
    if (left >= u.factor)
      text += std::to_string(left / u.factor).append(u.name);
    left %= u.factor;
  }
  return text;
}

result<std::size_t> parse_size(std::string_view text) {
  auto value = take_number(text);
  if (!value)
    return wrong_size();
  const auto* u = find_unit(sizes, text);
  if (!u)
    return wrong_size();
  if (*value > size_max / u->factor)
    return error{errc::invalid_input, "is larger than 1024 TiB"};
  return static_cast<std::size_t>(*value * u->factor);
}

std::string size_to_text(std::size_t bytes) {
  for (const auto& u : sizes)
    if (u.name.ends_with("iB") && bytes >= u.factor && bytes % u.factor == 0)
      return std::to_string(bytes / u.factor).append(u.name);
  return std::to_string(bytes);
}

result<address> parse_address(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == text.npos)
    return error{errc::invalid_input, "expected host:port such as \"127.0.0.1:7070\""};
  auto host = text.substr(0, colon);
  auto digits = text.substr(colon + 1);
  auto port = take_number(digits);
  if (!port || !digits.empty())
    return error{errc::invalid_input, "expected a port number after the colon"};
  if (*port > 65'535)
    return error{errc::invalid_input, "has a port above 65535"};
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != host.npos)
    return error{errc::invalid_input, "an IPv6 host stands in brackets: \"[::1]:7070\""};
  if (host.empty())
    host = "127.0.0.1";
  if (host.find_first_of(" /[]@") != host.npos)
    return error{errc::invalid_input, "expected host:port, not a URL"};
  return address{std::string{host}, static_cast<std::uint16_t>(*port)};
}

std::string to_text(const address& a) {
  auto port = ":" + std::to_string(a.port);
  return a.host.find(':') == std::string::npos ? a.host + port : "[" + a.host + "]" + port;
}

} // namespace troupe::config
