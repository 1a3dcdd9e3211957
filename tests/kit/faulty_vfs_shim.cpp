// The methods that SQLite calls.
#include "tests/kit/faulty_vfs_parts.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace troupe::testkit {
namespace {

faulty_vfs::impl& disk_of(sqlite3_vfs* v) {
  return *static_cast<faulty_vfs::impl*>(v->pAppData);
}

bool dead(const shim_file& f) {
  return f.life != f.disk->life;
}

int real_read(const shim_file& f, char* to, std::int64_t bytes, std::int64_t offset) {
  std::memset(to, 0, static_cast<std::size_t>(bytes));
  auto there = std::min(bytes, f.image->valid - offset);
  if (there <= 0)
    return SQLITE_OK;
  auto code = f.real->pMethods->xRead(f.real, to, static_cast<int>(there), offset);
  return code == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : code;
}

// The pages that [offset, offset + bytes) touches, with the part of each.
template <class F>
int each_page(std::int64_t offset, std::int64_t bytes, F f) {
  for (auto at = offset; at < offset + bytes;) {
    auto within = at % page_size;
    auto n = std::min(page_size - within, offset + bytes - at);
    if (auto code = f(at / page_size, within, at - offset, n); code != SQLITE_OK)
      return code;
    at += n;
  }
  return SQLITE_OK;
}

int shim_read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 offset) {
  auto& f = *of(file);
  if (f.image == nullptr)
    return f.real->pMethods->xRead(f.real, to, bytes, offset);
  std::lock_guard lock{f.disk->mutex};
  if (dead(f))
    return SQLITE_IOERR_READ;
  auto* out = static_cast<char*>(to);
  std::memset(out, 0, static_cast<std::size_t>(bytes));
  auto there = std::clamp<std::int64_t>(f.image->size - offset, 0, bytes);
  auto code = each_page(offset, there, [&](auto no, auto within, auto at, auto n) {
    const auto* held = f.image->find(no);
    if (held == nullptr)
      return real_read(f, out + at, n, no * page_size + within);
    std::memcpy(out + at, held->data() + within, static_cast<std::size_t>(n));
    return SQLITE_OK;
  });
  return code == SQLITE_OK && there < bytes ? SQLITE_IOERR_SHORT_READ : code;
}

int shim_write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  auto& f = *of(file);
  if (f.image == nullptr)
    return f.real->pMethods->xWrite(f.real, from, bytes, offset);
  std::lock_guard lock{f.disk->mutex};
  if (dead(f))
    return SQLITE_IOERR_WRITE;
  if (auto how = f.disk->write_faults.next(); how != disk_fault::none)
    return how == disk_fault::full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  auto& image = *f.image;
  if (!f.disk->has_room(image, offset + bytes))
    return SQLITE_FULL;
  ++f.disk->writes;
  const auto* in = static_cast<const char*>(from);
  auto code = each_page(offset, bytes, [&](auto no, auto within, auto at, auto n) {
    auto [it, added] = image.dirty.try_emplace(no);
    if (added) {
      if (auto lost = image.forgotten.extract(no); lost)
        it->second = lost.mapped();
      else if (auto got = real_read(f, it->second.data(), page_size, no * page_size);
               got != SQLITE_OK)
        return got;
    }
    std::memcpy(it->second.data() + within, in + at, static_cast<std::size_t>(n));
    return SQLITE_OK;
  });
  image.size = std::max<std::int64_t>(image.size, offset + bytes);
  image.last_offset = offset;
  image.last_bytes = bytes;
  if (f.disk->count()) {
    f.disk->crash(f.disk->crash_how, f.disk->crash_seed);
    return SQLITE_IOERR_WRITE;
  }
  return code;
}

int shim_truncate(sqlite3_file* file, sqlite3_int64 size) {
  auto& f = *of(file);
  if (f.image == nullptr)
    return f.real->pMethods->xTruncate(f.real, size);
  std::lock_guard lock{f.disk->mutex};
  if (dead(f))
    return SQLITE_IOERR_TRUNCATE;
  if (f.disk->count()) {
    f.disk->crash(f.disk->crash_how, f.disk->crash_seed);
    return SQLITE_IOERR_TRUNCATE;
  }
  auto& image = *f.image;
  for (auto* pages : {&image.dirty, &image.forgotten}) {
    pages->erase(pages->lower_bound((size + page_size - 1) / page_size), pages->end());
    if (auto it = pages->find(size / page_size); it != pages->end())
      std::fill(it->second.begin() + size % page_size, it->second.end(), '\0');
  }
  image.size = size;
  image.valid = std::min<std::int64_t>(image.valid, size);
  return SQLITE_OK;
}

// Without a sync of the real file: no power is cut there, and sweeps do this thousands of times.
int push_all(shim_file& f) {
  auto& image = *f.image;
  auto code = SQLITE_OK;
  if (image.valid < image.real_size) {
    code = f.real->pMethods->xTruncate(f.real, image.valid);
    image.real_size = image.valid;
  }
  for (const auto& [no, content] : image.dirty)
    if (code == SQLITE_OK)
      code = push(f, no, content, std::min(page_size, image.size - no * page_size));
  if (code == SQLITE_OK) {
    image.dirty.clear();
    image.valid = image.real_size;
  }
  return code;
}

int shim_sync(sqlite3_file* file, int flags) {
  auto& f = *of(file);
  if (f.image == nullptr)
    return f.real->pMethods->xSync(f.real, flags);
  std::unique_lock lock{f.disk->mutex};
  if (auto wait = f.disk->before_sync) {
    lock.unlock();
    wait();
    lock.lock();
  }
  if (dead(f))
    return SQLITE_IOERR_FSYNC;
  if (f.disk->count()) {
    f.disk->crash(f.disk->crash_how, f.disk->crash_seed);
    return SQLITE_IOERR_FSYNC;
  }
  auto how = f.disk->sync_faults.next();
  if (how == disk_fault::io_error) {
    for (auto& [no, content] : f.image->dirty)
      f.image->forgotten[no] = content;
    f.image->dirty.clear();
    return SQLITE_IOERR_FSYNC;
  }
  if (how == disk_fault::full)
    return SQLITE_FULL;
  ++f.disk->syncs;
  return push_all(f);
}

int shim_file_size(sqlite3_file* file, sqlite3_int64* size) {
  auto& f = *of(file);
  if (f.image == nullptr)
    return f.real->pMethods->xFileSize(f.real, size);
  std::lock_guard lock{f.disk->mutex};
  if (dead(f))
    return SQLITE_IOERR_FSTAT;
  *size = f.image->size;
  return SQLITE_OK;
}

int shim_close(sqlite3_file* file) {
  auto& f = *of(file);
  if (f.image != nullptr) {
    std::lock_guard lock{f.disk->mutex};
    f.image->open.erase(&f);
  }
  return f.real->pMethods->xClose(f.real);
}

int shim_lock(sqlite3_file* file, int kind) {
  auto& f = *of(file);
  {
    std::lock_guard lock{f.disk->mutex};
    if (dead(f))
      return SQLITE_IOERR_LOCK;
  }
  return f.real->pMethods->xLock(f.real, kind);
}

int shim_unlock(sqlite3_file* file, int kind) {
  return of(file)->real->pMethods->xUnlock(of(file)->real, kind);
}

int shim_reserved(sqlite3_file* file, int* out) {
  return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, out);
}

int shim_control(sqlite3_file* file, int op, void* arg) {
  return of(file)->real->pMethods->xFileControl(of(file)->real, op, arg);
}

int shim_sector(sqlite3_file* file) {
  return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

int shim_traits(sqlite3_file* file) {
  return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}

int shim_shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  return of(file)->real->pMethods->xShmMap(of(file)->real, region, size, extend, out);
}

int shim_shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  return of(file)->real->pMethods->xShmLock(of(file)->real, offset, n, flags);
}

void shim_shm_barrier(sqlite3_file* file) {
  of(file)->real->pMethods->xShmBarrier(of(file)->real);
}

int shim_shm_unmap(sqlite3_file* file, int remove) {
  return of(file)->real->pMethods->xShmUnmap(of(file)->real, remove);
}

// Version 2: with shared memory, without mapped files, which nobody could drop.
const sqlite3_io_methods methods{
  2,
  shim_close,
  shim_read,
  shim_write,
  shim_truncate,
  shim_sync,
  shim_file_size,
  shim_lock,
  shim_unlock,
  shim_reserved,
  shim_control,
  shim_sector,
  shim_traits,
  shim_shm_map,
  shim_shm_lock,
  shim_shm_barrier,
  shim_shm_unmap,
  nullptr,
  nullptr,
};

int shim_open(sqlite3_vfs* v, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  auto& disk = disk_of(v);
  auto& f = *new (file) shim_file{};
  f.real = reinterpret_cast<sqlite3_file*>(&f + 1);
  auto code = disk.real->xOpen(disk.real, path, f.real, flags, out_flags);
  if (f.real->pMethods == nullptr)
    return code;
  f.base.pMethods = &methods;
  f.disk = &disk;
  std::lock_guard lock{disk.mutex};
  f.life = disk.life;
  if (path == nullptr || code != SQLITE_OK)
    return code;
  auto [it, added] = disk.images.try_emplace(path);
  f.image = &it->second;
  if (f.image->open.empty() && f.image->dirty.empty() && f.image->forgotten.empty()) {
    sqlite3_int64 size = 0;
    code = f.real->pMethods->xFileSize(f.real, &size);
    f.image->size = f.image->real_size = f.image->valid = size;
  }
  f.image->open.insert(&f);
  return code;
}

int shim_delete(sqlite3_vfs* v, const char* path, int sync) {
  auto& disk = disk_of(v);
  std::lock_guard lock{disk.mutex};
  if (auto it = disk.images.find(path); it != disk.images.end() && it->second.open.empty())
    disk.images.erase(it);
  return disk.real->xDelete(disk.real, path, sync);
}

int shim_access(sqlite3_vfs* v, const char* path, int flags, int* out) {
  auto& disk = disk_of(v);
  auto code = disk.real->xAccess(disk.real, path, flags, out);
  std::lock_guard lock{disk.mutex};
  // The real one says of an empty file that there is none, and ours may not have been synced yet.
  if (auto it = disk.images.find(path); it != disk.images.end() && it->second.size > 0)
    *out = 1;
  return code;
}

} // namespace

int push(shim_file& f, std::int64_t no, const page& content, std::int64_t bytes) {
  auto code = f.real->pMethods->xWrite(f.real, content.data(), static_cast<int>(bytes),
                                       no * page_size);
  f.image->real_size = std::max(f.image->real_size, no * page_size + bytes);
  return code;
}

void put_shim(sqlite3_vfs& v) {
  v.szOsFile += static_cast<int>(sizeof(shim_file));
  v.xOpen = shim_open;
  v.xDelete = shim_delete;
  v.xAccess = shim_access;
}

} // namespace troupe::testkit
