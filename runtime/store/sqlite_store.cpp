#include "runtime/store/sqlite_store.hpp"

#include "runtime/store/file_lock.hpp"
#include "runtime/store/files.hpp"
#include "runtime/store/references.hpp"
#include "runtime/store/sqlite_backup.hpp"
#include "runtime/store/sqlite_checkpointer.hpp"
#include "runtime/store/sqlite_reader.hpp"
#include "runtime/store/sqlite_writer.hpp"

#include <fmt/format.h>

namespace troupe::store {
namespace {

// Reading is for single invocations and short lists: a small cache will do.
constexpr int reader_cache_kib = 2'048;

// The log's file shrinks to this when it begins anew: what a burst needed does not stay for ever.
constexpr int log_bytes_max = 64 << 20;

database::options connection(const sqlite_options& o, int cache_kib) {
  return {o.path.string(), o.vfs, o.busy_timeout, cache_kib};
}

} // namespace

sqlite_store::sqlite_store(sqlite_options options) : options_(std::move(options)) {}
sqlite_store::~sqlite_store() = default;

result<std::unique_ptr<durable_store>> sqlite_store::open(sqlite_options options,
                                                          random_source& chance,
                                                          const time_source& clock) {
  if (options.path.empty())
    return error{errc::invalid_input, "the store needs the path of a file"};
  std::error_code ignored;
  if (auto full = std::filesystem::absolute(options.path, ignored); !full.empty())
    options.path = full; // the process may change its directory later
  std::unique_ptr<sqlite_store> out{new sqlite_store{std::move(options)}};
  if (auto started = out->start(chance, clock); !started)
    return started.error();
  return std::unique_ptr<durable_store>{std::move(out)};
}

result<void> sqlite_store::start(random_source& chance, const time_source& clock) {
  if (auto made = make_directories(options_.path.parent_path()); !made)
    return made;
  auto lock = file_lock::acquire(options_.path.string() + ".lock", options_.steal);
  if (!lock)
    return lock.error();
  lock_ = std::make_unique<file_lock>(std::move(*lock));
  // SQLite gives its other files the same mode.
  if (auto made = make_file(options_.path); !made)
    return made;

  auto db = database::open(connection(options_, options_.cache_kib));
  if (!db)
    return db.error();
  auto setup = fmt::format("PRAGMA synchronous = {}; PRAGMA journal_size_limit = {}",
                           options_.synchronous == store_sync::full ? "FULL" : "NORMAL",
                           log_bytes_max);
  if (!db->execute(setup.c_str()))
    return db->failure("opening it");
  auto tag = options_.tag.empty() ? make_tag(chance.next()) : options_.tag;
  auto found = take_over(*db, tag, clock.now());
  if (!found)
    return found.error();
  tag_ = found->tag;
  owner_ = found->own;

  auto writing = writer::make(std::move(*db), *found);
  if (!writing)
    return writing.error();
  writer_ = std::move(*writing);
  auto reading = reader::make(connection(options_, reader_cache_kib));
  if (!reading)
    return reading.error();
  reader_ = std::move(*reading);
  auto copying = database::open(connection(options_, reader_cache_kib));
  if (!copying)
    return copying.error();
  checkpointer::options how;
  how.background = options_.checkpoint_thread;
  how.pages_max = options_.log_pages_max;
  checkpointer_ = std::make_unique<checkpointer>(writer_->connection(), std::move(*copying), how);
  return {};
}

lsn sqlite_store::last_lsn() const {
  return writer_->last_lsn();
}

invocation_no sqlite_store::last_invocation() const {
  return writer_->last_invocation();
}

result<void> sqlite_store::commit(const batch& b) {
  return writer_->commit(b);
}

result<std::optional<record>> sqlite_store::find(invocation_no no) {
  return reader_->find(no);
}

result<std::optional<record>> sqlite_store::find(std::string_view agent,
                                                 std::string_view idempotency_key) {
  return reader_->find(agent, idempotency_key);
}

result<std::vector<record>> sqlite_store::list(const filter& f) {
  return reader_->list(f);
}

result<std::vector<stored_row>> sqlite_store::load(invocation_no no) {
  return reader_->load(no);
}

result<std::string> sqlite_store::load_blob(const digest& hash) {
  return reader_->load_blob(hash);
}

result<std::optional<std::string>> sqlite_store::load_state(std::string_view agent,
                                                            std::string_view key) {
  return reader_->load_state(agent, key);
}

result<std::vector<old_state>> sqlite_store::old_states(std::string_view agent, utc_time before,
                                                        const old_state& last,
                                                        std::uint32_t limit) {
  return reader_->old_states(agent, before, last, limit);
}

result<std::vector<open_entry>> sqlite_store::open_after(invocation_no after,
                                                         std::uint32_t limit) {
  return reader_->open_after(after, limit);
}

result<std::vector<invocation_no>>
sqlite_store::finished_before(utc_time t, utc_time keyed, std::uint32_t limit) {
  return reader_->finished_before(t, keyed, limit);
}

result<std::optional<claim>> sqlite_store::find_claim(const claim_key& what) {
  return reader_->find_claim(what);
}

result<claim_count> sqlite_store::count_claims(utc_time now) {
  return reader_->count_claims(now);
}

result<std::vector<letter>> sqlite_store::letters(lsn before, std::uint32_t limit) {
  return reader_->letters(before, limit);
}

result<void> sqlite_store::backup(const std::string& file) {
  return copy_store(connection(options_, reader_cache_kib), file);
}

} // namespace troupe::store
