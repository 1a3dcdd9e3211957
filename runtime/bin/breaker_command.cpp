// `troupe breaker`: the breakers, and a person's word to one of them.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <vector>

namespace troupe::cli {
namespace {

void show(const std::vector<const boost::json::value*>& all) {
  auto rows = table{{"BREAKER", "STATE", "CALLS", "FAILED", "SLOW", "REFUSED", "PROBES IN"}};
  for (const auto* b : all) {
    auto probes = text_of(*b, "retry_after_ms");
    rows.add({text_of(*b, "name"), text_of(*b, "state"), text_of(*b, "calls"),
              text_of(*b, "failed"), text_of(*b, "slow"), text_of(*b, "refused"),
              probes == "0" ? "" : probes + " ms"});
  }
  rows.print();
}

} // namespace

int breaker(const breaker_options& o) {
  client c{o.client};
  auto answer = o.order.empty()
                  ? c.get("/v1/breakers")
                  : c.post(fmt::format("/v1/breakers/{}/{}", escape(o.name), o.order), {});
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  std::vector<const boost::json::value*> all;
  if (!o.order.empty()) {
    all.push_back(&body);
  } else {
    for (const auto& b : array_of(body, "breakers"))
      if (auto name = text_of(b, "name"); o.name.empty() || name == o.name
                                          || name.substr(name.find(':') + 1) == o.name)
        all.push_back(&b);
    if (all.empty() && !o.name.empty()) {
      complain(fmt::format("there is no breaker '{}'", printable(o.name)));
      return exit_not_found;
    }
  }
  if (o.client.json)
    say(pretty(body));
  else
    show(all);
  return exit_ok;
}

} // namespace troupe::cli
