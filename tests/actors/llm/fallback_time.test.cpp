// A model that hangs leaves those that stand in for it the time that they need.

#include "tests/actors/llm/desk.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

endpoint_options patient(std::vector<std::string> models = {"spare"}) {
  endpoint_options o;
  o.fallback.models = std::move(models);
  return o;
}

/// `desk` sets one attempt; here a model is asked as often as by default.
class patient_desk : public desk {
public:
  explicit patient_desk(endpoint_options o = patient()) : desk(std::move(o)) {}
  void asks_three_times() {
    caf::anon_send_exit(aut, caf::exit_reason::kill);
    run();
    options.retry.attempts_max = 3;
    start();
  }
};

} // namespace

TEST_CASE("fault 31: a model that hangs leaves the next one time for a whole attempt") {
  patient_desk d;
  d.asks_three_times();
  d.hire_spare();
  auto slot = d.call(words);

  d.advance(139s);
  CHECK(d.backend->seen.size() == 3); // 60 s each, of 200 s less 60 s
  CHECK(d.spare->seen.empty());
  d.advance(2s);
  CHECK(d.backend->open() == 0);
  REQUIRE(d.spare->seen.size() == 1);
  CHECK(d.spare->seen[0].asked.timeout > 58s);
  d.advance(57s);
  d.spare_says(0, says("a spare friend"));

  CHECK(slot->value().find("a spare friend") != std::string::npos);
  CHECK(slot->reply->degraded);
}

TEST_CASE("a short call is shared out evenly so that a model that hangs does not use it up") {
  patient_desk d;
  d.hire_spare();
  auto slot = d.call(words, d.time.now() + 10s);

  d.advance(4'900ms);
  CHECK(d.spare->seen.empty());
  d.advance(200ms);
  CHECK(d.backend->seen[0].cancelled);
  REQUIRE(d.spare->seen.size() == 1);
  d.spare_says(0, says("in time"));

  CHECK(slot->value().find("in time") != std::string::npos);
}

TEST_CASE("each model of a chain has its part of the time") {
  patient_desk d{patient({"spare", "last"})};
  d.hire_spare();
  auto o = d.options;
  o.name = "last";
  o.fallback = {};
  auto last = std::make_shared<fake_backend>();
  auto third = start_llm_endpoint(d.system, llm_setup{d.env, d.timer, o, last});
  auto slot = d.call(words, d.time.now() + 30s);

  d.advance(10'100ms);
  REQUIRE(d.spare->seen.size() == 1);
  CHECK(last->seen.empty());
  d.advance(10'100ms);
  CHECK(d.spare->seen[0].cancelled);
  REQUIRE(last->seen.size() == 1);
  d.advance(9s);
  last->end(0, says("in time"));
  d.run();

  CHECK(slot->value().find("in time") != std::string::npos);
  caf::anon_send_exit(third, caf::exit_reason::kill);
}

TEST_CASE("how much time is kept can be said") {
  auto o = patient();
  o.fallback.reserve = 2s;
  patient_desk d{o};
  d.hire_spare();
  auto slot = d.call(words, d.time.now() + 10s);

  d.advance(7'900ms);
  CHECK(d.spare->seen.empty());
  d.advance(200ms);
  CHECK(d.spare->seen.size() == 1);
  d.advance(2s);

  CHECK(slot->why().code == errc::deadline_exceeded);
}

TEST_CASE("without other models nothing is kept back") {
  endpoint_options o;
  o.fallback.text = "later";
  patient_desk d{o};
  auto slot = d.call(words, d.time.now() + 10s);

  d.advance(9'900ms);
  CHECK_FALSE(d.backend->seen[0].cancelled);
  d.advance(200ms);

  CHECK(slot->value().find("later") != std::string::npos);
}

TEST_CASE("a stream that never speaks is taken over by another model before anybody sees it") {
  patient_desk d;
  d.hire_spare();
  auto in = d.hub.follow("k3f9x2-17", [] {});
  auto slot = d.stream(d.time.now() + 20s);

  d.advance(10'100ms);
  CHECK(d.backend->seen[0].cancelled);
  REQUIRE(d.spare->seen.size() == 1);
  d.spare->seen[0].asked.on_delta({model_delta::kind::text, "It is I."});
  d.spare_says(0, says("It is I."));

  CHECK(slot->value().find("It is I.") != std::string::npos);
  CHECK(desk::lines_of(in) == std::vector<std::string>{"text 2 It is I."});
}

TEST_CASE("a stream that speaks may take all the time of its call") {
  patient_desk d;
  d.hire_spare();
  auto slot = d.stream(d.time.now() + 20s);

  for (int i = 0; i < 19; ++i) {
    d.backend->seen[0].asked.on_delta({model_delta::kind::text, "."});
    d.advance(1s);
  }
  CHECK_FALSE(d.backend->seen[0].cancelled);
  d.answer(0, says("..................."));

  CHECK(slot->outcome());
  CHECK(d.spare->seen.empty());
}

TEST_CASE("words of a model that stood in and broke off are not taken up by a third") {
  patient_desk d{patient({"spare", "last"})};
  d.hire_spare();
  auto o = d.options;
  o.name = "last";
  o.fallback = {};
  auto last = std::make_shared<fake_backend>();
  auto third = start_llm_endpoint(d.system, llm_setup{d.env, d.timer, o, last});
  auto in = d.hub.follow("k3f9x2-17", [] {});
  auto slot = d.stream();

  d.answer(0, down());
  REQUIRE(d.spare->seen.size() == 1);
  d.spare->seen[0].asked.on_delta({model_delta::kind::text, "It i"});
  CHECK(desk::lines_of(in) == std::vector<std::string>{"text 2 It i"});
  d.spare_says(0, down());

  CHECK(slot->why().code == errc::unavailable);
  CHECK(last->seen.empty());
  caf::anon_send_exit(third, caf::exit_reason::kill);
}
