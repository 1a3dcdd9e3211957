#include "runtime/net/blocking_pool.hpp"

#include "tests/runtime/net/await.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <future>

using namespace troupe;
using namespace troupe::net;
using test::inbox;

TEST_CASE("a pool runs work on its own threads, side by side") {
  blocking_pool aut{{.threads_max = 2, .queue_max = 10}};
  inbox<int> first;
  inbox<int> second;
  inbox<int> sum;

  // Each waits for the other: with one thread neither would end.
  REQUIRE(aut.post([&] {
    first.put(1);
    sum.put(second.take());
  }));
  REQUIRE(aut.post([&] {
    second.put(2);
    sum.put(first.take());
  }));

  CHECK(sum.take() + sum.take() == 3);
}

TEST_CASE("a full queue is an answer") {
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  blocking_pool aut{{.threads_max = 1, .queue_max = 2}};
  inbox<int> started;
  REQUIRE(aut.post([&] {
    started.put(1);
    opened.wait();
  }));
  started.take();

  CHECK(aut.post([] {}));
  CHECK(aut.post([] {}));
  auto refused = aut.post([] {});
  CHECK(aut.queued() == 2);
  gate.set_value();

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::overloaded);
  CHECK(refused.error().message.find("queue_max") != std::string::npos);
}

TEST_CASE("a pool that ends does what it has taken, and takes no more") {
  std::atomic<int> done = 0;
  {
    std::promise<void> gate;
    auto opened = gate.get_future().share();
    blocking_pool aut{{.threads_max = 1, .queue_max = 100}};
    for (int i = 0; i < 50; ++i)
      REQUIRE(aut.post([&, opened] {
        opened.wait();
        ++done;
      }));
    gate.set_value();
  }

  CHECK(done == 50);
}

TEST_CASE("work that throws harms nobody else") {
  inbox<int> box;
  blocking_pool aut{{.threads_max = 1, .queue_max = 10}};

  REQUIRE(aut.post([] { throw std::runtime_error("a bug"); }));
  REQUIRE(aut.post([&] { box.put(1); }));

  CHECK(box.take() == 1);
  CHECK(aut.exceptions() == 1);
}

TEST_CASE("a pool whose own work lets go of it at last does what it has taken, and ends") {
  inbox<int> box;
  {
    auto aut = std::make_shared<blocking_pool>(blocking_pool_options{.threads_max = 2});
    std::promise<void> gate;
    auto opened = gate.get_future().share();
    REQUIRE(aut->post([aut, opened]() mutable {
      opened.wait();
      aut.reset(); // joins the other thread, not its own
    }));
    REQUIRE(aut->post([&box, opened] {
      opened.wait();
      box.put(1);
    }));
    REQUIRE(aut->post([&box] { box.put(2); }));
    aut.reset();
    gate.set_value();
  }

  CHECK(box.take() + box.take() == 3);
}
