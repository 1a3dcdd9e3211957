#pragma once
// An invocation's journal out of a store: checked, and with its blobs fetched. For whoever may block
// on the store.

#include "runtime/journal/exported.hpp"
#include "runtime/store/store.hpp"

#include <string>
#include <vector>

namespace troupe {

/// A keyed agent's state above `inline_max` is stored as a chain of pieces of so many bytes: a state
/// that grows at its end costs its new pieces only. 2 KiB: the last one, which is stored anew each
/// time, is half of that on average; smaller ones cost more in links than they save.
inline constexpr std::size_t state_piece_size = 2'048;

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
