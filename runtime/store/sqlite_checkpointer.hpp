#pragma once
// Moves committed pages from the write-ahead log into the database, beside the commits.
//
// SQLite does that within a commit, which then takes 40 ms where others take 0.4. A thread with a
// connection of its own does most of it instead (a third more rows per second here, and a quarter
// of the longest pause), since two syncs to two files overlap. It can never catch up with a busy
// writer, and only a log that was moved as a whole starts again from its beginning; so the writer
// finishes the little that is left when the log reaches its bound.

#include "runtime/store/sqlite_database.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace troupe::store {

class checkpointer {
public:
  struct options {
    /// Pages that begin a checkpoint in the background: 2 MiB, half a millisecond of copying.
    int pages_background = 500;
    /// Pages at which the writer finishes it: 16 MiB, so the log's file stays about that large.
    int pages_max = 4'000;
    /// Without the thread, the writer does it all: for tests that count syncs.
    bool background = true;
  };

  /// @param writer connection that commits; must outlive this
  /// @param own    connection for the thread
  checkpointer(database& writer, database own, options o);
  /// Ends the thread after the checkpoint that it is in.
  ~checkpointer();
  checkpointer(const checkpointer&) = delete;
  checkpointer& operator=(const checkpointer&) = delete;

private:
  static int committed(void* self, sqlite3* db, const char* schema, int pages);
  void work();

  database& writer_;
  database own_;
  options options_;
  int asked_at_ = 0; ///< pages in the log when the thread was last woken; the writer's
  std::mutex mutex_;
  std::condition_variable wake_;
  bool due_ = false;
  bool stop_ = false;
  std::thread thread_;
};

} // namespace troupe::store
