#pragma once
// What may be spent on models: tokens and money, a day or an invocation with all its children.
//
// A loop that an agent does not find out of, or one tenant's bad day, can cost more than the agent
// was worth. So each request to a model is booked: what it will take at most is reserved before it
// is sent, and what it took is settled afterwards. What would go above a limit is not sent.
//
//     auto booked = book.reserve({agent, tenant, tree}, estimate);   // budget_exceeded: do not send
//     ...                                                             // the request
//     book.settle(*booked, used);
//
// A budget is for all, or for the agents or tenants that it names, which share it. Accounts of a
// budget: one a UTC day, or one a tree. They survive the process: each change is handed to `keep`,
// which the assembly puts into the log (config/assembly.cpp), and comes back by `restore`. What was
// in flight when a process died is booked as expected by whoever takes it up again (`lost`).
//
// Lifecycle: one for each troupe, made at its start. Threads: any, after `restore`.

#include "runtime/core/env.hpp"
#include "runtime/core/options.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

enum class budget_period : std::uint8_t {
  day,        ///< UTC
  invocation, ///< with all that it has invoked
};

/// `[budgets.NAME]` in a topology.
struct budget_options {
  std::string name;
  budget_period per = budget_period::day;
  /// Who shares it; both empty: all.
  std::vector<std::string> agents;
  std::vector<std::string> tenants;
  std::uint64_t tokens = 0; ///< 0: no limit
  double money = 0;         ///< in the unit of the prices; 0: no limit
  double warn_at = 0.8;     ///< of a limit; above 1: never

  option_problems validate() const;
};

struct spending {
  double tokens = 0; ///< input and output
  double money = 0;
};

/// Who spends.
struct spender {
  std::string agent;
  std::string tenant;
  std::string tree; ///< id of the invocation that began it all
};

struct budget_info; // budget_info.hpp

class budget_book {
public:
  /// Accounts are kept in so many rows, so that a change writes one small row.
  static constexpr std::size_t shards = 64;
  /// Trees in one of them. Above it the one that was used longest ago is forgotten: with all shards
  /// 16,384 trees, of which most have ended.
  static constexpr std::size_t accounts_max = 256;

  /// What was reserved; empty where no budget applies.
  struct booking {
    std::vector<std::string> accounts;
    spending amount;
  };

  /// @param env outlives it
  budget_book(std::vector<budget_options> budgets, const environment& env);

  /// Called under its lock with a row that has changed. Set before use.
  std::function<void(std::size_t shard, std::string body)> keep;
  /// What `keep` got in an earlier process; what cannot be read is as if it was not there.
  void restore(std::size_t shard, std::string_view body);

  bool empty() const noexcept { return budgets_.empty(); }

  /// @returns `budget_exceeded`, naming the budget, what it has left and until when
  result<booking> reserve(const spender& who, const spending& estimate);

  /// It has ended: what was really used takes the place of what was reserved.
  void settle(const booking& b, const spending& used);

  /// A request that an earlier process may have sent and paid for, and that is made again: spent,
  /// whatever the limits say. Nothing where this process itself issued it.
  ///
  /// @param since when it was issued
  void lost(const spender& who, const spending& expected, utc_time since);

  /// Spent and settled in an account of the budget; of a tree or of today (`tree` empty).
  spending spent(std::string_view budget, std::string_view tree = {});

  /// How each stands; as many as the topology has.
  std::vector<budget_info> info();
  /// Accounts in memory: those in which something is reserved or was spent.
  std::size_t size();

private:
  struct account {
    spending spent;
    spending reserved;
    bool warned = false;
    std::int64_t used_at = 0; ///< ms, UTC
  };
  using accounts = std::map<std::string, account, std::less<>>;

  bool concerns(const budget_options& b, const spender& who) const;
  std::string key_of(const budget_options& b, std::string_view tree) const;
  std::string today() const;
  account& account_of(const std::string& key);
  account seen(const std::string& key) const;
  std::optional<error> too_much(const budget_options& b, const account& a, const spending& more) const;
  const budget_options& owner_of(std::string_view key) const;
  void warn(std::string_view key, account& a);
  void tell(std::string_view event_name, std::string_view key, const account& a) const;
  void forget_old(accounts& shard, const std::string& but);
  void write(const std::string& key);

  const std::vector<budget_options> budgets_;
  const environment& env_;
  const utc_time began_; ///< this process
  std::mutex mutex_;
  std::vector<accounts> shards_;
};

} // namespace troupe
