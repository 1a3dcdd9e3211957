#pragma once
// How a budget stands, for people and programs.

#include "runtime/core/json.hpp"

#include <cstdint>
#include <string>

namespace troupe {

/// Where each invocation has an account, the one that has spent most.
struct budget_info {
  std::string name;
  std::string per;            ///< `day`, `invocation`
  double tokens = 0;          ///< spent
  std::uint64_t tokens_max = 0; ///< 0: no limit
  double money = 0;
  double money_max = 0;       ///< 0: no limit
  double reserved_tokens = 0; ///< of what is on its way
  double reserved_money = 0;
  std::uint64_t accounts = 0; ///< 1, or one for each tree of invocations
};
BOOST_DESCRIBE_STRUCT(budget_info, (), (name, per, tokens, tokens_max, money, money_max,
                                        reserved_tokens, reserved_money, accounts))

} // namespace troupe
