#include "runtime/core/clock.hpp"

#include <fmt/format.h>

#include <ctime>
#include <random>

namespace troupe {

utc_time system_time::now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

steady_time system_time::steady() const {
  return std::chrono::steady_clock::now();
}

std::uint64_t system_random::next() {
  thread_local std::mt19937_64 generator{[] {
    std::random_device device;
    return (std::uint64_t{device()} << 32U) ^ device();
  }()};
  return generator();
}

std::string to_string(utc_time t) {
  if (t == never)
    return {};
  auto micros = t.time_since_epoch().count();
  auto seconds = static_cast<std::time_t>(micros / 1'000'000);
  auto rest = micros % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     rest);
}

} // namespace troupe
