#pragma once
// Holds JSON to a schema.
//
// Tools name the schema of their arguments, agents that of their answers, and models break both. A
// validator is compiled once, from a schema of whatever origin, and says what is wrong in one
// sentence that a person and a model can act on: `/items/0/n: expected integer, found string`.
//
// The schema is read as draft 7 by valijson, with what differs smoothed over: `1.0` is an integer,
// `format` is an annotation, `$defs` work. Unknown keywords are ignored, among them `prefixItems`
// and `unevaluatedProperties`. References to other documents are refused: nothing is fetched.
// Patterns are matched by backtracking: one like `(a+)+$` can take forever, so whose patterns to run
// is a question of trust.

#include "runtime/core/result.hpp"

#include <cstddef>
#include <memory>
#include <string_view>

namespace boost::json {
class value;
} // namespace boost::json

namespace troupe {

/// A compiled schema. Copies share it; concurrent `validate` calls are fine.
class schema_validator {
public:
  /// Longest string, in bytes, that stands where a `pattern` of the schema looks at it, and longest
  /// key under a schema with patterns: the matcher recurses several times for each character, 2 KiB
  /// of stack or more in a sanitizer's build. Longer: `errc::output_too_large`.
  static constexpr std::size_t pattern_subject_max = 1024;

  /// @returns `errc::invalid_input` for what is not a schema, refers to another document, or refers
  ///          to itself without end
  static result<schema_validator> compile(std::string_view schema_json);

  /// @returns `errc::schema_mismatch` with the path of the deepest mistake and what was expected
  result<void> validate(const boost::json::value& value) const;

  /// The same for text; `errc::schema_mismatch` where it is not JSON.
  result<void> validate_text(std::string_view json) const;

private:
  struct compiled;

  explicit schema_validator(std::shared_ptr<const compiled> schema) noexcept;

  std::shared_ptr<const compiled> schema_;
};

} // namespace troupe
