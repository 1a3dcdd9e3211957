// What the benchmarks over HTTP run inside the real binary.

#include "runtime/core/agent.hpp"

namespace {

using namespace troupe;

/// Does nothing: what is left is the price of accepting, running and answering durably.
class bench_empty final : public agent<int, int> {
  task<int> run(int n) override { co_return n; }
};
TROUPE_AGENT(bench_empty)

/// Sequential durable steps of 100 bytes.
class bench_steps final : public agent<int, int> {
  task<int> run(int n) override {
    const std::string data(100, 'x');
    auto step = [&data] { return data; };
    for (int i = 0; i < n; ++i) {
      auto done = co_await troupe::run("step", effect_class::idempotent, step);
      if (!done)
        co_return std::move(done).error();
    }
    co_return n;
  }
};
TROUPE_AGENT(bench_steps)

} // namespace
