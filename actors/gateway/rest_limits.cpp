// What models may be used for: how their limiters and the budgets stand, in words and as gauges.
#include "actors/gateway/rest_helper.hpp"

#include "actors/guard/budget.hpp"
#include "actors/guard/budget_info.hpp"
#include "actors/guard/limiter_actor.hpp"
#include "runtime/core/json.hpp"

namespace troupe::gateway {
namespace {

constexpr std::chrono::milliseconds question_timeout{5'000};
constexpr std::string_view limiter_prefix = "limiter:";

/// Keys by what may be done with them.
struct key_counts {
  explicit key_counts(const limiter_info& l) {
    for (const auto& k : l.keys) {
      ++(k.refused ? refused : k.rests_ms > 0 ? resting : usable);
      if (!k.refused)
        window += k.window;
    }
  }
  double usable = 0;
  double resting = 0;
  double refused = 0;
  double window = 0; ///< requests that may be in flight now, with all of them
};

void measure(troupe::metrics& r, const limiter_info& l) {
  key_counts keys{l};
  auto endpoint = l.name.substr(l.name.find(':') + 1);
  r.gauges("troupe_limiter_in_flight", "Requests in flight at a model.", {"endpoint"})
    .with({endpoint})
    .set(l.in_flight);
  r.gauges("troupe_limiter_window", "Requests that the keys of a model may have in flight now.",
           {"endpoint"})
    .with({endpoint})
    .set(keys.window);
  auto states = r.gauges("troupe_limiter_keys", "API keys of a model, by what may be done with them.",
                         {"endpoint", "state"});
  states.with({endpoint, "usable"}).set(keys.usable);
  states.with({endpoint, "resting"}).set(keys.resting);
  states.with({endpoint, "refused"}).set(keys.refused);
}

void measure(troupe::metrics& r, const budget_info& b) {
  auto spent = r.gauges("troupe_budget_spent",
                        "Spent of a budget: today, or by the invocation that has spent most.",
                        {"budget", "unit"});
  auto limit = r.gauges("troupe_budget_limit", "What a budget allows.", {"budget", "unit"});
  if (b.tokens_max > 0) {
    spent.with({b.name, "tokens"}).set(b.tokens);
    limit.with({b.name, "tokens"}).set(static_cast<double>(b.tokens_max));
  }
  if (b.money_max > 0) {
    spent.with({b.name, "money"}).set(b.money);
    limit.with({b.name, "money"}).set(b.money_max);
  }
}

} // namespace

async<std::vector<limiter_info>> rest_helper::ask_limiters() {
  std::vector<limiter_info> out;
  for (const auto& name : world_->env.services.names()) {
    auto service = name.starts_with(limiter_prefix) ? world_->env.services.find(name)
                                                    : std::nullopt;
    if (!service)
      continue;
    auto question = limiter_query{};
    auto got = co_await ask<limiter_info>(this, service->handle, question_timeout,
                                          std::move(question));
    if (got) // else its actor is being restarted
      out.push_back(std::move(*got));
  }
  co_return std::move(out);
}

async<void> rest_helper::limits(exchange_ptr x) {
  auto all = co_await ask_limiters();
  auto budgets = world_->budgets ? world_->budgets->info() : std::vector<budget_info>{};
  x->out.json(*world_, 200,
              "{\"limits\":" + to_json(all) + ",\"budgets\":" + to_json(budgets) + "}");
}

async<void> rest_helper::measure_limits() {
  auto all = co_await ask_limiters();
  for (const auto& l : all)
    measure(world_->registry, l);
  if (world_->budgets)
    for (const auto& b : world_->budgets->info())
      measure(world_->registry, b);
}

} // namespace troupe::gateway
