#include "actors/guard/retry.hpp"

#include "tests/support/catch.hpp"

#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// Gives what it is told to, the last one for ever.
class scripted_random final : public random_source {
public:
  explicit scripted_random(std::vector<std::uint64_t> values) : values_(std::move(values)) {}
  std::uint64_t next() override {
    auto value = values_[at_];
    at_ = std::min(at_ + 1, values_.size() - 1);
    return value;
  }

private:
  std::vector<std::uint64_t> values_;
  std::size_t at_ = 0;
};

const utc_time now{1'000s};

error passing(certainty known = certainty::definite) {
  return error{errc::unavailable, "down", known};
}

struct one_call {
  retry_options options;
  retry_budget budget;
  scripted_random random{{~std::uint64_t{0}}};
  retry_state state;

  explicit one_call(effect_class cls, retry_options o = {}, utc_time deadline = never)
    : options(o), budget(options), state(options, cls, deadline) {}

  retry_decision failed(const error& why, utc_time when = now) {
    return state.failed(why, when, budget, random);
  }
};

} // namespace

TEST_CASE("only failures that may pass are tried again") {
  for (auto code : {errc::timed_out, errc::unavailable, errc::rate_limited})
    CHECK(one_call{effect_class::read}.failed(error{code}).stop == retry_stop::no);

  for (auto code : {errc::invalid_input, errc::failed, errc::not_found, errc::conflict,
                    errc::overloaded, errc::circuit_open, errc::cancelled, errc::internal,
                    errc::output_too_large, errc::schema_mismatch, errc::budget_exceeded})
    CHECK(one_call{effect_class::read}.failed(error{code}).stop == retry_stop::permanent);
}

TEST_CASE("an effect that may have happened is repeated only where a repeat does no harm") {
  for (auto cls : {effect_class::pure, effect_class::read, effect_class::idempotent})
    CHECK(one_call{cls}.failed(passing(certainty::unknown)).stop == retry_stop::no);

  CHECK(one_call{effect_class::at_most_once}.failed(passing(certainty::unknown)).stop
        == retry_stop::unsafe);
  CHECK(one_call{effect_class::at_most_once}.failed(passing()).stop == retry_stop::no);
}

TEST_CASE("attempts are counted, the first included") {
  one_call call{effect_class::read, {.attempts_max = 2}};

  CHECK(call.failed(passing()).stop == retry_stop::no);
  CHECK(call.failed(passing()).stop == retry_stop::attempts);
}

TEST_CASE("delays are random between nothing and a cap that doubles") {
  one_call call{effect_class::read,
                {.attempts_max = 100, .backoff_base = 200ms, .backoff_max = 1s}};
  // next() % (top + 1) is top for these:
  call.random = scripted_random{{200, 400, 800, 1'000, 0}};

  CHECK(call.failed(passing()).wait == 200ms);
  CHECK(call.failed(passing()).wait == 400ms);
  CHECK(call.failed(passing()).wait == 800ms);
  CHECK(call.failed(passing()).wait == 1s);
  CHECK(call.failed(passing()).wait == 0ms);
}

TEST_CASE("a throttled call waits longer") {
  one_call call{effect_class::read};
  call.random = scripted_random{{1'000}};

  CHECK(call.failed(error{errc::rate_limited}).wait == 1s);
}

TEST_CASE("Retry-After is honoured up to its bound, and never undercut") {
  one_call patient{effect_class::read};
  error why = passing();
  why.retry_after = 60s;
  auto next = patient.failed(why);
  CHECK(next.stop == retry_stop::no);
  CHECK(next.wait >= 60s);
  CHECK(next.wait <= 60s + 200ms);

  one_call hurried{effect_class::read};
  why.retry_after = 60'001ms;
  CHECK(hurried.failed(why).stop == retry_stop::too_long_wait);
  CHECK(hurried.state.closing(why).retry_after == 60'001ms);
}

TEST_CASE("a wait that would end past the deadline is not begun") {
  one_call call{effect_class::read, {}, now + 1s};
  error why = passing();
  why.retry_after = 1s;

  CHECK(call.failed(why).stop == retry_stop::deadline);
  CHECK(call.budget.tokens() == 500);
}

TEST_CASE("an empty budget ends all retries of a service, and successes fill it again") {
  retry_options options{.budget = 30};
  retry_budget budget{options};
  scripted_random random{{0}};
  retry_state a{options, effect_class::read, never};
  retry_state b{options, effect_class::read, never};

  CHECK(a.failed(passing(), now, budget, random).stop == retry_stop::no);
  CHECK(a.failed(error{errc::rate_limited}, now, budget, random).stop == retry_stop::no);
  CHECK(budget.tokens() == 30 - 14 - 5);
  CHECK(b.failed(passing(), now, budget, random).stop == retry_stop::budget);

  a.succeeded(budget);
  CHECK(budget.tokens() == 16);
  retry_state{options, effect_class::read, never}.succeeded(budget);
  CHECK(budget.tokens() == 17);
  budget.refund(1'000);
  CHECK(budget.tokens() == 30);
}

TEST_CASE("once an attempt may have happened, no later refusal makes the call definite") {
  one_call call{effect_class::idempotent};
  call.failed(error{errc::timed_out, "", certainty::unknown});
  call.failed(passing());

  CHECK(call.state.closing(passing()).outcome == certainty::unknown);
}
