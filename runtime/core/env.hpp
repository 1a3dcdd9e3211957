#pragma once
// What every actor of one troupe shares: time, chance, events and the names of the others.
//
// Handed to each actor as a reference at its birth instead of living in globals, so that two stages
// in one process never meet and a test can replace each part.

#include "runtime/core/call.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/telemetry/events.hpp"

#include <caf/actor.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Names of services and who serves them now. A supervisor puts the successor under the same name.
/// Thread-safe.
class directory {
public:
  struct entry {
    caf::actor handle;
    service_info info;
  };

  /// Registers or replaces a service.
  void put(std::string name, caf::actor handle, service_info info);

  /// Takes a service out.
  void remove(std::string_view name);

  /// Who serves `name` now. Where nobody does and `name` is `a.b`, who serves `a.*`: a group whose
  /// members come and go answers for those that are not there. Else nothing.
  std::optional<entry> find(std::string_view name) const;

  /// All names, sorted.
  std::vector<std::string> names() const;

  /// Forgets every handle, so that the actors can end.
  void clear();

private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, entry, std::less<>> entries_;
};

class stream_hub;

/// The parts that all actors of one troupe share. Outlives every actor.
struct environment {
  const time_source& clock;
  random_source& random;
  event_sink& events;
  directory& services;
  /// Where the pieces of streamed answers go; null where nobody could follow.
  stream_hub* streams = nullptr;
};

} // namespace troupe
