#pragma once
// Waiting for what another thread does, with an end.

#include "runtime/net/http_transport.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>

namespace troupe::test {

/// What other threads hand to the test, in their order.
template <class T>
class inbox {
public:
  void put(T value) {
    std::lock_guard lock{mutex_};
    values_.push_back(std::move(value));
    wake_.notify_all();
  }

  /// The next one; throws when none comes.
  T take() {
    std::unique_lock lock{mutex_};
    if (!wake_.wait_for(lock, std::chrono::seconds{10}, [this] { return !values_.empty(); }))
      throw std::runtime_error("nothing came");
    auto value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

  std::size_t size() {
    std::lock_guard lock{mutex_};
    return values_.size();
  }

private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<T> values_;
};

/// Sends and waits for the answer.
inline net::http_response_or_error fetch(net::http_transport& aut, net::http_request request) {
  inbox<net::http_response_or_error> answers;
  aut.send(std::move(request), [&](auto answer) { answers.put(std::move(answer)); });
  return answers.take();
}

} // namespace troupe::test
