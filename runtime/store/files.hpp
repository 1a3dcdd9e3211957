#pragma once
// Files that only their owner may read, and that are still there after a power cut.

#include "runtime/core/result.hpp"

#include <filesystem>

namespace troupe::store {

/// Makes the missing directories on the way, mode 0700.
result<void> make_directories(const std::filesystem::path& directory);

/// Makes an empty file, mode 0600, where there is none.
result<void> make_file(const std::filesystem::path& file);

/// Makes the names in a directory durable; an empty path is the current one.
result<void> sync_directory(const std::filesystem::path& directory);

} // namespace troupe::store
