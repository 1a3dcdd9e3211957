// `troupe limits`: how far models may be used: their limiters, and the budgets.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::cli {
namespace {

double number_of(const boost::json::value& v, std::string_view name) {
  const auto* n = v.as_object().if_contains({name.data(), name.size()});
  return n != nullptr && n->is_number() ? n->to_number<double>() : 0;
}

/// `2, 1 refused, 1 rests 3000 ms`.
std::string keys_text(const boost::json::value& limiter) {
  std::size_t all = 0;
  std::size_t refused = 0;
  std::size_t resting = 0;
  double longest = 0;
  for (const auto& k : array_of(limiter, "keys")) {
    ++all;
    auto rests = number_of(k, "rests_ms");
    if (text_of(k, "refused") == "true") {
      ++refused;
    } else if (rests > 0) {
      ++resting;
      longest = std::max(longest, rests);
    }
  }
  auto out = fmt::format("{}", all);
  if (refused > 0)
    out += fmt::format(", {} refused", refused);
  if (resting > 0)
    out += fmt::format(", {} rest up to {:.0f} ms", resting, longest);
  return out;
}

double window_of(const boost::json::value& limiter) {
  double out = 0;
  for (const auto& k : array_of(limiter, "keys"))
    if (text_of(k, "refused") != "true")
      out += number_of(k, "window");
  return out;
}

/// `120 of 1000`, or nothing where there is no limit.
std::string part(double spent, double limit) {
  return limit > 0 ? fmt::format("{:g} of {:g}", spent, limit) : std::string{};
}

void show(const boost::json::value& body) {
  auto models = table{{"MODEL", "WAITING", "IN FLIGHT", "MAY BE", "KEYS", "GRANTED", "WAITED"}};
  for (const auto& l : array_of(body, "limits"))
    models.add({text_of(l, "name"), text_of(l, "waiting"), text_of(l, "in_flight"),
                fmt::format("{:.0f}", std::floor(window_of(l))), keys_text(l),
                text_of(l, "granted"), text_of(l, "waited")});
  models.print();
  auto& budgets = array_of(body, "budgets");
  if (budgets.empty())
    return;
  say("");
  auto spent = table{{"BUDGET", "PER", "TOKENS", "MONEY", "ON THEIR WAY", "ACCOUNTS"}};
  for (const auto& b : budgets)
    spent.add({text_of(b, "name"), text_of(b, "per"),
               part(number_of(b, "tokens"), number_of(b, "tokens_max")),
               part(number_of(b, "money"), number_of(b, "money_max")),
               fmt::format("{:g}", number_of(b, "reserved_tokens")), text_of(b, "accounts")});
  spent.print();
}

} // namespace

int limits(const client_options& o) {
  client c{o};
  auto answer = c.get("/v1/limits");
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  if (o.json)
    say(pretty(body));
  else
    show(body);
  return exit_ok;
}

} // namespace troupe::cli
