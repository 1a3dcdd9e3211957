#pragma once
// An invocation as JSON: a line of a list, and the whole story of one.

#include "runtime/journal/entry.hpp"
#include "runtime/store/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// `{"id":..,"agent":..,"status":..,..}` of a record.
std::string record_json(std::string_view tag, const store::record& r);

/// The record, and what its journal tells:
/// - `input`, `result` or `error`, `steps`
/// - `waits_for`: effects that were asked for and have not ended, with kind, name and since
/// - `parked`: `effect`, `why`, `since`, `arguments`, and under `settle` the commands, one of which
///   a person runs
/// - `paused`: `why`, which names what the code asks for and what the journal holds
/// - `deaths`: where and of what it died
/// `problem` says why the journal cannot be read, where that is so.
std::string story_json(std::string_view tag, const store::record& r,
                       const std::vector<journal::row>& rows, const error* problem = nullptr);

} // namespace troupe::gateway
