#include "tests/kit/trace.hpp"

#include <boost/core/demangle.hpp>

#include <caf/abstract_actor.hpp>
#include <caf/local_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/type_nr.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe::kit {
namespace {

constexpr std::uint64_t fnv_prime = 0x100000001b3U;

std::uint64_t digest_of(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (unsigned char c : text)
    h = (h ^ c) * fnv_prime;
  return h;
}

// In the table: the namespaces that all of ours share say nothing.
std::string_view short_type(std::string_view type) {
  for (std::string_view prefix : {"troupe::detail::", "troupe::kit::", "troupe::"})
    if (type.starts_with(prefix))
      return type.substr(prefix.size());
  return type;
}

// `12.345678` seconds
std::string seconds(std::chrono::microseconds at) {
  return fmt::format("{}.{:06}", at.count() / 1'000'000, at.count() % 1'000'000);
}

} // namespace

std::string type_name(const std::type_info& type) {
  auto name = boost::core::demangle(type.name());
  // g++ and clang agree on all else.
  for (auto at = name.find("(anonymous namespace)::"); at != name.npos;
       at = name.find("(anonymous namespace)::"))
    name.erase(at, std::string_view{"(anonymous namespace)::"}.size());
  return name;
}

void trace_log::begin_life(std::function<std::string(std::uint64_t)> namer) {
  labels_.clear();
  namer_ = std::move(namer);
}

std::uint32_t trace_log::word_of(std::string text) {
  if (auto i = word_index_.find(text); i != word_index_.end())
    return i->second;
  auto n = static_cast<std::uint32_t>(words_.size());
  words_.push_back({text, digest_of(text)});
  word_index_.emplace(std::move(text), n);
  return n;
}

std::uint32_t trace_log::label_of(caf::abstract_actor* who) {
  if (who == nullptr)
    return word_of("-");
  auto id = who->id();
  if (auto i = labels_.find(id); i != labels_.end())
    return i->second;
  auto label = namer_ ? namer_(id) : std::string{};
  if (label.empty()) {
    auto* local = dynamic_cast<caf::local_actor*>(who);
    label = fmt::format("{}#{}", local == nullptr ? "actor" : local->name(), id);
  }
  return labels_.emplace(id, word_of(std::move(label))).first->second;
}

std::uint32_t trace_log::type_of(caf::mailbox_element* what) {
  if (what == nullptr)
    return word_of("-");
  const auto& content = what->content();
  if (content.empty())
    return word_of("()");
  auto [number, info] = content.type(0);
  if (number != 0 || info == nullptr) // a type that CAF itself knows
    return word_of(number == 0 ? "?" : caf::numbered_type_names[number - 1]);
  auto [at, fresh] = types_.try_emplace(std::type_index{*info}, 0);
  if (fresh)
    at->second = word_of(type_name(*info));
  return at->second;
}

void trace_log::add(caf::resumable& job, std::uint64_t step, std::chrono::microseconds at,
                    bool chosen) {
  auto* who = dynamic_cast<caf::scheduled_actor*>(&job);
  if (who == nullptr)
    return;
  auto* what = who->peek_at_next_mailbox_element();
  auto* from = what == nullptr || !what->sender
                 ? nullptr
                 : caf::actor_cast<caf::abstract_actor*>(what->sender);
  add(turn{step, at, label_of(from), label_of(who), type_of(what), chosen});
}

void trace_log::add_time(std::uint64_t step, std::chrono::microseconds at) {
  add(turn{step, at, word_of("-"), word_of("time"), word_of("passes"), true});
}

void trace_log::add(const turn& t) {
  for (auto part : {words_[t.from].digest, words_[t.to].digest, words_[t.message].digest,
                    static_cast<std::uint64_t>(t.at.count())})
    digest_ = (digest_ ^ part) * fnv_prime;
  ++size_;
  if (turns_.size() == turns_max)
    turns_.pop_front();
  turns_.push_back(t);
}

void trace_log::add(std::chrono::microseconds at, const event& e) {
  if (events_.size() == events_max)
    events_.pop_front();
  events_.push_back({at, e});
}

std::vector<delivery> trace_log::turns(std::size_t n) const {
  std::vector<delivery> out;
  for (auto i = turns_.size() - std::min(n, turns_.size()); i < turns_.size(); ++i) {
    const auto& t = turns_[i];
    out.push_back({t.step, t.at, words_[t.from].text, words_[t.to].text, words_[t.message].text,
                   t.chosen});
  }
  return out;
}

std::vector<seen_event> trace_log::events(std::size_t n) const {
  auto first = events_.end() - static_cast<long>(std::min(n, events_.size()));
  return {first, events_.end()};
}

std::string table_of(const std::vector<delivery>& turns) {
  std::size_t from = 4, to = 2;
  for (const auto& d : turns) {
    from = std::max(from, d.from.size());
    to = std::max(to, d.to.size());
  }
  auto out = fmt::format("  {:>6} {:>13}    {:{}}    {:{}} message\n", "step", "seconds", "from",
                         from, "to", to);
  for (const auto& d : turns)
    out += fmt::format("{} {:>6} {:>13}    {:{}} -> {:{}} {}\n", d.chosen ? '*' : ' ', d.step,
                       seconds(d.at), d.from, from, d.to, to, short_type(d.message));
  return out;
}

std::string table_of(const std::vector<seen_event>& events) {
  std::size_t name = 5, who = 3;
  for (const auto& e : events) {
    name = std::max(name, e.what.name.size());
    who = std::max(who, e.what.invocation.size() + e.what.service.size() + 1);
  }
  auto out = fmt::format("  {:>13}  {:{}}  {:{}}  {}\n", "seconds", "event", name, "who", who,
                         "result and fields");
  for (const auto& e : events) {
    auto whom = e.what.invocation;
    whom += whom.empty() || e.what.service.empty() ? "" : " ";
    whom += e.what.service;
    out += fmt::format("  {:>13}  {:{}}  {:{}}  {}", seconds(e.at), e.what.name, name, whom, who,
                       e.what.result);
    if (e.what.attempt > 0)
      out += fmt::format(" attempt {}", e.what.attempt);
    for (const auto& [field, value] : e.what.fields)
      out += fmt::format(" {}={}", field, value);
    out += '\n';
  }
  return out;
}

} // namespace troupe::kit
