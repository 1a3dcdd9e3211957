#include "runtime/core/json.hpp"

#include <boost/json/value.hpp>

#include <cstdlib>

namespace troupe {

namespace {

constexpr std::size_t names_max = 16; // enumerators that an error message lists

bool read_number(json_reader& in, boost::json::value& tree) {
  std::string_view text;
  if (!in.number(text))
    return false;
  json_reader one{text};
  if (text.find_first_of(".eE") == std::string_view::npos) {
    using limits = std::numeric_limits<std::int64_t>;
    std::int64_t integer = 0;
    if (one.integer(integer, limits::min(), limits::max())) {
      tree = integer;
      return true;
    }
    std::uint64_t natural = 0;
    one = json_reader{text};
    if (one.natural(natural, std::numeric_limits<std::uint64_t>::max())) {
      tree = natural;
      return true;
    }
    one = json_reader{text};
  }
  double real = 0;
  if (!one.real(real))
    return in.fail("number is out of range");
  tree = real;
  return true;
}

} // namespace

namespace detail {

void append_tree(std::string& out, const boost::json::value& tree) {
  switch (tree.kind()) {
    case boost::json::kind::null:
      out += "null";
      break;
    case boost::json::kind::bool_:
      out += tree.get_bool() ? "true" : "false";
      break;
    case boost::json::kind::int64:
      append_integer(out, tree.get_int64());
      break;
    case boost::json::kind::uint64:
      append_natural(out, tree.get_uint64());
      break;
    case boost::json::kind::double_:
      append_real(out, tree.get_double());
      break;
    case boost::json::kind::string:
      append_string(out, {tree.get_string().data(), tree.get_string().size()});
      break;
    case boost::json::kind::array:
      append_tree(out, tree.get_array());
      break;
    case boost::json::kind::object:
      append_tree(out, tree.get_object());
      break;
  }
}

void append_tree(std::string& out, const boost::json::array& tree) {
  out += '[';
  for (const auto& item : tree) {
    append_tree(out, item);
    out += ',';
  }
  close(out, ']');
}

void append_tree(std::string& out, const boost::json::object& tree) {
  out += '{';
  for (const auto& member : tree) {
    append_string(out, {member.key().data(), member.key().size()});
    out += ':';
    append_tree(out, member.value());
    out += ',';
  }
  close(out, '}');
}

bool read_tree(json_reader& in, boost::json::array& tree) {
  tree.clear();
  auto item = [](json_reader& r, void* into) {
    return read_tree(r, static_cast<boost::json::array*>(into)->emplace_back(nullptr));
  };
  return in.array(item, &tree);
}

bool read_tree(json_reader& in, boost::json::object& tree) {
  tree.clear();
  auto entry = [](json_reader& r, std::string_view key, void* into) {
    auto& object = *static_cast<boost::json::object*>(into);
    return read_tree(r, object[{key.data(), key.size()}]);
  };
  return in.object(entry, &tree);
}

bool read_tree(json_reader& in, boost::json::value& tree) {
  switch (in.peek()) {
    case json_kind::array:
      return read_tree(in, tree.emplace_array());
    case json_kind::object:
      return read_tree(in, tree.emplace_object());
    case json_kind::number:
      return read_number(in, tree);
    case json_kind::boolean:
      return in.boolean(tree.emplace_bool());
    case json_kind::string: {
      std::string text;
      if (!in.string(text))
        return false;
      tree.emplace_string().assign(text.data(), text.size());
      return true;
    }
    case json_kind::null:
      tree.emplace_null();
      return in.null();
    case json_kind::none:
      break;
  }
  return in.mismatch("a value");
}

void append_enum(std::string& out, enumerators all, std::int64_t value) {
  for (std::size_t i = 0; i < all.count; ++i)
    if (all.first[i].value == value)
      return append_string(out, all.first[i].name);
  append_integer(out, value); // no enumerator of it: a bug of who made it, and it won't read back
}

bool read_enum(json_reader& in, enumerators all, std::int64_t& value) {
  std::string text;
  if (!in.string(text))
    return false;
  std::string expected = "expected one of ";
  for (std::size_t i = 0; i < all.count; ++i) {
    if (all.first[i].name == text) {
      value = all.first[i].value;
      return true;
    }
    if (i < names_max)
      expected.append(i > 0 ? ", " : "").append(all.first[i].name);
  }
  return in.fail(expected + (all.count > names_max ? ", .." : "") + ", found another string");
}

} // namespace detail

result<boost::json::value> parse_json(std::string_view text, json_limits limits) {
  json_reader in{text, limits};
  boost::json::value tree;
  if (detail::read_tree(in, tree) && in.end())
    return tree;
  auto why = std::move(in).take_error();
  if (why.code == errc::schema_mismatch)
    why.code = errc::invalid_input;
  return why;
}

} // namespace troupe
