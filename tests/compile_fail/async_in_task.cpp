// expect: only journaled effects, tasks and their
#include "runtime/core/agent.hpp"
#include "runtime/core/async.hpp"

troupe::async<int> asks_an_actor();

troupe::task<int> awaits_an_async() {
  int n = co_await asks_an_actor();
  co_return n;
}
