#pragma once
// A journal as JSON, for people and for `troupe journal`.

#include "runtime/journal/entry.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// Longest value that is shown in full; of a longer one its beginning, as a string.
inline constexpr std::size_t shown_max = 64U << 10U;

/// `{"lsn":..,"run":..,"generation":..,"entry":"command",..}`; fields depend on the entry.
void append_entry(std::string& out, const journal::row& row, const journal::entry& what);

/// All entries of all rows, in an array.
std::string journal_json(const std::vector<journal::row>& rows);

/// JSON text as it is where it is JSON and not too long; else a string, or the hash of what is
/// stored elsewhere.
void append_payload(std::string& out, const journal::payload& p);

} // namespace troupe::gateway
