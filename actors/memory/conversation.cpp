#include "actors/memory/conversation.hpp"

#include "actors/memory/token_estimate.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

std::int64_t tokens_in(const kept_turn& t) noexcept {
  return estimate_tokens(t.user) + estimate_tokens(t.assistant) + 2 * message_tokens;
}

std::vector<kept_turn> take_oldest(conversation& c, std::size_t n) {
  auto end = c.window.begin() + static_cast<std::ptrdiff_t>(n);
  std::vector<kept_turn> fallen{std::make_move_iterator(c.window.begin()),
                                std::make_move_iterator(end)};
  c.window.erase(c.window.begin(), end);
  c.forgotten += static_cast<std::int64_t>(n);
  return fallen;
}

} // namespace

bool expired(const conversation& c, utc_time now, std::chrono::milliseconds ttl) noexcept {
  auto silent = now - utc_time{std::chrono::microseconds{c.spoke_at}};
  return ttl.count() > 0 && c.turns > 0 && silent > ttl;
}

std::int64_t tokens_in(const conversation& c) noexcept {
  auto all = c.summary.empty() ? 0 : estimate_tokens(c.summary) + message_tokens;
  for (const auto& t : c.window)
    all += tokens_in(t);
  return all;
}

std::vector<kept_turn> slide(conversation& c, std::int64_t coming, std::int64_t tokens_max) {
  auto all = tokens_in(c) + coming;
  if (all <= tokens_max)
    return {};
  std::size_t n = 0;
  for (; n < c.window.size() && all > tokens_max / 2; ++n)
    all -= tokens_in(c.window[n]);
  return take_oldest(c, n);
}

std::vector<kept_turn> halve(conversation& c) {
  return take_oldest(c, (c.window.size() + 1) / 2);
}

std::string text_message(std::string_view role, std::string_view text) {
  return fmt::format(R"({{"role":{},"content":{}}})", to_json(role), to_json(text));
}

std::vector<std::string> messages_of(const conversation& c, std::string_view system) {
  std::vector<std::string> out;
  if (!system.empty())
    out.push_back(text_message("system", system));
  if (!c.summary.empty())
    out.push_back(
      text_message("system", "What was said earlier in this conversation: " + c.summary));
  for (const auto& t : c.window) {
    out.push_back(text_message("user", t.user));
    out.push_back(text_message("assistant", t.assistant));
  }
  return out;
}

std::string summary_prompt(std::string_view before, const std::vector<kept_turn>& fallen) {
  std::string out = "Sum up this part of a conversation for the assistant who goes on with it. Keep "
                    "names, numbers, decisions, open questions and what the user wants; leave out "
                    "the rest. At most 200 words, in the user's language.\n";
  if (!before.empty())
    out += fmt::format("\nSo far: {}\n", before);
  for (const auto& t : fallen)
    out += fmt::format("\nUser: {}\nAssistant: {}\n", t.user, t.assistant);
  return out;
}

} // namespace troupe
