#pragma once
// Messages that kill whoever reads them.
//
// A poisoned message comes back after each restart, kills again, and in the end stops a service
// that is fine for everybody else. So its reader counts deaths by message; at the third the message
// is set aside, and refused from then on with the reason. The counts are part of the reader's
// checkpoint, so that they survive it.
//
// Pure logic; not thread-safe.

#include "runtime/core/json.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe {

class dead_letters {
public:
  static constexpr std::uint32_t deaths_max = 3;
  /// Messages that are remembered; the one seen first makes room. Some 100 bytes each.
  static constexpr std::size_t remembered_max = 1'000;

  struct letter {
    std::string key;
    std::uint32_t deaths = 0;
  };

  /// One more death by the message `key`. True when it is set aside now.
  bool died(const std::string& key);

  /// `key` is set aside, as it was in an earlier life; or may be tried again.
  void hold(const std::string& key);
  void forgive(const std::string& key);

  /// Whether `key` is set aside.
  bool holds(const std::string& key) const;

  std::vector<letter> all() const;
  void restore(const std::vector<letter>& letters);

private:
  std::unordered_map<std::string, std::uint32_t> deaths_;
  std::deque<std::string> order_;
};

BOOST_DESCRIBE_STRUCT(dead_letters::letter, (), (key, deaths))

} // namespace troupe
