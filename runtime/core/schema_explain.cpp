#include "runtime/core/schema_explain.hpp"

#include "runtime/core/json.hpp"

#include <algorithm>
#include <charconv>
#include <functional>

namespace troupe::detail {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr std::size_t alternatives_max = 16; // values or types that a message lists
constexpr std::size_t alternative_max = 64;  // bytes of each
constexpr std::size_t key_max = 64;          // bytes of a key that a message repeats
constexpr int visits_max = 1000;             // schemas looked at for one message

using path = std::span<const std::string>;
using visitor = std::function<void(const object&)>;

std::string_view view(const boost::json::string& s) {
  return {s.data(), s.size()};
}

const value* member(const object& o, std::string_view name) {
  return o.if_contains({name.data(), name.size()});
}

const value* child(const value& parent, const std::string& step) {
  if (const auto* o = parent.if_object())
    return member(*o, step);
  const auto* a = parent.if_array();
  std::size_t index = 0;
  auto read = std::from_chars(step.data(), step.data() + step.size(), index);
  return a != nullptr && read.ec == std::errc{} ? a->if_contains(index) : nullptr;
}

// Which subschemas are followed: those that say what a value should be, or all that look at it.
enum class scope { positive, all };

// Calls `visit` for every subschema that may speak about what stands at the end of a path.
class schema_walk {
public:
  schema_walk(const value& root, const visitor& visit, scope which = scope::positive)
    : root_(root), visit_(visit), which_(which) {}

  bool exhausted() const noexcept { return visits_ < 0; }

  void walk(const value* schema, path rest) {
    if (schema == nullptr || !schema->is_object() || --visits_ < 0)
      return;
    const auto& o = schema->get_object();
    if (const auto* ref = member(o, "$ref"); ref != nullptr && ref->is_string()) {
      if (const auto* target = referenced(root_, view(ref->get_string())))
        walk_object(*target, rest);
      return;
    }
    walk_object(o, rest);
  }

private:
  void walk_object(const object& o, path rest) {
    for (auto name : {"allOf", "anyOf", "oneOf"})
      if (const auto* list = member(o, name); list != nullptr && list->is_array())
        for (const auto& branch : list->get_array())
          walk(&branch, rest);
    for (auto name : {"then", "else"})
      walk(member(o, name), rest);
    if (which_ == scope::all)
      walk_others(o, rest);
    if (rest.empty())
      return visit_(o);
    const auto* properties = member(o, "properties");
    const auto* property = properties != nullptr ? child(*properties, rest[0]) : nullptr;
    walk(property != nullptr ? property : member(o, "additionalProperties"), rest.subspan(1));
    if (const auto* items = member(o, "items"))
      walk(items->is_array() ? child(*items, rest[0]) : items, rest.subspan(1));
  }

  void walk_others(const object& o, path rest) {
    for (auto name : {"not", "if"})
      walk(member(o, name), rest);
    walk_members(member(o, "dependencies"), rest);
    if (rest.empty())
      return;
    for (auto name : {"contains", "additionalItems"})
      walk(member(o, name), rest.subspan(1));
    walk_members(member(o, "patternProperties"), rest.subspan(1));
  }

  void walk_members(const value* schemas, path rest) {
    if (schemas != nullptr && schemas->is_object())
      for (const auto& m : schemas->get_object())
        walk(&m.value(), rest);
  }

  const value& root_;
  const visitor& visit_;
  scope which_;
  int visits_ = visits_max;
};

class word_list {
public:
  void add(std::string word) {
    if (word.size() > alternative_max)
      word = word.substr(0, alternative_max) + "..";
    if (words_.size() <= alternatives_max && std::ranges::find(words_, word) == words_.end())
      words_.push_back(std::move(word));
  }

  std::string join(std::string_view between) const {
    std::string out;
    for (std::size_t i = 0; i < words_.size(); ++i)
      out.append(i > 0 ? between : "").append(i < alternatives_max ? words_[i] : "..");
    return out;
  }

private:
  std::vector<std::string> words_;
};

// What all subschemas at `steps` say under `keyword`: a value, or a list of them.
std::string alternatives(const value& schema, path steps, std::string_view keyword,
                         std::string_view between, bool quoted) {
  word_list words;
  auto add = [&](const value& v) {
    words.add(!quoted && v.is_string() ? std::string{view(v.get_string())} : to_json(v));
  };
  visitor visit = [&](const object& o) {
    const auto* said = member(o, keyword);
    if (said == nullptr)
      return;
    if (!said->is_array() || keyword == "const")
      return add(*said);
    for (const auto& one : said->get_array())
      add(one);
  };
  schema_walk{schema, visit}.walk(&schema, steps);
  return words.join(between);
}

std::string_view kind_of(const value& v) {
  switch (v.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "boolean";
    case boost::json::kind::string:
      return "string";
    case boost::json::kind::array:
      return "array";
    case boost::json::kind::object:
      return "object";
    default:
      return "number";
  }
}

void append_step(std::string& out, std::string_view step) {
  out += '/';
  for (auto c : step.substr(0, key_max)) {
    if (c == '~' || c == '/')
      out += c == '~' ? "~0" : "~1";
    else
      out += c;
  }
}

// `Expected number less than 3.000000` -> `expected number less than 3`
std::string tidy(std::string text) {
  if (text.ends_with('.'))
    text.pop_back();
  if (text.find('.') != std::string::npos && text.ends_with("0") && text.size() > 7) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.'))
      text.pop_back();
  }
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z')
    text[0] = static_cast<char>(text[0] | 0x20);
  return text;
}

// The text between the first and the last apostrophe.
std::string_view quoted_name(std::string_view text) {
  auto first = text.find('\'');
  auto last = text.rfind('\'');
  return first < last ? text.substr(first + 1, last - first - 1) : std::string_view{};
}

// What is wrong at `at`; a complaint about a member goes down to it.
std::string sentence(const std::string& what, const value& schema, path steps, const value* found,
                     std::string& at) {
  auto kind = found != nullptr ? kind_of(*found) : "another value";
  if (what.starts_with("Missing required property")) {
    append_step(at, quoted_name(what));
    return "missing";
  }
  if (what.starts_with("Object contains a property")) {
    append_step(at, quoted_name(what.substr(what.rfind(": '"))));
    return "unknown property";
  }
  if (what.starts_with("Value type not permitted"))
    return "expected " + alternatives(schema, steps, "type", " or ", false) + ", found "
           + std::string{kind};
  if (what.starts_with("Failed to match against any enum"))
    return "expected one of " + alternatives(schema, steps, "enum", ", ", true)
           + ", found another " + std::string{kind};
  if (what.starts_with("Failed to match expected value"))
    return "expected " + alternatives(schema, steps, "const", " or ", true) + ", found another "
           + std::string{kind};
  if (what.starts_with("Failed to match regex"))
    return "expected a string that matches "
           + alternatives(schema, steps, "pattern", " and ", false);
  return tidy(what);
}

// A leaf says what is wrong, a parent only that something below it is.
bool better(const complaint& a, const complaint& b) {
  auto noise = [](const complaint& c) { return c.description.starts_with("Failed to validate"); };
  if (a.context.size() != b.context.size())
    return a.context.size() > b.context.size();
  return !noise(a) && noise(b);
}

} // namespace

const object* referenced(const value& root, std::string_view reference) {
  if (!reference.starts_with('#'))
    return nullptr;
  boost::json::error_code failed;
  const auto* target = root.find_pointer({reference.data() + 1, reference.size() - 1}, failed);
  return target != nullptr ? target->if_object() : nullptr;
}

bool may_match_pattern(const value& schema, std::span<const std::string> steps) {
  auto found = false;
  visitor visit = [&](const object& o) { found = found || o.contains("pattern"); };
  schema_walk look{schema, visit, scope::all};
  look.walk(&schema, steps);
  return found || look.exhausted();
}

std::string explain(const std::vector<complaint>& complaints, const value& schema,
                    const value& instance) {
  if (complaints.empty())
    return "/: does not match the schema";
  const auto* worst = &complaints.front();
  for (const auto& c : complaints)
    if (better(c, *worst))
      worst = &c;
  std::vector<std::string> steps;
  std::string at;
  const auto* found = &instance;
  for (std::size_t i = 1; i < worst->context.size(); ++i) { // the first is the root
    const auto& bracketed = worst->context[i];
    steps.push_back(bracketed.substr(1, bracketed.size() - 2));
    append_step(at, steps.back());
    found = found != nullptr ? child(*found, steps.back()) : nullptr;
  }
  auto text = sentence(worst->description, schema, steps, found, at);
  return (at.empty() ? "/" : at) + ": " + text;
}

} // namespace troupe::detail
