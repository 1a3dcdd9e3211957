#pragma once
// A peer that speaks TLS, with a certificate that it has made itself a moment ago.

#include "tests/runtime/net/raw_socket.hpp"

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

namespace troupe::test {

/// Serves HTTPS on the loopback, one connection at a time: 200 and `{"tls":true}` to whatever is
/// asked. Its certificate is for 127.0.0.1, and is its own authority.
class tls_peer {
public:
  tls_peer();
  ~tls_peer();
  tls_peer(const tls_peer&) = delete;
  tls_peer& operator=(const tls_peer&) = delete;

  std::string url() const;
  /// PEM of the certificate, for those who are to trust it.
  const std::filesystem::path& certificate() const { return file_; }

private:
  struct secrets;

  void serve();

  std::unique_ptr<secrets> secrets_;
  std::filesystem::path file_;
  raw_listener listener_;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

} // namespace troupe::test
