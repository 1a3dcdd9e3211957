#pragma once
// The HTTP gateway's options: `[gateway]` in a topology.

#include "actors/flow/dispatcher_options.hpp"
#include "runtime/core/options.hpp"
#include "runtime/core/secret.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

struct gateway_options {
  // Behaviour
  bool enabled = true;
  /// Loopback unless a token guards it.
  std::string host = "127.0.0.1";
  std::uint16_t port = 7070; ///< 0: any free one
  /// Bearer token of every request but `/healthz` and `/readyz`; empty: none, loopback only.
  secret token;
  /// Of every agent; an agent may ask for more.
  idempotency_rule idempotency = idempotency_rule::optional;
  /// Longest `Prefer: wait`: a held connection costs memory, polling does not.
  std::chrono::milliseconds wait_max{60'000};

  /// Longest time for an answer of Chat Completions; its invocation ends then.
  std::chrono::milliseconds completion_timeout{600'000};
  /// A client of Chat Completions that goes away takes its invocation with it.
  bool cancel_on_disconnect = true;

  // Performance
  std::size_t body_max = std::size_t{4} << 20;    ///< bytes; above it 413
  std::size_t header_max = std::size_t{16} << 10; ///< bytes; above it 431
  std::uint32_t connections_max = 10'000;         ///< above it 503
  /// A client that takes longer to send its request is cut off.
  std::chrono::milliseconds read_timeout{30'000};
  /// An idle keep-alive connection is closed.
  std::chrono::milliseconds idle_timeout{75'000};

  option_problems validate() const;
};

/// `localhost`, `127.*` and `::1`.
bool is_loopback(std::string_view host) noexcept;

} // namespace troupe
