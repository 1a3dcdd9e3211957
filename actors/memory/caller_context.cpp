#include "actors/memory/caller_context.hpp"

#include "actors/llm/answer.hpp"
#include "actors/memory/token_estimate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace troupe {
namespace {

struct part_fields {
  std::optional<std::string> text;
  std::optional<raw_json> image_url;
};
BOOST_DESCRIBE_STRUCT(part_fields, (), (text, image_url))

struct message_fields {
  std::string role;
  std::optional<raw_json> content;
  std::optional<raw_json> tool_calls;
  std::optional<std::string> tool_call_id;
};
BOOST_DESCRIBE_STRUCT(message_fields, (), (role, content, tool_calls, tool_call_id))

message_fields fields_of(const std::string& message) {
  return from_json<message_fields>(message).value_or(message_fields{});
}

struct content {
  std::string text;
  std::int64_t images = 0;
};

content content_of(const message_fields& m) {
  content out;
  if (!m.content)
    return out;
  if (auto text = from_json<std::string>(m.content->text)) {
    out.text = std::move(*text);
    return out;
  }
  auto parts = from_json<std::vector<part_fields>>(m.content->text);
  for (const auto& p : parts.value_or(std::vector<part_fields>{})) {
    out.text += p.text.value_or("");
    out.images += p.image_url ? 1 : 0;
  }
  return out;
}

std::int64_t tokens_in_message(const std::string& message) {
  auto m = fields_of(message);
  auto said = content_of(m);
  auto calls = m.tool_calls ? estimate_tokens(m.tool_calls->text) : 0;
  return message_tokens + estimate_tokens(said.text) + said.images * image_tokens + calls;
}

/// What is worth a summary: the user's words and the last of the assistant's.
kept_turn told(const std::vector<std::string>& turn) {
  kept_turn out;
  for (const auto& message : turn) {
    auto m = fields_of(message);
    if (m.role == "user")
      out.user += content_of(m).text;
    else if (m.role == "assistant")
      if (auto said = content_of(m).text; !said.empty())
        out.assistant = std::move(said);
  }
  return out;
}

std::vector<kept_turn> take_oldest(caller_context& c, std::size_t n) {
  auto end = c.turns.begin() + static_cast<std::ptrdiff_t>(n);
  std::vector<kept_turn> fallen;
  std::transform(c.turns.begin(), end, std::back_inserter(fallen), told);
  c.turns.erase(c.turns.begin(), end);
  return fallen;
}

} // namespace

caller_context read_context(std::vector<std::string> messages) {
  caller_context out;
  std::vector<std::string> turn;
  bool begun = false;
  for (auto& message : messages) {
    auto role = fields_of(message).role;
    if (!begun && role == "system") {
      out.before.push_back(std::move(message));
      continue;
    }
    if (role == "user" && !turn.empty())
      out.turns.push_back(std::exchange(turn, {}));
    begun = true;
    turn.push_back(std::move(message));
  }
  out.last = std::move(turn);
  return out;
}

std::int64_t tokens_in(const std::vector<std::string>& messages) {
  return std::accumulate(messages.begin(), messages.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& m) { return sum + tokens_in_message(m); });
}

std::vector<kept_turn> slide(caller_context& c, std::int64_t coming, std::int64_t tokens_max) {
  auto all = tokens_in(c.before) + coming;
  for (const auto& turn : c.turns)
    all += tokens_in(turn);
  if (all <= tokens_max)
    return {};
  auto step = std::max<std::int64_t>(tokens_max / 2, 1);
  auto goal = (all - tokens_max + step - 1) / step * step;
  std::size_t n = 0;
  for (; n < c.turns.size() && goal > 0; ++n)
    goal -= tokens_in(c.turns[n]);
  return take_oldest(c, n);
}

std::vector<kept_turn> halve(caller_context& c) {
  return take_oldest(c, (c.turns.size() + 1) / 2);
}

bool halve_results(std::vector<std::string>& messages, std::size_t bytes_min) {
  bool any = false;
  for (auto& message : messages) {
    auto m = fields_of(message);
    if (m.role != "tool")
      continue;
    auto text = content_of(m).text;
    if (text.size() < 2 * bytes_min)
      continue;
    any = true;
    auto cut = head_of(text, text.size() / 2);
    message = fmt::format(R"({{"role":"tool","tool_call_id":{},"content":{}}})",
                          to_json(m.tool_call_id.value_or("")), to_json(cut));
  }
  return any;
}

} // namespace troupe
