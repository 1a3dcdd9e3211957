#pragma once
// Structs to JSON and back.
//
// Agents, tools and models exchange plain structs; between them travels JSON text. A struct that is
// described once with BOOST_DESCRIBE_STRUCT has both directions and, with schema.hpp, the schema
// that a model is held to:
//
//     struct verdict {
//       std::string queue;
//       std::optional<int> priority;
//     };
//     BOOST_DESCRIBE_STRUCT(verdict, (), (queue, priority))
//
//     auto v = from_json<verdict>(R"({"queue":"billing"})");
//
// C++                                       JSON
// bool, integers, double, float             boolean, number; NaN and infinities are null
// std::string (string_view, char*: out)     string
// std::optional<T>                          T or null
// std::vector<T>, array, pair, tuple        array
// std::map<std::string, T>                  object
// described struct, with its bases          object
// described enum                            string, the enumerator's name
// std::chrono::duration                     integer, milliseconds (finer ones are cut off)
// unit, std::monostate                      null
// boost::json::value, object, array         itself
// raw_json                                  itself, unread
//
// Reading is strict about what is there and easy about what is not asked for: keys that the struct
// does not have are ignored, a missing optional is nullopt, and any other missing member is an
// error, also where it has a default initialiser. No tree is built in either direction.

#include "runtime/core/json_text.hpp"
#include "runtime/core/result.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>

#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// Boost.JSON's own fwd.hpp costs 0.3 s a translation unit.
namespace boost::json {
class value;
class object;
class array;
} // namespace boost::json

namespace troupe {

/// JSON text that is passed on as it is. Reading one checks that it is JSON and keeps the spelling;
/// who fills one by hand answers for that.
struct raw_json {
  std::string text;

  raw_json() : text("null") {}
  explicit raw_json(std::string json) : text(std::move(json)) {}

  bool operator==(const raw_json&) const = default;
};

/// Appends the JSON of `value`. Never fails: see `append_string` and `append_real` for what they do
/// with text that is not UTF-8 and numbers that JSON does not have.
template <class T>
void append_json(std::string& out, const T& value);

/// The JSON of `value`, without white space.
template <class T>
std::string to_json(const T& value) {
  std::string out;
  append_json(out, value);
  return out;
}

/// Reads one value at the reader's position; false after a failure, which the reader holds.
template <class T>
bool read_json(json_reader& in, T& out);

/// The whole of `text` as a `T`.
///
/// @returns `errc::schema_mismatch` with the path and what was expected there, also where `text` is
///          not JSON; `errc::output_too_large` past `limits.bytes_max`. No message repeats a value.
template <class T>
result<T> from_json(std::string_view text, json_limits limits = {}) {
  json_reader in{text, limits};
  T out{};
  if (read_json(in, out) && in.end())
    return out;
  return std::move(in).take_error();
}

/// Any JSON text as a tree; doubles are exact, integers past 64 bits become doubles. Include
/// <boost/json/value.hpp> to use it. The error's code is `errc::invalid_input`.
result<boost::json::value> parse_json(std::string_view text, json_limits limits = {});

/// `value` as a `T`; errors as of `from_json`.
template <class T>
result<T> from_value(const boost::json::value& value) {
  return from_json<T>(to_json(value));
}

} // namespace troupe

#include "runtime/core/json_types.hpp"
