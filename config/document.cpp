#include "config/document.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts that a header begins with a key's character, and behind the assertion reports
// it properly where it does not (`[@]`). So without the assertion, and without what release builds
// make of it: undefined behaviour.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <tuple>

namespace troupe::config {

namespace {

position at(const toml::source_position& p, std::uint32_t file) {
  return {file, static_cast<std::uint32_t>(p.line), static_cast<std::uint32_t>(p.column)};
}

node convert(const toml::node& from, std::uint32_t file);

void convert_table(const toml::table& from, std::uint32_t file, node& to) {
  for (auto&& [key, value] : from)
    to.members.push_back({std::string{key.str()}, at(key.source().begin, file),
                          convert(value, file)});
  // toml++ sorts by name; errors and children want the order of the file.
  std::ranges::sort(to.members, {}, [](const member& m) {
    return std::tuple{m.at.line, m.at.column};
  });
}

node convert(const toml::node& from, std::uint32_t file) {
  node to;
  to.begin = at(from.source().begin, file);
  to.end = at(from.source().end, file);
  switch (from.type()) {
    case toml::node_type::table:
      to.type = node_type::table;
      convert_table(*from.as_table(), file, to);
      break;
    case toml::node_type::array:
      to.type = node_type::list;
      for (auto&& item : *from.as_array())
        to.items.push_back(convert(item, file));
      break;
    case toml::node_type::string:
      to.type = node_type::text;
      to.text = from.as_string()->get();
      break;
    case toml::node_type::integer:
      to.type = node_type::integer;
      to.integer = from.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      to.type = node_type::number;
      to.number = from.as_floating_point()->get();
      break;
    case toml::node_type::boolean:
      to.type = node_type::boolean;
      to.boolean = from.as_boolean()->get();
      break;
    default:
      to.type = node_type::date;
  }
  return to;
}

} // namespace

const node* node::find(std::string_view key) const {
  auto found = std::ranges::find(members, key, &member::key);
  return found == members.end() ? nullptr : &found->value;
}

std::string describe(const node& n) {
  constexpr std::size_t shown_max = 40;
  switch (n.type) {
    case node_type::text:
      return "the text \"" + n.text.substr(0, shown_max)
             + (n.text.size() > shown_max ? ".." : "") + "\"";
    case node_type::integer:
      return "the integer " + std::to_string(n.integer);
    case node_type::number:
      return "a number with a fraction";
    case node_type::boolean:
      return n.boolean ? "true" : "false";
    case node_type::date:
      return "a date";
    case node_type::list:
      return "a list";
    case node_type::table:
      break;
  }
  return "a table";
}

bool parse_document(std::string_view text, std::uint32_t file, node& root, diagnostic& problem) {
  auto parsed = toml::parse(text);
  if (parsed) {
    root = convert(parsed.table(), file);
    return true;
  }
  const auto& wrong = parsed.error();
  problem.line = static_cast<std::uint32_t>(wrong.source().begin.line);
  problem.column = static_cast<std::uint32_t>(wrong.source().begin.column);
  problem.message = std::string{wrong.description()};
  return false;
}

} // namespace troupe::config
