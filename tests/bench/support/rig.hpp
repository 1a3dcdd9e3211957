#pragma once
// A real troupe in this process, on a fresh SQLite file: what the in-process figures are taken of.

#include "actors/flow/dispatcher.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/system_config.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <caf/actor_system.hpp>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::bench {

/// A folder that goes with its object. Under `TROUPE_BENCH_DIR` or here: /tmp may be memory, and a
/// sync of memory costs nothing.
class scratch {
public:
  scratch();
  ~scratch();
  const std::filesystem::path& path() const noexcept { return path_; }

private:
  std::filesystem::path path_;
};

class rig {
public:
  /// @param agents names of registered classes, invoked under the same name
  rig(const std::filesystem::path& store, std::vector<agent_options> agents,
      dispatcher_options options = {});
  ~rig();

  /// Sends an invocation; `done` runs on the dispatcher's thread at its durable end, `accepted` when
  /// it is durable. Either may be empty.
  void invoke(std::string agent, std::string input, std::function<void(bool)> done,
              std::function<void()> accepted = {});

  void drain();
  std::uint64_t commits() const noexcept { return commits_; }
  dispatcher_stats stats();
  caf::actor_system& system() { return *system_; }
  environment& env() { return env_; }
  const caf::actor& dispatcher() const { return dispatcher_; }

private:
  system_time time_;
  system_random random_;
  null_sink sink_;
  directory services_;
  std::unique_ptr<store::durable_store> store_;
  environment env_{time_, random_, sink_, services_};
  std::unique_ptr<journal::commit_log> log_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  caf::actor reader_;
  caf::actor timer_;
  caf::actor dispatcher_;
  std::atomic<std::uint64_t> commits_{0};
};

/// Microseconds at quantile `q` of what is in `all` (sorted by it).
double quantile(std::vector<double>& all, double q);

/// CPU seconds of this process so far, and its peak resident memory in MiB.
double cpu_seconds();
double peak_rss_mib();
/// Resident memory now, in bytes.
std::size_t rss_bytes();

/// Median time of a bare SQLite commit of one 200 byte row with the same durability, in
/// microseconds, on the same disk, now.
double raw_commit_us(const std::filesystem::path& folder, double seconds = 0.5);

} // namespace troupe::bench
