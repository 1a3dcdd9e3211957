// The durable coroutine without an invocation: flat, leaf first, and nothing left behind.
#include "runtime/core/combine.hpp"
#include "tests/support/catch.hpp"

#include <deque>

using namespace troupe;

namespace {

/// Completes effects at once, or keeps them until the test says what came of them.
class bench final : public context {
public:
  bool issue(effect_base& e) override {
    issued.push_back(journal::to_string(journal::address{e.on()->path(), e.on()->take_seq()}) + " "
                     + e.name());
    if (at_once)
      return true;
    waiting.push_back(&e);
    return false;
  }
  void abandon(effect_base&) noexcept override {}

  /// Completes the effect that was issued as number `n`.
  void complete(std::size_t n) {
    auto* b = waiting.at(n)->on();
    b->next = b->leaf->self;
    detail::run_branch(b);
  }

  bool at_once = true;
  std::vector<std::string> issued;
  std::vector<effect_base*> waiting;
};

class number final : public effect<int> {
public:
  explicit number(int n, std::string name = {})
    : effect(journal::effect_kind::run, std::move(name), effect_class::pure) {
    outcome_ = std::to_string(n);
  }
};

/// Counts the living, and notes the order in which they die.
struct witness {
  static inline int alive = 0;
  static inline std::deque<int> died;

  explicit witness(int n) : no(n) { ++alive; }
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  ~witness() {
    --alive;
    died.push_back(no);
  }
  int no;
};

template <class T>
struct runner {
  explicit runner(task<T> t) : what(std::move(t)) {
    what.start_on(root, nullptr);
  }
  runner& run() {
    detail::run_branch(&root);
    return *this;
  }
  bench ctx;
  task<T> what;
  detail::branch root{ctx, {}}; // dies before the task, as in an invocation
};

task<int> one() {
  co_return 1;
}

task<long> awaits_effects(int n) {
  long sum = 0;
  for (int i = 0; i < n; ++i)
    sum += (co_await number(1)).value();
  co_return sum;
}

task<long> awaits_tasks(int n) {
  long sum = 0;
  for (int i = 0; i < n; ++i)
    sum += (co_await one()).value();
  co_return sum;
}

task<long> awaits_combinators(int n) {
  long sum = 0;
  for (int i = 0; i < n; ++i) {
    auto both = co_await when_all(one(), number(1));
    sum += std::get<0>(both).value() + std::get<1>(both).value();
  }
  co_return sum;
}

task<int> deep(int n) {
  witness w{n};
  if (n == 0)
    co_return (co_await number(0)).value();
  co_return (co_await deep(n - 1)).value() + 1;
}

task<int> throws_at(int n) {
  witness w{n};
  if (n == 0)
    throw std::runtime_error{"from the bottom"};
  co_return (co_await throws_at(n - 1)).value();
}

task<int> waits(int n, std::string name) {
  witness w{n};
  auto first = co_await number(n, name + "1");
  auto second = co_await number(n, name + "2");
  co_return first.value() + second.value();
}

} // namespace

TEST_CASE("a million awaits of effects leave the stack flat", "[task]") {
  runner<long> r{awaits_effects(1'000'000)};
  r.run();
  CHECK(r.what.take().value() == 1'000'000);
}

TEST_CASE("a million awaits of tasks leave the stack flat", "[task]") {
  runner<long> r{awaits_tasks(1'000'000)};
  r.run();
  CHECK(r.what.take().value() == 1'000'000);
}

TEST_CASE("a million branches leave the stack flat", "[task]") {
  runner<long> r{awaits_combinators(500'000)};
  r.run();
  CHECK(r.what.take().value() == 1'000'000);
}

TEST_CASE("tasks nest ten thousand deep", "[task]") {
  witness::died.clear();
  runner<int> r{deep(10'000)};
  r.run();
  CHECK(r.what.take().value() == 10'000);
  CHECK(witness::alive == 0);
}

TEST_CASE("a chain that is abandoned while it waits dies leaf first", "[task]") {
  witness::died.clear();
  {
    runner<int> r{deep(10'000)};
    r.ctx.at_once = false;
    r.run();
    CHECK(witness::alive == 10'001);
  }
  CHECK(witness::alive == 0);
  REQUIRE(witness::died.size() == 10'001);
  CHECK(std::is_sorted(witness::died.begin(), witness::died.end()));
}

TEST_CASE("an exception travels to the root and destroys what it passes", "[task]") {
  witness::died.clear();
  runner<int> r{throws_at(1'000)};
  r.run();
  CHECK(r.root.finished());
  CHECK_THROWS_WITH(r.what.take(), "from the bottom");
  CHECK(witness::alive == 0);
  CHECK(std::is_sorted(witness::died.begin(), witness::died.end()));
}

TEST_CASE("an exception in a branch reaches whoever waits for all of them", "[task]") {
  runner<int> r{[]() -> task<int> {
    auto both = co_await when_all(waits(1, "a"), throws_at(3));
    co_return std::get<0>(both).value();
  }()};
  r.run();
  CHECK_THROWS_WITH(r.what.take(), "from the bottom");
}

TEST_CASE("branches start by index, and addresses are given when effects are awaited", "[task]") {
  runner<int> r{[]() -> task<int> {
    auto never_awaited = number(0, "lazy");
    auto late = number(5, "made first, awaited last");
    auto all = co_await when_all(waits(1, "a"), waits(2, "b"), number(3, "c"));
    auto last = co_await std::move(late);
    co_return std::get<0>(all).value() + std::get<1>(all).value() + last.value();
  }()};
  r.run();

  CHECK(r.what.take().value() == 11);
  CHECK(r.ctx.issued
        == std::vector<std::string>{"0.0/0 a1", "0.0/1 a2", "0.1/0 b1", "0.1/1 b2", "0.2/0 c",
                                    "-/1 made first, awaited last"});
}

TEST_CASE("branches go on in the order in which their effects complete", "[task]") {
  runner<int> r{[]() -> task<int> {
    auto all = co_await when_all(waits(1, "a"), waits(2, "b"));
    co_return std::get<0>(all).value() * 10 + std::get<1>(all).value();
  }()};
  r.ctx.at_once = false;
  r.run();
  r.ctx.complete(1);
  r.ctx.complete(2);
  r.ctx.complete(0);
  CHECK_FALSE(r.root.finished());
  r.ctx.complete(3);

  CHECK(r.root.finished());
  CHECK(r.what.take().value() == 24);
  CHECK(r.ctx.issued
        == std::vector<std::string>{"0.0/0 a1", "0.1/0 b1", "0.1/1 b2", "0.0/1 a2"});
}

TEST_CASE("a race destroys its losers when the winner is taken", "[task]") {
  witness::died.clear();
  runner<int> r{[]() -> task<int> {
    auto first = co_await when_any(waits(1, "a"), waits(2, "b"), waits(3, "c"));
    auto after = co_await number(100, "after");
    co_return static_cast<int>(first.index) + first.value.value() + after.value();
  }()};
  r.ctx.at_once = false;
  r.run();
  CHECK(witness::alive == 3);
  r.ctx.complete(1);
  r.ctx.complete(3); // the second effect of b

  CHECK(witness::alive == 0);
  r.ctx.complete(4);
  CHECK(r.what.take().value() == 1 + 4 + 100);
}

TEST_CASE("a race that its first alternative wins at once starts no other", "[task]") {
  runner<int> r{[]() -> task<int> {
    auto first = co_await when_any(one(), waits(2, "b"));
    co_return static_cast<int>(first.index);
  }()};
  r.run();
  CHECK(r.what.take().value() == 0);
  CHECK(r.ctx.issued.empty());
  CHECK(witness::alive == 0);
}

TEST_CASE("nested combinators that are abandoned while they wait leave nothing alive", "[task]") {
  {
    runner<int> r{[]() -> task<int> {
      auto inner = []() -> task<int> {
        auto both = co_await when_all(waits(1, "a"), deep(50));
        co_return std::get<0>(both).value();
      };
      auto first = co_await when_any(inner(), waits(3, "c"));
      co_return first.value.value();
    }()};
    r.ctx.at_once = false;
    r.run();
    CHECK(witness::alive == 53);
  }
  CHECK(witness::alive == 0);
}

TEST_CASE("a race of nothing is refused, all of nothing is done", "[task]") {
  runner<int> r{[]() -> task<int> {
    std::vector<task<int>> none;
    auto all = co_await when_all(std::move(none));
    std::vector<task<int>> nobody;
    auto any = co_await when_any(std::move(nobody));
    co_return static_cast<int>(all.size()) + (any.value.error().code == errc::invalid_input ? 1 : 0);
  }()};
  r.run();
  CHECK(r.what.take().value() == 1);
}

TEST_CASE("ten thousand branches side by side end in any order", "[task]") {
  runner<long> r{[]() -> task<long> {
    std::vector<task<int>> many;
    for (int i = 0; i < 10'000; ++i)
      many.push_back(waits(i, ""));
    auto all = co_await when_all(std::move(many));
    long sum = 0;
    for (auto& v : all)
      sum += v.value();
    co_return sum;
  }()};
  r.ctx.at_once = false;
  r.run();
  for (std::size_t i = 10'000; i-- > 0;)
    r.ctx.complete(i);
  for (std::size_t i = 10'000; i < 20'000; ++i)
    r.ctx.complete(i);
  CHECK(r.root.finished());
  CHECK(r.what.take().value() == 2L * 9'999 * 10'000 / 2);
}
