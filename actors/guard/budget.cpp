#include "actors/guard/budget.hpp"

#include "actors/guard/budget_info.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

/// An account in a row of the store.
struct kept_account {
  std::string key;
  double tokens = 0;
  double money = 0;
  bool warned = false;
  std::int64_t used_at = 0;
};
BOOST_DESCRIBE_STRUCT(kept_account, (), (key, tokens, money, warned, used_at))

struct kept_accounts {
  std::vector<kept_account> accounts;
};
BOOST_DESCRIBE_STRUCT(kept_accounts, (), (accounts))

/// Days that an account is kept after its last use: a tree that sleeps for a week goes on with it.
constexpr std::int64_t kept_for_ms = 8LL * 24 * 3600 * 1000;

// Stable over processes and compilers, unlike std::hash.
std::size_t shard_of(std::string_view key) {
  std::uint64_t h = 14695981039346656037ULL;
  for (unsigned char c : key)
    h = (h ^ c) * 1099511628211ULL;
  return static_cast<std::size_t>(h % budget_book::shards);
}

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

} // namespace

option_problems budget_options::validate() const {
  option_problems out;
  if (tokens == 0 && money == 0)
    out.push_back({"tokens", "is missing, as is money: the budget limits nothing",
                   "e.g. tokens = 1_000_000"});
  if (!(money >= 0))
    out.push_back({"money", "must not be negative", ""});
  if (!(warn_at > 0))
    out.push_back({"warn_at", "must be above 0", "the default is 0.8"});
  return out;
}

budget_book::budget_book(std::vector<budget_options> budgets, const environment& env)
  : budgets_(std::move(budgets)), env_(env), began_(env.clock.now()), shards_(shards) {}

void budget_book::restore(std::size_t shard, std::string_view body) {
  auto kept = from_json<kept_accounts>(body);
  if (!kept || shard >= shards)
    return;
  for (auto& k : kept->accounts) {
    account a;
    a.spent = {k.tokens, k.money};
    a.warned = k.warned;
    a.used_at = k.used_at;
    shards_[shard].insert_or_assign(std::move(k.key), a);
  }
}

bool budget_book::concerns(const budget_options& b, const spender& who) const {
  if (b.per == budget_period::invocation && who.tree.empty())
    return false;
  if (b.agents.empty() && b.tenants.empty())
    return true;
  return has(b.agents, who.agent) || (!who.tenant.empty() && has(b.tenants, who.tenant));
}

std::string budget_book::today() const {
  auto day = std::chrono::floor<std::chrono::hours>(env_.clock.now().time_since_epoch());
  return fmt::format("{}", day.count() / 24);
}

// `BUDGET/DAY` or `BUDGET/INVOCATION`; a name has no slash.
std::string budget_book::key_of(const budget_options& b, std::string_view tree) const {
  return b.name + "/" + (b.per == budget_period::day ? today() : std::string{tree});
}

budget_book::account& budget_book::account_of(const std::string& key) {
  auto& shard = shards_[shard_of(key)];
  auto [found, added] = shard.try_emplace(key);
  if (added)
    forget_old(shard, key);
  auto& out = found->second;
  out.used_at = std::chrono::duration_cast<std::chrono::milliseconds>(
                  env_.clock.now().time_since_epoch())
                  .count();
  return out;
}

// As it stands, without one being opened: a refusal leaves nothing behind.
budget_book::account budget_book::seen(const std::string& key) const {
  const auto& shard = shards_[shard_of(key)];
  auto found = shard.find(key);
  return found == shard.end() ? account{} : found->second;
}

std::optional<error> budget_book::too_much(const budget_options& b, const account& a,
                                           const spending& more) const {
  auto per = b.per == budget_period::day ? "of the day" : "of an invocation with its children";
  auto refuse = [&](std::string_view what, double limit, double left, double wants) {
    return error{errc::budget_exceeded,
                 fmt::format("the budget '{}' {} has {:g} of {:g} {} left, this request may take "
                             "{:g}",
                             b.name, per, std::max(left, 0.0), limit, what, wants)};
  };
  auto limit = static_cast<double>(b.tokens);
  if (auto left = limit - a.spent.tokens - a.reserved.tokens; b.tokens > 0 && more.tokens > left)
    return refuse("tokens", limit, left, more.tokens);
  if (auto left = b.money - a.spent.money - a.reserved.money; b.money > 0 && more.money > left)
    return refuse("in money", b.money, left, more.money);
  return std::nullopt;
}

result<budget_book::booking> budget_book::reserve(const spender& who, const spending& estimate) {
  std::lock_guard lock{mutex_};
  booking out;
  out.amount = estimate;
  for (const auto& b : budgets_) { // all or nothing
    if (!concerns(b, who))
      continue;
    auto key = key_of(b, who.tree);
    auto a = seen(key);
    if (auto no = too_much(b, a, estimate)) {
      tell("budget.exceeded", key, a);
      if (b.per == budget_period::day) {
        constexpr auto day = std::chrono::hours{24};
        no->retry_after = std::chrono::ceil<std::chrono::milliseconds>(
          day - env_.clock.now().time_since_epoch() % day);
      }
      return std::move(*no);
    }
    out.accounts.push_back(std::move(key));
  }
  for (const auto& key : out.accounts) {
    auto& a = account_of(key);
    a.reserved.tokens += estimate.tokens;
    a.reserved.money += estimate.money;
  }
  return out;
}

void budget_book::settle(const booking& b, const spending& used) {
  std::lock_guard lock{mutex_};
  for (const auto& key : b.accounts) {
    auto& a = account_of(key);
    a.reserved.tokens = std::max(a.reserved.tokens - b.amount.tokens, 0.0);
    a.reserved.money = std::max(a.reserved.money - b.amount.money, 0.0);
    if (used.tokens <= 0 && used.money <= 0) {
      bool unused = a.spent.tokens <= 0 && a.spent.money <= 0 && a.reserved.tokens <= 0
                    && a.reserved.money <= 0;
      if (unused)
        shards_[shard_of(key)].erase(key);
      continue;
    }
    a.spent.tokens += used.tokens;
    a.spent.money += used.money;
    warn(key, a);
    write(key);
  }
}

// It goes to the store now and not with the answer: a call that kills its process each time has been
// paid for each time, too.
void budget_book::lost(const spender& who, const spending& expected, utc_time since) {
  if (since > began_)
    return;
  booking gone;
  for (const auto& b : budgets_)
    if (concerns(b, who))
      gone.accounts.push_back(key_of(b, who.tree));
  settle(gone, expected);
}

spending budget_book::spent(std::string_view budget, std::string_view tree) {
  std::lock_guard lock{mutex_};
  auto key = std::string{budget} + "/" + (tree.empty() ? today() : std::string{tree});
  return seen(key).spent;
}

std::size_t budget_book::size() {
  std::lock_guard lock{mutex_};
  std::size_t n = 0;
  for (const auto& shard : shards_)
    n += shard.size();
  return n;
}

std::vector<budget_info> budget_book::info() {
  std::lock_guard lock{mutex_};
  std::vector<budget_info> out;
  for (const auto& b : budgets_) {
    bool daily = b.per == budget_period::day;
    budget_info one{b.name, daily ? "day" : "invocation", 0, b.tokens, 0, b.money, 0, 0, 0};
    auto add = [&](const account& a) {
      one.tokens = std::max(one.tokens, a.spent.tokens);
      one.money = std::max(one.money, a.spent.money);
      one.reserved_tokens += a.reserved.tokens;
      one.reserved_money += a.reserved.money;
      ++one.accounts;
    };
    auto prefix = b.name + "/" + (daily ? today() : std::string{});
    for (const auto& shard : shards_)
      for (auto i = shard.lower_bound(prefix); i != shard.end() && i->first.starts_with(prefix);
           ++i)
        add(i->second);
    out.push_back(std::move(one));
  }
  return out;
}

const budget_options& budget_book::owner_of(std::string_view key) const {
  auto name = key.substr(0, key.find('/'));
  return *std::find_if(budgets_.begin(), budgets_.end(),
                       [&](const budget_options& b) { return b.name == name; });
}

void budget_book::warn(std::string_view key, account& a) {
  const auto& b = owner_of(key);
  bool much = (b.tokens > 0 && a.spent.tokens >= b.warn_at * static_cast<double>(b.tokens))
              || (b.money > 0 && a.spent.money >= b.warn_at * b.money);
  if (much && !std::exchange(a.warned, true))
    tell("budget.warning", key, a);
}

void budget_book::tell(std::string_view event_name, std::string_view key, const account& a) const {
  const auto& b = owner_of(key);
  event e;
  e.name = event_name;
  e.lvl = level::warning;
  e.service = "budget:" + b.name;
  if (b.per == budget_period::invocation)
    e.invocation = key.substr(b.name.size() + 1);
  e.fields.emplace_back("tokens", to_json(a.spent.tokens));
  e.fields.emplace_back("tokens_max", to_json(b.tokens));
  e.fields.emplace_back("money", to_json(a.spent.money));
  e.fields.emplace_back("money_max", to_json(b.money));
  env_.events.write(e);
}

void budget_book::forget_old(accounts& shard, const std::string& but) {
  auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
               env_.clock.now().time_since_epoch())
               .count();
  auto idle = [](const account& a) { return a.reserved.tokens <= 0 && a.reserved.money <= 0; };
  std::erase_if(shard, [&](const auto& one) {
    return one.first != but && idle(one.second) && one.second.used_at < now - kept_for_ms;
  });
  while (shard.size() > accounts_max) {
    auto oldest = shard.end();
    for (auto i = shard.begin(); i != shard.end(); ++i)
      if (i->first != but && idle(i->second)
          && (oldest == shard.end() || i->second.used_at < oldest->second.used_at))
        oldest = i;
    if (oldest == shard.end())
      return; // each has a request in flight, and so many are bounded elsewhere
    shard.erase(oldest);
  }
}

void budget_book::write(const std::string& key) {
  auto n = shard_of(key);
  auto& shard = shards_[n];
  forget_old(shard, key);
  if (!keep)
    return;
  kept_accounts all;
  for (const auto& [name, a] : shard)
    if (a.spent.tokens > 0 || a.spent.money > 0)
      all.accounts.push_back({name, a.spent.tokens, a.spent.money, a.warned, a.used_at});
  keep(n, to_json(all));
}

} // namespace troupe
