#pragma once
// What a row or a chain node refers to, so that a store can count references to its blobs.

#include "runtime/store/store.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::store {

/// The digests of all stored payloads of a row, one for each time that it stands there. Empty for a
/// damaged row: its blobs then stay for ever, which harms nobody, while a wrong guess could take a
/// blob from another invocation.
std::vector<digest> references_of(lsn at, invocation_no owner, std::string_view row);

/// The digests that a chain node holds: the node before it and its item. Without the all-zero one
/// of a first node; empty for bytes that are no node.
std::vector<digest> children_of(std::string_view node);

/// A new store's tag: six lower-case letters and digits, the first a letter, so that an id never
/// looks like a number. 600 million of them: two stores that call one tool will differ.
std::string make_tag(std::uint64_t chance);

} // namespace troupe::store
