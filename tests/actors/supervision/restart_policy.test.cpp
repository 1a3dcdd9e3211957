#include "actors/supervision/dead_letters.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

class fixed_random final : public random_source {
public:
  explicit fixed_random(std::uint64_t v) : value_(v) {}
  std::uint64_t next() override { return value_; }

private:
  std::uint64_t value_;
};

} // namespace

TEST_CASE("restarts are counted within the period only") {
  restart_window window{2, 10s};
  steady_time start{100s};

  CHECK(window.count(start));
  CHECK(window.count(start + 1s));
  CHECK_FALSE(window.count(start + 2s));
  CHECK(window.count(start + 11'500ms));
}

TEST_CASE("restart delays grow to their bound, with jitter around them") {
  backoff_options options{.min = 100ms, .max = 1s, .factor = 2, .jitter = 0};
  fixed_random random{0};
  CHECK(restart_delay(options, 0, random) == 100ms);
  CHECK(restart_delay(options, 2, random) == 400ms);
  CHECK(restart_delay(options, 50, random) == 1s);

  options.jitter = 0.5;
  CHECK(restart_delay(options, 0, random) == 50ms);
  fixed_random high{(1U << 20U) - 1};
  CHECK(restart_delay(options, 0, high) == 149ms);
}

TEST_CASE("a child that dies at once goes one checkpoint back, then to nothing") {
  checkpoint_history history{5};
  history.started();
  history.save("a");
  history.save("b");

  history.died(false);
  CHECK(history.next() == "b");
  CHECK(history.describe() == "latest");

  history.started();
  history.save("b again"); // of a short life: as suspicious as what it began with
  history.died(true);
  CHECK(history.next() == "a");
  CHECK(history.describe() == "1 before the latest");

  history.started();
  history.died(true);
  CHECK(history.next().empty());
  CHECK(history.describe() == "none");

  history.started();
  history.save("c");
  history.died(false);
  CHECK(history.next() == "c");
}

TEST_CASE("a start that fails does not drop what a long life has saved") {
  checkpoint_history history{5};
  history.started();
  history.save("a");
  history.save("b");
  history.died(false);

  history.died(true); // could not be started
  CHECK(history.next() == "a");

  history.started();
  history.died(false);
  CHECK(history.next() == "b");
}

TEST_CASE("only the latest checkpoints are kept") {
  checkpoint_history history{2};
  for (auto state : {"a", "b", "c"})
    history.save(state);
  history.started();

  history.died(true);
  CHECK(history.next() == "b");
  history.started();
  history.died(true);
  CHECK(history.next().empty());
}

TEST_CASE("a message that has killed three times is set aside, over restarts too") {
  dead_letters letters;
  CHECK_FALSE(letters.died("k"));
  CHECK_FALSE(letters.died("k"));

  dead_letters successor;
  successor.restore(letters.all());
  CHECK_FALSE(successor.holds("k"));
  CHECK(successor.died("k"));
  CHECK(successor.holds("k"));
  CHECK_FALSE(successor.holds("other"));
}

TEST_CASE("dead letters do not fill the memory") {
  dead_letters letters;
  for (std::size_t i = 0; i < 3 * dead_letters::remembered_max; ++i)
    letters.died(std::to_string(i));

  CHECK(letters.all().size() == dead_letters::remembered_max);
}
