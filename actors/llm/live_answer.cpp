#include "actors/llm/live_answer.hpp"

#include "actors/llm/wire_error.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

namespace troupe::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::int64_t characters_per_token = 4;

struct call_options {
  std::optional<bool> stream;
};
BOOST_DESCRIBE_STRUCT(call_options, (), (stream))

stream_kind kind_of(const model_delta& d) {
  switch (d.what) {
    case model_delta::kind::reasoning:
      return stream_kind::reasoning;
    case model_delta::kind::tool_call:
      return stream_kind::tool_call;
    case model_delta::kind::text:
      break;
  }
  return stream_kind::text;
}

std::int64_t tokens_of(std::uint64_t characters) {
  return static_cast<std::int64_t>(characters) / characters_per_token + 1;
}

std::int64_t ms_of(nanoseconds d) {
  return std::chrono::duration_cast<milliseconds>(d).count();
}

} // namespace

/// Of one attempt. Written by the backend's thread.
struct live_answer::pieces {
  pieces(const time_source& time, stream_writer to, bool shared)
    : clock(time), out(std::move(to), shared), began(time.steady()) {}

  void add(const model_delta& d) {
    if (over)
      return;
    auto now = (clock.steady() - began).count();
    if (count++ == 0)
      first = now;
    last = now;
    characters += d.text.size();
    out.add(kind_of(d), d.text, d.call);
  }

  const time_source& clock;
  stream_fan out;
  const steady_time began;
  std::atomic<std::int64_t> first{0}; ///< nanoseconds from the beginning
  std::atomic<std::int64_t> last{0};
  std::atomic<std::uint32_t> count{0};
  std::atomic<std::uint64_t> characters{0};
  std::atomic<bool> over{false};
};

result<void> live_answer::read(const call_request& r, const environment& env,
                               const endpoint_options& options) {
  if (r.options.empty())
    return {};
  auto asked = from_json<call_options>(r.options);
  if (!asked)
    return error{errc::invalid_input, "options of the call: " + asked.error().message};
  streams_ = asked->stream.value_or(false);
  env_ = &env;
  options_ = &options;
  place_.invocation = r.invocation;
  place_.stream = stream_of(r.key, r.invocation);
  return {};
}

void live_answer::join(const live_answer& other) {
  if (!streams_ || !shared_ || !other.streams_ || env_->streams == nullptr)
    return;
  const auto& who = others_.emplace_back(other.place_);
  if (now_ && !now_->over)
    now_->out.join(who, [&] { return env_->streams->begin(who.invocation, who.stream); });
}

void live_answer::leave(const live_answer& other) {
  if (std::erase(others_, other.place_) > 0 && now_)
    now_->out.leave(other.place_);
}

void live_answer::begin(model_request& question, milliseconds left) {
  end();
  if (!streams_)
    return;
  stream_writer out;
  if (env_->streams != nullptr)
    out = env_->streams->begin(place_.invocation, place_.stream);
  now_ = std::make_shared<pieces>(env_->clock, std::move(out), shared_);
  for (const auto& who : others_)
    now_->out.join(who, [&] { return env_->streams->begin(who.invocation, who.stream); });
  asked_ = 0;
  for (const auto& m : question.messages)
    asked_ += m.content.size();
  question.timeout = left;
  question.on_delta = [to = now_](const model_delta& d) { to->add(d); };
}

utc_time live_answer::look_at(utc_time until) const {
  if (!now_)
    return until;
  auto allowed = now_->count == 0 ? nanoseconds{options_->first_chunk_timeout}
                                  : nanoseconds{now_->last} + options_->stall_timeout;
  auto left = now_->began + allowed - env_->clock.steady();
  return std::min(until, env_->clock.now() + std::chrono::ceil<std::chrono::microseconds>(left));
}

bool live_answer::late_first() const {
  return now_ && !now_->over && now_->count == 0
         && env_->clock.steady() - now_->began >= options_->first_chunk_timeout;
}

bool live_answer::stalled() const {
  return now_ && !now_->over && now_->count > 0
         && env_->clock.steady() - now_->began - nanoseconds{now_->last} >= options_->stall_timeout;
}

std::optional<error> live_answer::overdue() const {
  if (late_first())
    return error{errc::timed_out,
                 fmt::format("no first chunk within {} ms (first_chunk_timeout)",
                             options_->first_chunk_timeout.count()),
                 certainty::unknown};
  if (stalled())
    return error{errc::timed_out,
                 fmt::format("the stream stalled after {} chunks: nothing for {} ms (stall_timeout)",
                             now_->count.load(), options_->stall_timeout.count()),
                 certainty::unknown};
  return std::nullopt;
}

void live_answer::end() {
  if (!now_)
    return;
  now_->over = true;
  now_->out.close();
}

bool live_answer::passed_on() const {
  return now_ && now_->out.seen();
}

bool live_answer::speaks() const {
  return now_ && now_->count > 0;
}

bool live_answer::read_by_others() const {
  return streams_ && env_->streams != nullptr && env_->streams->seen(place_.invocation, place_.stream);
}

nanoseconds live_answer::measured(nanoseconds took) const {
  return now_ && now_->count > 0 ? nanoseconds{now_->first} : took;
}

std::optional<tokens_heard> live_answer::heard() const {
  if (!now_ || now_->count == 0)
    return std::nullopt;
  return tokens_heard{tokens_of(asked_), tokens_of(now_->characters)};
}

void live_answer::describe(event& e, const error* why) const {
  if (!now_)
    return;
  e.fields.emplace_back("chunks", to_json(now_->count.load()));
  if (now_->count > 0)
    e.fields.emplace_back("first_chunk_ms", to_json(ms_of(nanoseconds{now_->first})));
  if (why == nullptr)
    return;
  auto fault = stream_fault_of(*why, now_->count > 0);
  if (why->code == errc::timed_out && overdue())
    fault = late_first() ? "first_chunk" : "stall";
  e.fields.emplace_back("fault", to_json(fault));
  if (auto used = heard()) {
    e.fields.emplace_back("input_tokens", to_json(used->input));
    e.fields.emplace_back("output_tokens", to_json(used->output));
  }
}

} // namespace troupe::detail
