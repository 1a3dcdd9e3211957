#pragma once
// One invocation over HTTP, begun once however often it is asked for. Private to this room.
//
// A server that is killed and started again, or busy, is no reason to give up or to do a thing
// twice: every request carries an idempotency key, so it can be sent again until it is answered.

#include "runtime/bin/client.hpp"

#include <atomic>
#include <string>

namespace troupe::cli {

/// How it went.
struct invoked {
  int code = exit_failed;
  std::string id;
  std::string result;  ///< JSON, where it has completed
  std::string problem; ///< in words, where not
  std::string body;    ///< of the last answer
};

class invoker {
public:
  explicit invoker(const invoke_options& o) : options_(o), client_(o.client) {}

  /// Sends until there is an answer, or the server could not be reached for `timeout`. Thread-safe.
  invoked invoke(const std::string& input, const std::string& key) const;

  /// Tries that had to be repeated because the server was away or busy.
  std::uint64_t repeats() const noexcept { return repeats_; }

private:
  bool wait_over(std::chrono::steady_clock::time_point since) const;
  std::string preference(std::chrono::steady_clock::time_point since) const;

  const invoke_options& options_;
  client client_;
  mutable std::atomic<std::uint64_t> repeats_{0};
};

/// JSON as it stands, the content of `@file`, or stdin for `-`.
result<std::string> read_input(const std::string& given);

/// A whole file, or stdin for `-`.
result<std::string> read_file(const std::string& name);

/// A key that nobody has used.
std::string fresh_key();

} // namespace troupe::cli
