#pragma once
// The reference of all keys, from the tables that the reader itself uses.

#include <string>

namespace troupe::config {

/// Markdown: a heading and a table of keys for each table of a topology. A test holds README.md to
/// it.
std::string reference_markdown();

} // namespace troupe::config
