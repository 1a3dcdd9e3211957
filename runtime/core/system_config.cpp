#include "runtime/core/system_config.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>

#include <algorithm>
#include <thread>

namespace troupe {

std::size_t worker_threads(const scheduler_options& options) noexcept {
  if (options.threads != 0)
    return options.threads;
  return std::max<std::size_t>(3, std::thread::hardware_concurrency() + 1);
}

void configure(caf::actor_system_config& config, const scheduler_options& options) {
  // CAF ignores a value of another type than it expects without a word: sizes are integers there,
  // pauses are caf::timespan.
  config.set("scheduler.policy", caf::atom("stealing"));
  config.set("scheduler.max-threads", worker_threads(options));
  config.set("scheduler.max-throughput", options.throughput);
  config.set("work-stealing.aggressive-poll-attempts", options.aggressive_polls);
  config.set("work-stealing.aggressive-steal-interval", options.steal_interval);
  config.set("work-stealing.moderate-poll-attempts", options.moderate_polls);
  config.set("work-stealing.relaxed-steal-interval", std::size_t{1});
  config.set("work-stealing.relaxed-sleep-duration", caf::timespan{options.relaxed_sleep});
  config.set("logger.console-verbosity", caf::atom("quiet"));
  config.set("logger.file-verbosity", caf::atom("quiet"));
}

} // namespace troupe
