#pragma once
// A real nginx on loopback: what model gateways are measured against, and in front of.

#include "tests/bench/support/rig.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::bench {

/// One nginx with one worker; ends with its object. Ends this process with a message where nginx is
/// not installed (tests/bench/run.sh installs it) or does not start.
class nginx {
public:
  /// Answers every request at once with `json`.
  static nginx answering(const std::string& json);
  /// Passes every request on to 127.0.0.1:`upstream`, over connections that it keeps.
  static nginx in_front_of(std::uint16_t upstream);

  nginx(nginx&&) noexcept;
  ~nginx();

  std::uint16_t port() const noexcept { return port_; }
  /// CPU seconds of its worker so far, to a hundredth.
  double cpu_seconds() const;

private:
  explicit nginx(const std::string& location, const std::string& beside = {});

  std::unique_ptr<scratch> folder_;
  std::uint16_t port_ = 0;
  int pid_ = 0;
};

} // namespace troupe::bench
