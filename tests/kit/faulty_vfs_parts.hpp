#pragma once
// What faulty_vfs is made of: the files as SQLite sees them, over the real ones.

#include "tests/kit/faulty_vfs.hpp"

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace troupe::testkit {

inline constexpr std::int64_t page_size = 4'096;
using page = std::array<char, page_size>;
using page_map = std::map<std::int64_t, page>;

struct shim_file;

// One file by its path, shared by the connections that have it open.
struct disk_image {
  page_map dirty;             // written, not synced
  page_map forgotten;         // written, and a sync of it has failed
  std::int64_t size = 0;      // as its users see it
  std::int64_t real_size = 0; // as it is beneath
  std::int64_t valid = 0;     // bytes of the real file that no truncation has taken
  std::int64_t last_offset = 0;
  std::int64_t last_bytes = 0;
  std::set<shim_file*> open;

  const page* find(std::int64_t no) const {
    if (auto it = dirty.find(no); it != dirty.end())
      return &it->second;
    auto it = forgotten.find(no);
    return it == forgotten.end() ? nullptr : &it->second;
  }
};

// What SQLite allocates for an open file; the real one stands behind it.
struct shim_file {
  sqlite3_file base;
  faulty_vfs::impl* disk;
  disk_image* image; // null: a temporary file, passed through
  std::uint64_t life;
  sqlite3_file* real;
};

inline shim_file* of(sqlite3_file* f) {
  return reinterpret_cast<shim_file*>(f);
}

struct fault_plan {
  disk_fault how = disk_fault::none;
  std::uint64_t after = 0;

  disk_fault next() {
    if (how == disk_fault::none || after == 0)
      return how;
    --after;
    return disk_fault::none;
  }
};

/// Writes the first `bytes` of a page to the real file; @returns SQLite's code.
int push(shim_file& f, std::int64_t no, const page& content, std::int64_t bytes);

struct faulty_vfs::impl {
  std::string name;
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs shim{};
  mutable std::mutex mutex;
  std::map<std::string, disk_image> images;
  std::uint64_t life = 0;
  std::uint64_t syncs = 0;
  std::uint64_t writes = 0;
  fault_plan write_faults;
  fault_plan sync_faults;
  std::uint64_t operations = 0;
  std::uint64_t crash_at = 0; // 0: never
  crash_loss crash_how = crash_loss::all;
  std::uint64_t crash_seed = 0;
  std::uint64_t bytes_max = 0; // 0: no bound
  std::function<void()> before_sync;

  // Whether there is room for a file to end there.
  bool has_room(const disk_image& grown, std::int64_t end) const {
    if (bytes_max == 0 || end <= grown.size)
      return true;
    auto all = static_cast<std::uint64_t>(end - grown.size);
    for (const auto& [path, image] : images)
      all += static_cast<std::uint64_t>(image.size);
    return all <= bytes_max;
  }

  // Counts one; true where the power goes with it.
  bool count() { return ++operations == crash_at; }
  void crash(crash_loss loss, std::uint64_t seed);
};

/// Puts our methods into `v`, a copy of the real one, and room for our part of an open file.
void put_shim(sqlite3_vfs& v);

} // namespace troupe::testkit
