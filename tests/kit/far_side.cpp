#include "tests/kit/far_side.hpp"

#include "runtime/core/json.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>

namespace troupe::kit {
namespace {

constexpr std::size_t catalogue_size = 5'000; // above `inline_max`, so it becomes a blob

/// Longest time until an attempt that was called off says so.
constexpr std::chrono::milliseconds hang_up{20};

struct attempt_begun {
  attempt_request what;
  attempt_done done;
};
struct attempt_over {
  attempt_id id = 0;
};
struct attempt_called_off {
  attempt_id id = 0;
};

} // namespace
} // namespace troupe::kit

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::attempt_begun)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::attempt_over)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::attempt_called_off)

namespace troupe::kit {
namespace {

/// Carries out the attempts of one tool in virtual time.
class attempts final : public caf::event_based_actor {
public:
  attempts(caf::actor_config& cfg, far_side& far, stage& on, std::string service, bool reconciles)
    : caf::event_based_actor(cfg), far_(far), on_(on), service_(std::move(service)),
      reconciles_(reconciles) {}

protected:
  caf::behavior make_behavior() override {
    return {
      [this](attempt_begun& b) { begin(b); },
      [this](const attempt_over& o) { end(o.id); },
      [this](const attempt_called_off& c) {
        if (auto i = open_.find(c.id); i != open_.end() && !i->second.deaf)
          delayed_send(this, hang_up, attempt_over{c.id});
      },
    };
  }

private:
  struct open {
    attempt_done done;
    result<std::string> value;
    bool deaf = false; ///< answers in its own time, called off or not
  };

  void begin(attempt_begun& b) {
    if (far_.dead())
      return;
    call_request r;
    r.service = service_;
    r.body = b.what.body;
    r.key = b.what.key;
    r.cls = b.what.cls;
    r.deadline = b.what.deadline;
    r.invocation = b.what.invocation;
    if (reconciles_) {
      reconcile_request question;
      question.service = service_;
      question.key = r.key;
      question.body = r.body;
      answer(b, far_.look_up(on_, question));
      return;
    }
    auto f = far_.meet(on_, r);
    if (f.at_once)
      far_.note_effect(r, f.value);
    tell("far_side.begun", b.what.id, "ok");
    auto& o = open_[b.what.id];
    o.done = std::move(b.done);
    o.value = f.silent ? error{errc::cancelled, "hung up", certainty::unknown} : f.value;
    o.deaf = !f.silent && b.what.id % 2 == 0;
    if (!f.silent)
      delayed_send(this, f.latency, attempt_over{b.what.id});
  }

  void answer(attempt_begun& b, const reconcile_reply& r) {
    if (r.state == reconcile_state::done)
      b.done(R"({"state":"done","result":)" + r.body + "}");
    else
      b.done(std::string{r.state == reconcile_state::not_done ? R"({"state":"not_done"})"
                                                              : R"({"state":"unknown"})"});
  }

  void end(attempt_id id) {
    auto gone = open_.extract(id);
    if (!gone)
      return;
    auto& value = gone.mapped().value;
    tell("far_side.answered", id, value ? std::string_view{"ok"} : to_string(value.error().code));
    gone.mapped().done(std::move(value));
  }

  // In the stage's trace, for those who compare what a guard does with what it can have seen.
  void tell(std::string_view what, attempt_id id, std::string_view result) {
    event e;
    e.lvl = level::debug;
    e.name = what;
    e.service = service_;
    e.result = result;
    e.fields.emplace_back("attempt_id", to_json(std::to_string(id)));
    on_.env().events.write(e);
  }

  far_side& far_;
  stage& on_;
  std::string service_;
  bool reconciles_;
  std::map<attempt_id, open> open_;
};

class far_backend final : public tool_backend {
public:
  explicit far_backend(caf::actor to) : to_(std::move(to)) {}
  void start(attempt_request what, attempt_done done) override {
    caf::anon_send(to_, attempt_begun{std::move(what), std::move(done)});
  }
  void cancel(attempt_id id) override { caf::anon_send(to_, attempt_called_off{id}); }

private:
  caf::actor to_;
};

} // namespace

std::string catalogue() {
  static const auto text = to_json(std::string(catalogue_size, 'c'));
  return text;
}

std::string did(const std::string& body) {
  return to_json("did " + body);
}

scripted_service far_side::service(std::string name, effect_class cls, bool reconciles,
                                   whereabouts here) {
  scripted_service s;
  s.name = std::move(name);
  s.info.cls = cls;
  s.info.reconciles = reconciles;
  s.info.total_timeout = std::chrono::seconds{10};
  s.answer = [this, here](const call_request& r, std::uint32_t) {
    auto f = dead() || *here == nullptr ? fate{true, false, {}, {}} : meet(**here, r);
    scripted_answer a;
    a.latency = f.latency;
    a.effect = f.at_once;
    a.silent = f.silent;
    a.value = std::move(f.value);
    return a;
  };
  s.reconcile = [this, here](const reconcile_request& r) {
    return dead() || *here == nullptr ? reconcile_reply{} : look_up(**here, r);
  };
  return s;
}

tool_parts far_side::tool(stage& on, std::string name) {
  auto& system = on.system();
  tool_parts parts;
  parts.backend = std::make_shared<far_backend>(
    on.keep(system.spawn<attempts>(std::ref(*this), std::ref(on), name, false)));
  parts.reconciler = std::make_shared<far_backend>(
    on.keep(system.spawn<attempts>(std::ref(*this), std::ref(on), name, true)));
  return parts;
}

far_side::fate far_side::meet(stage& on, const call_request& r) {
  auto now = on.now();
  settle(now);
  if (on_request)
    on_request(on, r);
  fate f;
  f.latency = up_to(how.answer_max);
  f.value = r.cls <= effect_class::read ? catalogue() : did(r.body);
  auto roll = percent();
  if (roll < how.refuses) {
    f.value = error{roll % 2 == 0 ? errc::failed : errc::unavailable, "refused"};
    return f;
  }
  roll -= how.refuses;
  f.silent = roll < how.loses_request + how.loses_answer;
  if (roll < how.loses_request || r.cls <= effect_class::read || !check_key(r))
    return f;
  // It happens: at once, on the way to the answer, or when nobody asks for it any more.
  auto delay = percent() < 50 ? std::chrono::milliseconds{0}
                              : up_to(f.silent ? how.late_max : f.latency);
  auto lands = now + delay;
  if (lands > r.deadline)
    f.silent = true;
  else if (r.cls != effect_class::idempotent
           || accepted_.emplace(name{r.service, r.key}, lands).second)
    late_.push_back({{r.service, r.body}, lands});
  f.at_once = delay.count() == 0;
  settle(now);
  return f;
}

// One key stands for one request. A service that knows keys answers the other one with an error;
// one that does not has done something that nobody asked for.
bool far_side::check_key(const call_request& r) {
  auto [i, fresh] = keys_.emplace(name{r.service, r.key}, r.body);
  if (fresh || i->second == r.body)
    return true;
  reused_.push_back("\"" + r.key + "\" at " + r.service + ", for " + i->second + " and for "
                    + r.body);
  return false;
}

reconcile_reply far_side::look_up(stage& on, const reconcile_request& r) {
  settle(on.now());
  if (percent() < how.cannot_tell)
    return {reconcile_state::unknown, "the far side cannot tell"};
  auto known = keys_.find({r.service, r.key});
  if (known != keys_.end() && happened(r.service, known->second) > 0)
    return {reconcile_state::done, did(known->second)};
  return {reconcile_state::not_done, {}};
}

void far_side::settle(utc_time now) {
  std::erase_if(late_, [&](const under_way& u) {
    if (u.lands > now)
      return false;
    ++done_[u.what];
    return true;
  });
}

std::uint32_t far_side::happened(const std::string& service, const std::string& body) const {
  auto i = done_.find({service, body});
  return i == done_.end() ? 0 : i->second;
}

std::vector<std::string> far_side::doubled() const {
  std::vector<std::string> all;
  for (const auto& [what, n] : done_)
    if (n > 1)
      all.push_back(what.first + " did " + what.second + " " + std::to_string(n) + " times");
  return all;
}

} // namespace troupe::kit
