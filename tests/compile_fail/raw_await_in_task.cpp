// expect: only journaled effects, tasks and their
#include "runtime/core/agent.hpp"

struct socket_read {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  int await_resume() { return 1; }
};

troupe::task<int> reads_a_socket() {
  int n = co_await socket_read{};
  co_return n;
}
