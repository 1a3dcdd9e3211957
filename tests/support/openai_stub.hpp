#pragma once
// A server that speaks Chat Completions on loopback and says what the test tells it to.

#include "runtime/net/http_server.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

/// Answers in the order in which they were planned; a request that nobody planned gets a 500.
/// Thread-safe.
class openai_stub {
public:
  openai_stub();

  /// `http://127.0.0.1:PORT/v1`
  std::string base_url() const;

  /// Plans a completion.
  openai_stub& say(const std::string& text);
  /// Plans any answer.
  openai_stub& answer(int status, std::string body, net::http_headers headers = {});
  /// Plans a connection that is cut in the middle of an answer.
  openai_stub& cut();
  /// Plans a request that is never answered.
  openai_stub& hold();

  /// All requests so far.
  std::vector<net::http_server_request> requests() const;
  /// Waits until `n` requests have come, or `n` clients of held ones have gone.
  bool wait_for_requests(std::size_t n, std::chrono::seconds within = std::chrono::seconds{10});
  bool wait_for_gone(std::size_t n, std::chrono::seconds within = std::chrono::seconds{10});

private:
  enum class manner { answer, cut, hold };
  struct planned {
    manner how = manner::answer;
    int status = 200;
    std::string body;
    net::http_headers headers;
  };

  void serve(net::http_server_request in, net::responder out);
  openai_stub& plan(planned p);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<planned> plan_;
  std::vector<net::http_server_request> seen_;
  std::vector<std::shared_ptr<net::responder>> held_;
  std::size_t gone_ = 0;
  std::unique_ptr<net::http_server> server_; ///< last: its thread uses the rest
};

} // namespace troupe::test
