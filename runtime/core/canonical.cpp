#include "runtime/core/digest.hpp"
#include "runtime/core/json_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe {

namespace {

constexpr double exact_max = 9007199254740992.0; // 2^53: below it a double holds every integer

bool rewrite(json_reader& in, std::string& out);

bool rewrite_number(json_reader& in, std::string& out) {
  std::string_view text;
  if (!in.number(text))
    return false;
  if (text == "-0") {
    out += '0';
    return true;
  }
  if (text.find_first_of(".eE") == std::string_view::npos) {
    out += text;
    return true;
  }
  double value = 0;
  json_reader one{text};
  if (!one.real(value)) // past the range of a double: its spelling is all there is
    out += text;
  else if (std::abs(value) < exact_max && std::trunc(value) == value)
    append_integer(out, static_cast<std::int64_t>(value));
  else
    append_real(out, value);
  return true;
}

bool rewrite_array(json_reader& in, std::string& out) {
  out += '[';
  auto item = [](json_reader& r, void* into) {
    auto& text = *static_cast<std::string*>(into);
    if (text.back() != '[') // no item ends in one
      text += ',';
    return rewrite(r, text);
  };
  if (!in.array(item, &out))
    return false;
  out += ']';
  return true;
}

bool rewrite_object(json_reader& in, std::string& out) {
  using members = std::vector<std::pair<std::string, std::string>>;
  members found;
  auto member = [](json_reader& r, std::string_view key, void* into) {
    auto& [name, text] = static_cast<members*>(into)->emplace_back(key, std::string{});
    return rewrite(r, text);
  };
  if (!in.object(member, &found))
    return false;
  std::ranges::stable_sort(found, {}, &members::value_type::first);
  out += '{';
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i + 1 < found.size() && found[i + 1].first == found[i].first)
      continue;
    append_string(out, found[i].first);
    out += ':';
    out += found[i].second;
    out += ',';
  }
  if (out.back() == ',')
    out.pop_back();
  out += '}';
  return true;
}

bool rewrite(json_reader& in, std::string& out) {
  switch (in.peek()) {
    case json_kind::object:
      return rewrite_object(in, out);
    case json_kind::array:
      return rewrite_array(in, out);
    case json_kind::number:
      return rewrite_number(in, out);
    case json_kind::string: {
      std::string text;
      if (!in.string(text))
        return false;
      append_string(out, text);
      return true;
    }
    case json_kind::boolean: {
      bool value = false;
      if (!in.boolean(value))
        return false;
      out += value ? "true" : "false";
      return true;
    }
    default:
      if (!in.null())
        return false;
      out += "null";
      return true;
  }
}

} // namespace

result<std::string> canonical(std::string_view json) {
  json_reader in{json};
  std::string out;
  out.reserve(json.size());
  if (rewrite(in, out) && in.end())
    return out;
  auto why = std::move(in).take_error();
  if (why.code == errc::schema_mismatch)
    why.code = errc::invalid_input;
  return why;
}

} // namespace troupe
