#pragma once
// One JSON object, written field by field.
//
// What the gateway answers has fields that are there or not (a result or an error, a parent, a
// deadline). A described struct would write them all; this writes what there is.

#include "runtime/core/clock.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/json_text.hpp"

#include <string>
#include <string_view>

namespace troupe::gateway {

/// Appends to a text that outlives it; the destructor closes the object.
class json_object_out {
public:
  explicit json_object_out(std::string& out) : out_(out) { out_ += '{'; }
  json_object_out(const json_object_out&) = delete;
  json_object_out& operator=(const json_object_out&) = delete;
  ~json_object_out() { out_ += '}'; }

  /// Begins a field: its value is appended to what this returns.
  std::string& field(std::string_view name) {
    if (out_.back() != '{')
      out_ += ',';
    append_string(out_, name);
    out_ += ':';
    return out_;
  }
  void text(std::string_view name, std::string_view value) { append_string(field(name), value); }
  void number(std::string_view name, std::uint64_t value) { append_natural(field(name), value); }
  void flag(std::string_view name, bool value) { field(name) += value ? "true" : "false"; }
  /// A value that is JSON already; nothing at all is `null`.
  void raw(std::string_view name, std::string_view json) {
    field(name) += json.empty() ? std::string_view{"null"} : json;
  }

  // The same, but left out where there is nothing to say.
  void some(std::string_view name, std::string_view value) {
    if (!value.empty())
      text(name, value);
  }
  void some(std::string_view name, utc_time at) {
    if (at != never && at != utc_time{})
      text(name, troupe::to_string(at));
  }

private:
  std::string& out_;
};

/// `{"code":..,"message":..}`, with `retry_after_ms` and `outcome` where they say something.
inline void append_error(std::string& out, const error& e) {
  json_object_out o{out};
  o.text("code", to_string(e.code));
  o.some("message", e.message);
  if (e.outcome == certainty::unknown)
    o.text("outcome", "unknown");
  if (e.retry_after)
    append_integer(o.field("retry_after_ms"), e.retry_after->count());
}

} // namespace troupe::gateway
