#pragma once
#include "runtime/journal/entry.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::golden {

inline std::map<std::string, std::vector<journal::row>> expected_rows() {
  return {};
}

} // namespace troupe::golden
