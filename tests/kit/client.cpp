#include "tests/kit/client.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kit {
namespace {

/// Signals that it sends before the first of them is acknowledged.
constexpr std::size_t signals_at_once = 2;

bool holds_signal(stage& on, const std::string& id, std::uint32_t value) {
  for (const auto& e : on.journal_of(id))
    if (const auto* s = std::get_if<journal::signalled>(&e);
        s != nullptr && (s->value.stored || s->value.text == std::to_string(value)))
      return true;
  return false;
}

std::string said(const answer& a) {
  return a.value ? *a.value : to_string(a.value.error());
}

} // namespace

client::asked& client::at(stage& on) {
  for (auto& a : here_)
    if (a.of == &on)
      return a;
  auto& fresh = here_.emplace_back();
  fresh.of = &on;
  return fresh;
}

void client::act(stage& on, std::mt19937_64& chance, bool eager) {
  auto& a = at(on);
  bool again = !a.run || a.run->refused || (a.run->ended && store::is_open(a.run->state));
  if (again) {
    a.run = on.invoke(part_->agent, part_->input, part_->key);
    a.accepted = a.ended = false;
    if (chance() % 8 == 0) // a proxy that repeats what is slow
      (void)on.invoke(part_->agent, part_->input, part_->key);
  }
  if (id_.empty() || ended_ || gone_)
    return;
  auto wanted = std::max<std::size_t>(part_->signals, signals_.size()) - signals_.size();
  auto now = [&] { return eager || chance() % 4 == 0; };
  for (auto n = std::min(wanted, signals_at_once); n > a.signals.size() && now();) {
    signal_request s;
    s.id = id_;
    s.name = "go";
    s.value = std::to_string(++last_signal_);
    a.signals.emplace_back(last_signal_, on.ask<command_reply>(std::move(s)));
  }
  if (part_->cancels && !cancel_told_ && !a.cancel && now())
    a.cancel = on.ask<command_reply>(cancel_request{id_});
}

void client::watch(stage& on) {
  for (auto& a : here_)
    if (a.of == &on) {
      watch_answer(a);
      watch_signals(a);
    }
}

void client::watch_answer(asked& a) {
  if (!a.run)
    return;
  const auto& now = *a.run;
  if (now.accepted && !std::exchange(a.accepted, true)) {
    if (!id_.empty() && id_ != now.id)
      throw violation{"nothing acknowledged is lost",
                      fmt::format("key \"{}\" began {} and then {}", part_->key, id_, now.id)};
    id_ = now.id;
    if (!a.of->record_of(id_))
      throw violation{"nothing acknowledged is lost",
                      fmt::format("{} was accepted and is not in the store", id_)};
  }
  if (!now.ended || store::is_open(now.state) || std::exchange(a.ended, true))
    return;
  auto stored = a.of->record_of(now.id);
  if (!stored || store::is_open(stored->state))
    throw violation{"nothing acknowledged is lost",
                    fmt::format("{} was told as {} and the store says {}", now.id,
                                store::to_string(now.state),
                                stored ? store::to_string(stored->state) : "nothing")};
  if (ended_ && (ended_->state != now.state || said(*ended_) != said(now)))
    throw violation{"nothing acknowledged is lost",
                    fmt::format("{} ended twice: {} and {}", now.id, said(*ended_), said(now))};
  ended_ = now;
}

void client::watch_signals(asked& a) {
  if (a.cancel && a.cancel->has_value() && (*a.cancel)->done)
    cancel_told_ = true;
  std::erase_if(a.signals, [&](const auto& sent) {
    const auto& [value, reply] = sent;
    if (!reply->has_value())
      return false;
    const auto& done = (*reply)->done;
    if (!done) {
      gone_ = gone_ || done.error().code == errc::not_found;
      return true;
    }
    signals_.insert(value);
    // Where rows are trimmed, one that was consumed at once may be gone by now.
    auto record = a.of->record_of(id_);
    if (!record || (record->generation == 0 && !holds_signal(*a.of, id_, value)))
      throw violation{"nothing acknowledged is lost",
                      fmt::format("signal {} of {} was acknowledged and is not in the store",
                                  value, id_)};
    return true;
  });
  // Refused for a while: it may be asked again.
  if (a.cancel && a.cancel->has_value() && !cancel_told_)
    a.cancel = nullptr;
}

std::string client::standing() const {
  return fmt::format("{} {} \"{}\": {}, {} of {} signals", part_->agent, id_.empty() ? "-" : id_,
                     part_->key, ended_ ? store::to_string(ended_->state) : "open",
                     signals_.size(), part_->signals);
}

} // namespace troupe::kit
