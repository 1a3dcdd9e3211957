#pragma once
// Described structs as JSON objects in which what is not there is not written.
//
// A file that people read should not say `"signal":null` in every line. from_json takes a missing
// optional as none, so that such an object reads back as it was.

#include "runtime/core/json.hpp"

#include <string>
#include <string_view>

namespace troupe {

/// Appends `what` without the members that are null.
template <class T>
void append_set_members(std::string& out, const T& what) {
  auto members = detail::members_of<T>();
  out += '{';
  for (std::size_t i = 0; i < members.count; ++i) {
    auto before = out.size();
    if (out.back() != '{')
      out += ',';
    append_string(out, members.first[i].name);
    out += ':';
    auto value = out.size();
    members.first[i].write(out, &what);
    if (std::string_view{out}.substr(value) == "null")
      out.resize(before);
  }
  out += '}';
}

} // namespace troupe
