#include "tests/bench/support/rig.hpp"

#include "runtime/core/timer.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace troupe::bench {
namespace {

class callback_observer final : public invocation_observer {
public:
  callback_observer(std::function<void(bool)> done, std::function<void()> accepted)
    : done_(std::move(done)), accepted_(std::move(accepted)) {}
  void on_accepted(const std::string&, bool) override {
    if (accepted_)
      accepted_();
  }
  void on_ended(const std::string& id, const outcome& how) override {
    if (!how.value && how.value.error().code != errc::shutting_down)
      fmt::print(stderr, "{} failed: {}\n", id, to_string(how.value.error()));
    if (done_)
      done_(how.value.has_value());
  }
  void on_refused(const error& why) override {
    fmt::print(stderr, "refused: {}\n", to_string(why));
    if (done_)
      done_(false);
  }

private:
  std::function<void(bool)> done_;
  std::function<void()> accepted_;
};

} // namespace

scratch::scratch() {
  const char* base = std::getenv("TROUPE_BENCH_DIR");
  path_ = std::filesystem::path{base != nullptr ? base : "."}
          / fmt::format("troupe-bench-{}", ::getpid());
  std::filesystem::remove_all(path_);
  std::filesystem::create_directories(path_);
}

scratch::~scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

rig::rig(const std::filesystem::path& store, std::vector<agent_options> agents,
         dispatcher_options options) {
  store::sqlite_options sqlite;
  sqlite.path = store;
  auto opened = store::sqlite_store::open(std::move(sqlite), random_, time_);
  if (!opened) {
    fmt::print(stderr, "{}\n", to_string(opened.error()));
    std::exit(1);
  }
  store_ = std::move(*opened);
  log_ = std::make_unique<journal::commit_log>(*store_, env_);
  log_->on_commit = [this](const journal::commit_report&) { ++commits_; };
  config_ = std::make_unique<caf::actor_system_config>();
  configure(*config_);
  system_ = std::make_unique<caf::actor_system>(*config_);
  log_->start(*system_);
  reader_ = spawn_reader(*system_, *log_);
  timer_ = spawn_timer(*system_, time_, sink_);
  dispatcher_setup setup{env_,   *log_, reader_, timer_, options, std::move(agents), {},
                         std::chrono::hours{24 * 7}, {}};
  dispatcher_ = system_->spawn<troupe::dispatcher>(std::move(setup));
}

rig::~rig() {
  caf::anon_send_exit(dispatcher_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(timer_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(reader_, caf::exit_reason::user_shutdown);
  log_->stop();
  dispatcher_ = timer_ = reader_ = nullptr;
  system_.reset();
}

void rig::invoke(std::string agent, std::string input, std::function<void(bool)> done,
                 std::function<void()> accepted) {
  invoke_request r;
  r.agent = std::move(agent);
  r.input = std::move(input);
  r.observer = std::make_shared<callback_observer>(std::move(done), std::move(accepted));
  caf::anon_send(dispatcher_, std::move(r));
}

dispatcher_stats rig::stats() {
  caf::scoped_actor self{*system_};
  dispatcher_stats out;
  self->request(dispatcher_, std::chrono::seconds{60}, stats_request{})
    .receive([&](dispatcher_stats& s) { out = std::move(s); }, [](const caf::error&) {});
  return out;
}

void rig::drain() {
  caf::scoped_actor self{*system_};
  self->request(dispatcher_, std::chrono::seconds{60}, drain_request{std::chrono::seconds{30}})
    .receive([](const drained&) {}, [](const caf::error&) {});
}

double quantile(std::vector<double>& all, double q) {
  if (all.empty())
    return 0;
  auto nth = all.begin() + static_cast<long>(q * static_cast<double>(all.size() - 1));
  std::nth_element(all.begin(), nth, all.end());
  return *nth;
}

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

double peak_rss_mib() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_maxrss) / 1024.0;
}

std::size_t rss_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::size_t pages = 0;
  std::size_t resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

double raw_commit_us(const std::filesystem::path& folder, double seconds) {
  auto file = folder / "raw.db";
  sqlite3* db = nullptr;
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK)
    return 0;
  sqlite3_exec(db,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
               "CREATE TABLE journal(lsn INTEGER PRIMARY KEY, inv INTEGER NOT NULL,"
               " body BLOB NOT NULL); CREATE INDEX journal_inv ON journal(inv);",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO journal VALUES(?,?,zeroblob(200))", -1, &insert, nullptr);
  std::vector<double> took;
  auto begin = std::chrono::steady_clock::now();
  auto last = begin;
  for (sqlite3_int64 i = 1; std::chrono::duration<double>(last - begin).count() < seconds; ++i) {
    sqlite3_bind_int64(insert, 1, i);
    sqlite3_bind_int64(insert, 2, i / 10);
    sqlite3_step(insert); // autocommit: one row, one commit
    sqlite3_reset(insert);
    auto now = std::chrono::steady_clock::now();
    took.push_back(std::chrono::duration<double, std::micro>(now - last).count());
    last = now;
  }
  sqlite3_finalize(insert);
  sqlite3_close(db);
  std::filesystem::remove(file);
  return quantile(took, 0.5);
}

} // namespace troupe::bench
