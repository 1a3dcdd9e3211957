#pragma once
// A load generator: so many connections that each send a request, wait for its answer, and send the
// next. One thread, raw sockets, since it shares the cores with what it measures.

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::bench {

struct load_result {
  std::uint64_t answers = 0;
  std::uint64_t errors = 0;    ///< anything but a 200
  double seconds = 0;
  std::vector<double> took_ms;
};

/// POSTs `body` to `path` on 127.0.0.1:`port` for `seconds`.
load_result http_load(std::uint16_t port, const std::string& path, const std::string& body,
                      int connections, double seconds);

/// A port of loopback that was free a moment ago.
std::uint16_t free_port();
/// Whether somebody accepts connections there.
bool listens(std::uint16_t port);

} // namespace troupe::bench
