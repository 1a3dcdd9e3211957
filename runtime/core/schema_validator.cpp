#include "runtime/core/schema_validator.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/schema_explain.hpp"

// Without it valijson answers a broken schema with abort().
#ifndef VALIJSON_USE_EXCEPTIONS
#define VALIJSON_USE_EXCEPTIONS 1
#endif

#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <regex>
#include <unordered_map>

namespace troupe {

namespace {

using adapter = valijson::adapters::BoostJsonAdapter;
using boost::json::object;
using boost::json::value;

constexpr std::size_t schema_bytes_max = 1U << 20U; // 1 MiB: it goes into every prompt
constexpr int reference_depth_max = 128; // chained $ref and allOf: each is a level of recursion

std::string_view view(boost::json::string_view s) {
  return {s.data(), s.size()};
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether valijson would take `v` for something that it is not.
bool misread(const value& v) {
  if (const auto* d = v.if_double())
    return std::trunc(*d) == *d && std::abs(*d) < 9.2e18;
  if (const auto* a = v.if_array())
    return std::any_of(a->begin(), a->end(), misread);
  if (const auto* o = v.if_object())
    return std::any_of(o->begin(), o->end(), [](const auto& m) { return misread(m.value()); });
  return v.is_uint64();
}

// 1.0 is an integer to JSON Schema and a double to valijson, which also knows no unsigned integers:
// those past 2^63 are cut down to it, which keeps their type and, but for equality, their
// relations.
void normalise(value& v) {
  if (v.is_double() && misread(v))
    v = static_cast<std::int64_t>(v.get_double());
  else if (v.is_uint64())
    v = static_cast<std::int64_t>(
      std::min<std::uint64_t>(v.get_uint64(), std::numeric_limits<std::int64_t>::max()));
  else if (auto* a = v.if_array())
    std::for_each(a->begin(), a->end(), normalise);
  else if (auto* o = v.if_object())
    for (auto& m : *o)
      normalise(m.value());
}

// Finds text that is too long for the matcher of valijson's patterns.
class long_text {
public:
  long_text(const value& schema, std::size_t bytes_max) : schema_(schema), bytes_max_(bytes_max) {}

  bool in(const value& v) {
    if (const auto* s = v.if_string())
      return s->size() > bytes_max_ && detail::may_match_pattern(schema_, steps_);
    if (const auto* a = v.if_array())
      for (std::size_t i = 0; i < a->size(); ++i)
        if (below(std::to_string(i), (*a)[i]))
          return true;
    if (const auto* o = v.if_object())
      for (const auto& m : *o)
        if (m.key().size() > bytes_max_ || below(std::string{view(m.key())}, m.value()))
          return true;
    return false;
  }

private:
  bool below(std::string step, const value& v) {
    steps_.push_back(std::move(step));
    auto found = in(v);
    steps_.pop_back();
    return found;
  }

  const value& schema_;
  std::size_t bytes_max_;
  std::vector<std::string> steps_;
};

// Goes through a schema before valijson does, which would crash on some.
class inspection {
public:
  explicit inspection(value& root) : root_(root) {}

  bool has_patterns = false;

  // Empty, or what is wrong.
  std::string run() {
    visit(root_);
    for (const auto* o : schemas_)
      if (problem_.empty() && endless(*o, 0))
        problem_ = "it refers to itself without end";
    return problem_;
  }

private:
  void visit(value& schema) {
    auto* o = schema.if_object();
    if (o == nullptr)
      return;
    o->erase("format"); // an annotation, and valijson throws where the value is no string
    schemas_.push_back(o);
    for (auto& m : *o)
      visit_keyword(view(m.key()), m.value());
  }

  void visit_keyword(std::string_view name, value& said) {
    if (name == "$ref" && (!said.is_string() || target(said) == nullptr))
      problem_ = "a $ref must name a place in this document (#/..)";
    if (name == "pattern" && said.is_string())
      check_pattern(view(said.get_string()));
    if (is_one_of(name, {"properties", "patternProperties", "$defs", "definitions", "dependencies",
                         "dependentSchemas"}))
      visit_members(name, said);
    else if (auto* list = said.if_array(); list != nullptr && name != "enum" && name != "examples")
      std::for_each(list->begin(), list->end(), [this](value& one) { visit(one); });
    else if (!is_one_of(name, {"const", "default", "enum", "examples"}))
      visit(said);
  }

  void visit_members(std::string_view name, value& said) {
    if (auto* members = said.if_object())
      for (auto& m : *members) {
        if (name == "patternProperties")
          check_pattern(view(m.key()));
        visit(m.value());
      }
  }

  void check_pattern(std::string_view pattern) {
    has_patterns = true;
    try {
      std::regex{pattern.begin(), pattern.end()};
    } catch (const std::regex_error&) {
      problem_ = "a pattern is not a regular expression of ECMAScript";
    }
  }

  const object* target(const value& reference) const {
    return detail::referenced(root_, view(reference.get_string()));
  }

  // Whether applying `o` leads to `o` again without going down in the instance.
  bool endless(const object& o, int depth) {
    auto& state = states_[&o];
    if (state == progress::done)
      return false;
    if (state == progress::open || depth > reference_depth_max)
      return true;
    state = progress::open;
    auto found = endless_below(o, depth + 1);
    states_[&o] = progress::done;
    return found;
  }

  bool endless_below(const object& o, int depth) {
    auto one = [&](const value& v) { return v.is_object() && endless(v.get_object(), depth); };
    if (const auto* ref = o.if_contains("$ref"))
      return endless(*target(*ref), depth);
    for (const auto& m : o) {
      auto name = view(m.key());
      const auto& said = m.value();
      if (is_one_of(name, {"allOf", "anyOf", "oneOf"}) && said.is_array())
        if (std::any_of(said.get_array().begin(), said.get_array().end(), one))
          return true;
      if (is_one_of(name, {"not", "if", "then", "else"}) && one(said))
        return true;
      if (name == "dependencies" && said.is_object())
        for (const auto& d : said.get_object())
          if (one(d.value()))
            return true;
    }
    return false;
  }

  enum class progress : std::uint8_t { fresh, open, done };

  value& root_;
  std::string problem_;
  std::vector<const object*> schemas_;
  std::unordered_map<const object*, progress> states_;
};

error broken(const std::string& why) {
  return {errc::invalid_input, "not a usable JSON Schema: " + why};
}

} // namespace

struct schema_validator::compiled {
  value text;
  valijson::Schema schema;
  bool has_patterns = false;
};

schema_validator::schema_validator(std::shared_ptr<const compiled> schema) noexcept
  : schema_(std::move(schema)) {}

result<schema_validator> schema_validator::compile(std::string_view schema_json) {
  json_limits limits;
  limits.bytes_max = schema_bytes_max;
  auto text = parse_json(schema_json, limits);
  if (!text)
    return broken(text.error().message);
  if (!text->is_object() && !text->is_bool())
    return broken("expected an object");
  auto out = std::make_shared<compiled>();
  out->text = std::move(*text);
  normalise(out->text);
  inspection look{out->text};
  if (auto problem = look.run(); !problem.empty())
    return broken(problem);
  out->has_patterns = look.has_patterns;
  try {
    valijson::SchemaParser{valijson::SchemaParser::kDraft7}.populateSchema(adapter{out->text},
                                                                           out->schema);
  } catch (const std::exception& e) {
    return broken(e.what());
  }
  return schema_validator{std::move(out)};
}

result<void> schema_validator::validate(const value& v) const {
  if (misread(v)) {
    auto copy = v;
    normalise(copy);
    return validate(copy);
  }
  if (schema_->has_patterns && long_text{schema_->text, pattern_subject_max}.in(v))
    return error{errc::output_too_large,
                 "text that a pattern looks at is longer than "
                 "schema_validator::pattern_subject_max ("
                   + std::to_string(pattern_subject_max) + " bytes)"};
  try {
    // Collecting the reasons costs more than the answer, and most values are right.
    valijson::Validator validator;
    if (validator.validate(schema_->schema, adapter{v}, nullptr))
      return {};
    valijson::ValidationResults results;
    validator.validate(schema_->schema, adapter{v}, &results);
    std::vector<detail::complaint> complaints;
    for (valijson::ValidationResults::Error e; results.popError(e);)
      complaints.push_back({std::move(e.context), std::move(e.description)});
    return error{errc::schema_mismatch, detail::explain(complaints, schema_->text, v)};
  } catch (const std::exception& e) {
    return error{errc::schema_mismatch, std::string{"/: cannot be checked: "} + e.what()};
  }
}

result<void> schema_validator::validate_text(std::string_view json) const {
  auto tree = parse_json(json);
  if (tree)
    return validate(*tree);
  auto why = std::move(tree).error();
  if (why.code == errc::invalid_input)
    why.code = errc::schema_mismatch;
  return why;
}

} // namespace troupe
