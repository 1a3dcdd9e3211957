#include "runtime/store/sqlite_checkpointer.hpp"

#include <utility>

namespace troupe::store {
namespace {

// A failure is no news to anybody: the pages stay in the log, which is as durable, and the next one
// tries again. PASSIVE waits for nobody.
void checkpoint(sqlite3* db) {
  sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

} // namespace

checkpointer::checkpointer(database& writer, database own, options o)
  : writer_(writer), own_(std::move(own)), options_(o) {
  sqlite3_wal_hook(writer_.raw(), &checkpointer::committed, this); // replaces wal_autocheckpoint
  if (options_.background)
    thread_ = std::thread{[this] { work(); }};
}

checkpointer::~checkpointer() {
  sqlite3_wal_hook(writer_.raw(), nullptr, nullptr);
  if (!thread_.joinable())
    return;
  {
    std::lock_guard lock{mutex_};
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// On the writer's thread, after each commit. Must return SQLITE_OK: it is durable already.
int checkpointer::committed(void* self, sqlite3* db, const char*, int pages) {
  auto& me = *static_cast<checkpointer*>(self);
  if (pages < me.asked_at_)
    me.asked_at_ = 0; // the log began anew
  if (pages >= me.options_.pages_max)
    checkpoint(db);
  else if (me.options_.background && pages - me.asked_at_ >= me.options_.pages_background) {
    me.asked_at_ = pages;
    {
      std::lock_guard lock{me.mutex_};
      me.due_ = true;
    }
    me.wake_.notify_one();
  }
  return SQLITE_OK;
}

void checkpointer::work() {
  for (;;) {
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [this] { return due_ || stop_; });
      if (stop_)
        return;
      due_ = false;
    }
    checkpoint(own_.raw());
  }
}

} // namespace troupe::store
