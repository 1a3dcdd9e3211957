#pragma once
// What a caller gets when a service cannot serve it.
//
// An agent that stands still because a search is down helps nobody, when yesterday's answer or an
// empty list would do. So each tool may name what takes its place, in this order, the first that
// has something: an earlier answer to the same arguments, a C++ function, another tool, a value.
//
// Only where the service could not (`falls_back`): what it has answered stands, and an effect that
// may have happened is never papered over. Pure logic; an `answer_cache` belongs to one actor at a
// time.

#include "runtime/core/clock.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/error.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe {

/// `[tools.*.fallback]` in a topology; or what an agent says for one call.
struct fallback_options {
  /// An earlier answer to the same arguments, no older than this; 0: none is kept.
  std::chrono::milliseconds cached{0};
  std::string function; ///< as registered in code; must be quick
  std::string tool;     ///< `pure` or `read`; gets the same arguments
  std::string value;    ///< JSON text

  bool given() const noexcept {
    return cached.count() > 0 || !function.empty() || !tool.empty() || !value.empty();
  }
};

/// Whether `why` is a failure that a fallback may take the place of.
bool falls_back(const error& why, effect_class cls) noexcept;

/// The last answers of a service, by their arguments.
class answer_cache {
public:
  /// Whatever is reached first drops the one that was used longest ago.
  static constexpr std::size_t answers_max = 1'000;
  static constexpr std::size_t bytes_max = std::size_t{16} << 20;

  answer_cache() = default;
  answer_cache(std::size_t answers, std::size_t bytes) : answers_max_(answers), bytes_max_(bytes) {}

  struct answer {
    std::string value;
    std::chrono::milliseconds age{0};
  };

  void put(std::string_view arguments, std::string_view value, steady_time now);
  std::optional<answer> find(std::string_view arguments, std::chrono::milliseconds age_max,
                             steady_time now);

  std::size_t size() const noexcept { return by_arguments_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  struct entry {
    std::string arguments;
    std::string value;
    steady_time since{};
    std::size_t bytes() const noexcept { return arguments.size() + value.size(); }
  };
  void drop(std::list<entry>::iterator which);

  std::size_t answers_max_ = answers_max;
  std::size_t bytes_max_ = bytes_max;
  std::list<entry> entries_; ///< the latest first
  std::unordered_map<std::string_view, std::list<entry>::iterator> by_arguments_;
  std::size_t bytes_ = 0;
};

} // namespace troupe
