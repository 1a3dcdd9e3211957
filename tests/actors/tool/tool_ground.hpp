#pragma once
// What the tests of a tool's actor stand on: backends whose attempts end as the test says, and
// callers that remember their answers.

#include "actors/tool/tool.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

/// Keeps attempts until the test says how they end.
class held_backend final : public tool_backend {
public:
  void start(attempt_request request, attempt_done done) override {
    dones[request.id] = std::move(done);
    seen.push_back(std::move(request));
  }
  void cancel(attempt_id id) override { cancelled.push_back(id); }

  void answer(std::size_t nth, result<std::string> outcome) {
    auto done = std::move(dones.extract(seen.at(nth).id).mapped());
    done(std::move(outcome));
  }

  std::vector<attempt_request> seen;
  std::vector<attempt_id> cancelled;
  std::map<attempt_id, attempt_done> dones;
};

/// Throws where other backends answer.
class throwing_backend final : public tool_backend {
public:
  void start(attempt_request, attempt_done) override {
    ++starts;
    throw std::runtime_error{"a bug"};
  }
  void cancel(attempt_id) override {}

  int starts = 0;
};

struct tool_ground {
  actor_stage stage;
  std::shared_ptr<held_backend> backend = std::make_shared<held_backend>();
  std::shared_ptr<held_backend> reconciler = std::make_shared<held_backend>();
  tool_options options;
  caf::actor aut;

  explicit tool_ground(tool_options o = {}, bool with_reconciler = false) : options(std::move(o)) {
    options.name = "desk";
    start({backend, with_reconciler ? reconciler : nullptr});
  }

  void start(tool_parts parts) {
    auto started = spawn_tool(stage.system(), {.env = stage.env,
                                               .options = options,
                                               .parts = std::move(parts),
                                               .timer = stage.timer});
    REQUIRE(started);
    aut = stage.keep(*started);
    stage.run();
  }

  call_request request(effect_class cls, std::string body = "{}") {
    call_request r;
    r.id = ++last_id;
    r.service = "tool:desk";
    r.body = std::move(body);
    r.key = "run-1/0/0//" + std::to_string(last_id);
    r.cls = cls;
    r.invocation = "run-1";
    return r;
  }

  awaited_ptr<call_reply> call(effect_class cls, std::string body = "{}") {
    return stage.call(aut, request(cls, std::move(body)));
  }

  void answer(std::size_t nth, result<std::string> outcome) {
    backend->answer(nth, std::move(outcome));
    stage.run();
  }

  call_id last_id = 0;
};

inline error lost() {
  return error{errc::unavailable, "connection cut", certainty::unknown};
}

/// Options that differ from the defaults in what `change` says.
template <class Change>
tool_options with(Change change) {
  tool_options o;
  change(o);
  return o;
}

inline errc code_of(const awaited_ptr<call_reply>& a) {
  return a->reply && !a->reply->outcome ? a->reply->outcome.error().code : errc::none;
}

inline certainty certainty_of(const awaited_ptr<call_reply>& a) {
  return a->reply->outcome.error().outcome;
}

/// One attempt each, so that a test counts calls.
inline tool_options once() {
  return with([](tool_options& o) { o.retry.attempts_max = 1; });
}

template <class Change>
tool_options once_with(Change change) {
  auto o = once();
  change(o);
  return o;
}

/// `n` calls that end in `outcome`.
inline void calls(tool_ground& f, int n, const result<std::string>& outcome) {
  for (int i = 0; i < n; ++i) {
    auto seen = f.backend->seen.size();
    auto answer = f.call(effect_class::read);
    REQUIRE(f.backend->seen.size() == seen + 1);
    f.answer(seen, outcome);
    REQUIRE(answer->reply);
  }
}

inline error down() {
  return error{errc::unavailable, "connection refused"};
}

} // namespace troupe::test
