#include "runtime/core/json_difference.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"

#include <boost/json/value.hpp>

#include <algorithm>

namespace troupe {
namespace {

namespace json = boost::json;

/// Bytes before `at` that are shown of a long text.
constexpr std::size_t shown_before = 24;

bool is_inside(char c) { // of a character of several bytes
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// What stands around the `at`-th byte.
std::string excerpt(std::string_view text, std::size_t at) {
  if (text.size() <= difference_shown_max)
    return std::string{text};
  auto begin = at > shown_before ? std::min(at - shown_before, text.size() - difference_shown_max)
                                 : std::size_t{0};
  while (begin > 0 && is_inside(text[begin]))
    --begin;
  auto end = std::min(begin + difference_shown_max, text.size());
  while (end < text.size() && is_inside(text[end]))
    ++end;
  std::string out = begin > 0 ? "..." : "";
  out += text.substr(begin, end - begin);
  return end < text.size() ? out + "..." : out;
}

class comparison {
public:
  explicit comparison(std::size_t count_max) : count_max_(count_max) {}

  void values(const std::string& path, const json::value& a, const json::value& b) {
    if (a.is_object() && b.is_object())
      objects(path, a.get_object(), b.get_object());
    else if (a.is_array() && b.is_array())
      arrays(path, a.get_array(), b.get_array());
    else
      texts(path, to_json(a), to_json(b));
  }

  void texts(const std::string& path, const std::string& a, const std::string& b) {
    if (found.size() >= count_max_ || same(a, b))
      return;
    auto at = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<long>(std::min(a.size(), b.size())),
                    b.begin())
        .first
      - a.begin());
    found.push_back({path, excerpt(a, at), excerpt(b, at)});
  }

  std::vector<json_difference> found;

private:
  static bool same(const std::string& a, const std::string& b) {
    return a == b || canonical(a).value_or(a) == canonical(b).value_or(b);
  }

  static std::string text_of(const json::value* v) { return v == nullptr ? "" : to_json(*v); }

  void objects(const std::string& path, const json::object& a, const json::object& b) {
    for (const auto& [key, value] : a) {
      auto at = path + "/" + std::string{key.data(), key.size()};
      if (const auto* other = b.if_contains(key))
        values(at, value, *other);
      else
        texts(at, to_json(value), "");
    }
    for (const auto& [key, value] : b)
      if (!a.contains(key))
        texts(path + "/" + std::string{key.data(), key.size()}, "", to_json(value));
  }

  void arrays(const std::string& path, const json::array& a, const json::array& b) {
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      auto at = path + "/" + std::to_string(i);
      if (i < a.size() && i < b.size())
        values(at, a[i], b[i]);
      else
        texts(at, text_of(a.if_contains(i)), text_of(b.if_contains(i)));
    }
  }

  std::size_t count_max_;
};

} // namespace

std::vector<json_difference> json_differences(std::string_view left, std::string_view right,
                                              std::size_t count_max) {
  comparison all{count_max};
  auto a = parse_json(left);
  auto b = parse_json(right);
  if (a && b)
    all.values({}, *a, *b);
  else
    all.texts({}, std::string{left}, std::string{right});
  return std::move(all.found);
}

} // namespace troupe
