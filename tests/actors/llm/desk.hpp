#pragma once
// An endpoint with what may take the place of its conversation: another model, a budget, a stream.

#include "runtime/core/stream_hub.hpp"
#include "tests/actors/llm/ground.hpp"

namespace troupe::test {

class desk : public ground {
public:
  explicit desk(endpoint_options o = {}, std::vector<budget_options> budgets = {}) {
    o.name = options.name;
    o.model = options.model;
    o.script = options.script;
    o.retry.attempts_max = 1;
    options = std::move(o);
    backend = std::make_shared<fake_backend>();
    if (!budgets.empty())
      book = std::make_shared<budget_book>(std::move(budgets), env);
    llm_setup setup{env, timer, options, backend};
    setup.budgets = book;
    env.streams = &hub;
    aut = start_llm_endpoint(system, std::move(setup));
    run();
  }
  ~desk() {
    if (other)
      caf::anon_send_exit(std::exchange(other, nullptr), caf::exit_reason::kill);
  }

  /// Another model, `llm:spare`.
  void hire_spare() {
    auto o = options;
    o.name = "spare";
    o.fallback = {};
    spare = std::make_shared<fake_backend>();
    other = start_llm_endpoint(system, llm_setup{env, timer, o, spare});
    run();
  }
  /// One call that is streamed, of the invocation and stream that a follower of `hub` sees.
  std::shared_ptr<asked<call_reply>> stream(utc_time deadline = never,
                                            std::string invocation = "k3f9x2-17") {
    call_request r;
    r.id = ++last_id;
    r.service = "llm:fast";
    r.body = words;
    r.key = invocation + "/0/0/-/4";
    r.options = R"({"stream":true})";
    r.cls = effect_class::read;
    r.deadline = deadline;
    r.invocation = std::move(invocation);
    return ask<call_reply>(std::move(r));
  }
  /// `text 1 It `, for what a follower has got since the last time.
  static std::vector<std::string> lines_of(stream_reader& from) {
    std::vector<std::string> out;
    for (const auto& c : from.read())
      out.push_back(std::string{to_string(c.what)} + " " + std::to_string(c.attempt) + " " + c.text);
    return out;
  }
  void spare_says(std::size_t n, result<model_answer> what) {
    spare->end(n, std::move(what));
    run();
  }

  stream_hub hub;
  std::shared_ptr<fake_backend> spare;
  std::shared_ptr<budget_book> book;
  caf::actor other;
};

inline error down() {
  return {errc::unavailable, "503", certainty::unknown};
}

inline endpoint_options with_spare() {
  endpoint_options o;
  o.fallback.models = {"spare"};
  return o;
}

} // namespace troupe::test
