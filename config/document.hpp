#pragma once
// A TOML text as a tree in which everything knows where it stands.
//
// The only thing that config/ wants from its TOML library; all else works on this tree, so that the
// library is compiled once and could be replaced.

#include "config/diagnostic.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// A place in one of the files that make up a topology.
struct position {
  std::uint32_t file = 0;   ///< index in the order of reading
  std::uint32_t line = 0;   ///< from 1
  std::uint32_t column = 0; ///< from 1, in characters
};

enum class node_type : std::uint8_t { text, integer, number, boolean, date, list, table };

struct member;

/// One value.
struct node {
  node_type type = node_type::table;
  position begin;
  position end; ///< just after the last character; of tables, not to be relied on
  std::string text;
  std::int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  std::vector<node> items;
  std::vector<member> members; ///< in the order of the file

  /// The value under `key`, or null.
  const node* find(std::string_view key) const;
};

/// One key of a table and its value.
struct member {
  std::string key;
  position at;
  node value;
};

/// `the integer 3`, `a list`: what was found where something else was expected.
std::string describe(const node& n);

/// Parses `text`. Fills `root`, or `problem` (line, column, message) and returns false.
bool parse_document(std::string_view text, std::uint32_t file, node& root, diagnostic& problem);

} // namespace troupe::config
