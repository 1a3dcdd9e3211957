#include "actors/flow/chat_words.hpp"

#include "actors/llm/answer.hpp"
#include "actors/llm/json_mend.hpp"
#include "actors/memory/conversation.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::chat {
namespace {

/// The providers' bound.
constexpr std::size_t spelling_max = 64;
/// Names in one sentence; a model can do with these.
constexpr std::size_t names_shown_max = 50;

bool is_object(std::string_view json) {
  json_reader in{json};
  return in.peek() == json_kind::object && in.skip() && in.end();
}

error not_an_object() {
  return {errc::invalid_input, "The arguments are not a JSON object. Call it again with one that "
                               "fits the tool's schema."};
}

} // namespace

std::string spelling(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, spelling_max)) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                 || c == '_' || c == '-';
    out += plain ? c : '_';
  }
  return out;
}

std::string with_number(std::string_view spelled, int n) {
  auto suffix = fmt::format("_{}", n);
  return std::string{spelled.substr(0, spelling_max - suffix.size())} + suffix;
}

std::map<std::string, std::string> spellings(const std::vector<std::string>& names) {
  std::map<std::string, std::string> out;
  for (const auto& name : names) {
    auto base = spelling(name);
    auto one = base;
    for (int n = 2; out.contains(one) && out[one] != name; ++n)
      one = with_number(base, n);
    out.emplace(std::move(one), name);
  }
  return out;
}

std::string offer(std::string_view spelling, const catalog_entry& tool) {
  return fmt::format(R"({{"name":{},"description":{},"parameters":{}}})", to_json(spelling),
                     to_json(tool.description),
                     tool.parameters.empty() ? R"({"type":"object"})" : tool.parameters);
}

result<std::string> arguments_of(std::string_view spelled) {
  auto begin = spelled.find_first_not_of(" \t\r\n");
  if (begin == spelled.npos)
    return std::string{"{}"}; // what some models say where there are none
  spelled.remove_prefix(begin);
  if (is_object(spelled))
    return std::string{spelled};
  auto mended = mend_json(spelled);
  if (!mended || spelled.find_first_not_of(" \t\r\n", mended->size) != spelled.npos
      || !is_object(mended->text))
    return not_an_object();
  return std::move(mended->text);
}

std::string result_words(std::string_view json, std::size_t bytes_max) {
  auto text = from_json<std::string>(json);
  auto words = text ? std::move(*text) : std::string{json};
  if (words.size() <= bytes_max)
    return words;
  auto all = words.size();
  return fmt::format("{}\n[cut: this is the beginning of {} bytes; ask for less]",
                     head_of(words, bytes_max), all);
}

std::string failure_words(const error& why) {
  if (why.outcome == certainty::unknown)
    return fmt::format("Nobody knows whether this call took effect ({}). Do not repeat it; tell the "
                       "user that it must be checked.",
                       to_string(why));
  switch (why.code) {
    case errc::invalid_input:
    case errc::schema_mismatch:
      return fmt::format("The arguments were refused, and nothing was done: {}. Correct them and "
                         "call again.",
                         why.message);
    case errc::unavailable:
    case errc::overloaded:
    case errc::circuit_open:
    case errc::rate_limited:
    case errc::timed_out:
    case errc::deadline_exceeded:
    case errc::shutting_down:
      return fmt::format("This tool cannot be reached at the moment ({}), and nothing was done. Go "
                         "on without it, or say so.",
                         to_string(why.code));
    case errc::not_found:
      return fmt::format("There is no such thing: {}.", why.message);
    default:
      return fmt::format("The call failed, and nothing was done: {}.", why.message);
  }
}

std::string denied_words(const std::optional<std::string>& reason, bool in_time) {
  if (!in_time)
    return "This call needs a person's approval and nobody gave it in time, so nothing was done. Do "
           "not ask for it again; tell the user.";
  return fmt::format("A person has refused this call, and nothing was done{}{}. Do not ask for it "
                     "again; go on without it.",
                     reason ? ": " : "", reason.value_or(""));
}

std::string unknown_tool_words(std::string_view spelled,
                               const std::map<std::string, std::string>& known) {
  std::string names;
  std::size_t n = 0;
  for (const auto& [spelling, _] : known)
    if (n++ < names_shown_max)
      names += (names.empty() ? "" : ", ") + spelling;
  return fmt::format("There is no tool '{}'. There are: {}.", spelled,
                     names.empty() ? "none" : names);
}

std::string loop_words(std::uint32_t times) {
  return fmt::format("\n[This call has brought the same answer {} times. It will not change: do "
                     "something else, or answer with what you have.]",
                     times);
}

std::string repeated_words(std::string_view result) {
  return fmt::format("[This call came twice in one message and was made once: ask again where it was "
                     "meant twice.]\n{}",
                     result);
}

std::string dropped_words(std::size_t taken, std::size_t dropped) {
  return fmt::format("Your last message asked for {} calls. Only the first {} were looked at; of the "
                     "others nothing was done. Ask for less at a time.",
                     taken + dropped, taken);
}

std::string tool_message(std::string_view call_id, std::string_view content) {
  return fmt::format(R"({{"role":"tool","tool_call_id":{},"content":{}}})", to_json(call_id),
                     to_json(content));
}

std::string assistant_message(std::string_view text, const std::vector<wanted_call>& calls) {
  return fmt::format(R"({{"role":"assistant","content":{},"tool_calls":{}}})", to_json(text),
                     to_json(calls));
}

std::string user_message(std::string_view text, const std::vector<std::string>& images) {
  if (images.empty())
    return text_message("user", text);
  auto parts = fmt::format(R"({{"type":"text","text":{}}})", to_json(text));
  for (const auto& url : images)
    parts += fmt::format(R"(,{{"type":"image_url","image_url":{{"url":{}}}}})", to_json(url));
  return fmt::format(R"({{"role":"user","content":[{}]}})", parts);
}

bool is_ending(const error& why) noexcept {
  return why.code == errc::cancelled || why.code == errc::deadline_exceeded;
}

bool is_too_long(const error& why) noexcept {
  return why.code == errc::invalid_input
         && why.message.find("longer than the model's context") != std::string::npos;
}

} // namespace troupe::chat
