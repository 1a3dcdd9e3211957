#pragma once
// An invocation's journal out of a store: checked, and with its blobs fetched. For whoever may block
// on the store.

#include "runtime/journal/exported.hpp"
#include "runtime/store/store.hpp"

#include <string>
#include <vector>

namespace troupe {

/// What replay needs: all values, but of a model call's conversation only its hash.
///
/// @returns `errc::corrupted` naming the row; `errc::not_found` where there is none
result<std::vector<journal::row>> load_rows(store::durable_store& store,
                                            journal::invocation_no no);

/// All of it, so that it can stand without the store.
/// @param agent_class of its agent, which the store does not know
result<journal::exported> load_exported(store::durable_store& store, journal::invocation_no no,
                                        std::string agent_class);

} // namespace troupe
