#include "actors/llm/scripted_backend.hpp"

#include "runtime/core/messages.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace troupe {
namespace detail {

/// To the player: hand over `outcome` at `due`.
struct play_answer {
  model_request_id id = 0;
  utc_time due{};
  result<model_answer> outcome;
  model_done done;
  /// Of a stream: the pieces of `outcome`, and when the next one is due.
  std::function<void(const model_delta&)> on_delta{};
  std::chrono::milliseconds every{};
  std::size_t said = 0;
};

struct stop_answer {
  model_request_id id = 0;
};

} // namespace detail
} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::play_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::stop_answer)

namespace troupe {
namespace {

using detail::play_answer;
using detail::stop_answer;

// The next word, with the space behind it. False where there is none left.
bool say_a_word(play_answer& p) {
  if (!p.on_delta || !p.outcome || p.said >= p.outcome->text.size())
    return false;
  std::string_view rest = std::string_view{p.outcome->text}.substr(p.said);
  auto end = rest.find(' ');
  auto word = rest.substr(0, end == rest.npos ? end : end + 1);
  p.said += word.size();
  p.on_delta({model_delta::kind::text, word});
  return true;
}

void say_all(play_answer& p) {
  while (say_a_word(p)) {
  }
  p.done(std::move(p.outcome));
}

class script_player final : public caf::event_based_actor {
public:
  script_player(caf::actor_config& cfg, caf::actor timer)
    : event_based_actor(cfg), timer_(std::move(timer)) {}

  const char* name() const override { return "script_player"; }

  void on_exit() override {
    for (auto& [_, open] : std::exchange(open_, {}))
      open.done(error{errc::shutting_down, "the scripted model has ended", certainty::unknown});
    send(timer_, disarm_timers{address()});
    timer_ = nullptr;
  }

protected:
  caf::behavior make_behavior() override {
    return {
      [this](play_answer& p) {
        send(timer_, arm_timer{caf::actor_cast<caf::actor>(this), p.id, p.due});
        auto id = p.id;
        open_.emplace(id, std::move(p));
      },
      [this](const timer_fired& t) { go_on(t.id); },
      [this](const stop_answer& s) {
        auto why = error{errc::cancelled, "cancelled", certainty::unknown};
        send(timer_, arm_timer{caf::actor_cast<caf::actor>(this), s.id, never});
        finish(s.id, &why);
      },
    };
  }

private:
  void go_on(model_request_id id) {
    auto found = open_.find(id);
    if (found == open_.end())
      return;
    auto& p = found->second;
    if (p.every.count() == 0 || !say_a_word(p)) {
      finish(id, nullptr);
      return;
    }
    p.due += p.every;
    send(timer_, arm_timer{caf::actor_cast<caf::actor>(this), id, p.due});
  }

  void finish(model_request_id id, const error* instead) {
    auto found = open_.find(id);
    if (found == open_.end())
      return;
    auto open = std::move(found->second);
    open_.erase(found);
    if (instead != nullptr)
      open.done(*instead);
    else
      say_all(open);
  }

  caf::actor timer_;
  std::unordered_map<model_request_id, play_answer> open_;
};

// A model that counts tokens as the rule of thumb does: four characters each.
std::int64_t tokens_of(std::size_t characters) {
  return static_cast<std::int64_t>((characters + 3) / 4);
}

model_answer said(const script_answer& a, const model_request& request, std::uint64_t nth) {
  std::size_t asked = 0;
  for (const auto& m : request.messages)
    asked += m.content.size();
  model_answer out;
  out.text = a.text;
  out.input_tokens = a.input_tokens >= 0 ? a.input_tokens : tokens_of(asked);
  out.output_tokens = a.output_tokens >= 0 ? a.output_tokens : tokens_of(a.text.size());
  out.model = "scripted";
  for (const auto& [name, arguments] : a.tool_calls)
    out.tool_calls.push_back(
      {fmt::format("call_{}_{}", nth, out.tool_calls.size()), name, arguments});
  if (!out.tool_calls.empty())
    out.finish_reason = "tool_calls";
  return out;
}

bool matches(const script_rule& rule, std::string_view text, std::string_view last) {
  auto all_in = [](const std::vector<std::string>& parts, std::string_view in) {
    return std::all_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return in.find(part) != in.npos; });
  };
  return all_in(rule.contains, text) && all_in(rule.last, last);
}

// Cuts the answer in half. Words that break off are no mistake that anybody could see, so there the
// whole answer is one that cannot be read.
result<model_answer> broken(model_answer answer, const model_request& request) {
  if (request.schema.empty())
    return error{errc::unavailable, "script: the answer cannot be read", certainty::unknown};
  answer.text.resize(answer.text.size() / 2);
  return answer;
}

} // namespace

scripted_backend::scripted_backend(caf::actor_system& system, const environment& env,
                                   caf::actor timer, model_script script)
  : env_(env), script_(std::move(script)), player_(system.spawn<script_player>(std::move(timer))),
    matched_(script_.rules.size()) {}

scripted_backend::~scripted_backend() {
  caf::anon_send_exit(player_, caf::exit_reason::user_shutdown);
}

model_request_id scripted_backend::start(const model_request& request, model_done done) {
  std::unique_lock lock{mutex_};
  auto id = ++requests_;
  const auto* fault = fault_due();
  auto outcome = answer(request);
  auto wait = latency();
  lock.unlock();
  if (fault != nullptr && fault->how == script_error::timed_out)
    wait = request.timeout;
  detail::play_answer play;
  play.id = id;
  play.due = env_.clock.now() + wait;
  play.outcome = std::move(outcome);
  play.done = std::move(done);
  play.on_delta = request.on_delta;
  play.every = script_.chunk;
  if (wait.count() == 0 && (!play.on_delta || play.every.count() == 0)) {
    say_all(play);
    return id;
  }
  caf::anon_send(player_, std::move(play));
  return id;
}

void scripted_backend::cancel(model_request_id id) {
  caf::anon_send(player_, detail::stop_answer{id});
}

std::uint64_t scripted_backend::requests() const {
  std::lock_guard lock{mutex_};
  return requests_;
}

const script_fault* scripted_backend::fault_due() const {
  for (const auto& f : script_.faults)
    if (requests_ % f.every == 0)
      return &f;
  return nullptr;
}

// The answer, and the counter that giving it moves on (none for `otherwise`).
std::pair<const script_answer*, std::uint64_t*>
scripted_backend::choose(const model_request& request) {
  std::string text;
  for (const auto& m : request.messages)
    text += m.content + "\n";
  text = lower_case(text);
  auto last
    = request.messages.empty() ? std::string{} : lower_case(request.messages.back().content);
  for (std::size_t i = 0; i < script_.rules.size(); ++i) {
    const auto& rule = script_.rules[i];
    if ((rule.times == 0 || matched_[i] < rule.times) && matches(rule, text, last))
      return {&rule.answer, &matched_[i]};
  }
  if (sequence_at_ < script_.sequence.size())
    return {&script_.sequence[sequence_at_], &sequence_at_};
  return {script_.otherwise ? &*script_.otherwise : nullptr, nullptr};
}

result<model_answer> scripted_backend::answer(const model_request& request) {
  const auto* fault = fault_due();
  if (fault != nullptr && fault->how == script_error::unavailable)
    return error{errc::unavailable, "script: unavailable", certainty::unknown};
  if (fault != nullptr && fault->how == script_error::rate_limited)
    return error{errc::rate_limited, "script: rate limited"};
  if (fault != nullptr && fault->how == script_error::timed_out)
    return error{errc::timed_out, "script: timed out", certainty::unknown};
  auto [chosen, counter] = choose(request);
  if (chosen == nullptr)
    return error{errc::failed, "the script has no answer for these messages"};
  if (fault != nullptr)
    return broken(said(*chosen, request, requests_), request);
  if (counter != nullptr)
    ++*counter;
  return said(*chosen, request, requests_);
}

std::chrono::milliseconds scripted_backend::latency() {
  auto spread = static_cast<std::uint64_t>((script_.latency_max - script_.latency_min).count());
  auto more = spread == 0 ? 0 : env_.random.next() % (spread + 1);
  return script_.latency_min + std::chrono::milliseconds{static_cast<std::int64_t>(more)};
}

} // namespace troupe
