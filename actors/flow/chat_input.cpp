// What a chat agent refuses before a turn begins.
#include "actors/flow/chat_words.hpp"
#include "actors/llm/question.hpp"
#include "runtime/core/schema_validator.hpp"

#include <fmt/format.h>

namespace troupe::chat {
namespace {

error wrong(std::string text) {
  return {errc::invalid_input, "input: " + std::move(text)};
}

std::optional<error> tools_misfit(const chat_input& in) {
  auto choice = in.tool_choice.value_or("auto");
  if (choice != "auto" && choice != "none" && choice != "required")
    return wrong("/tool_choice: expected auto, none or required");
  if (choice == "required" && (!in.tools || in.tools->empty()))
    return wrong("/tool_choice: there are no /tools that could be required");
  if (!in.tools)
    return std::nullopt;
  if (in.message)
    return wrong("/tools: whoever carries out tools itself must keep the conversation, too: it "
                 "belongs to /messages");
  for (std::size_t i = 0; i < in.tools->size(); ++i) {
    const auto& t = (*in.tools)[i];
    if (t.name.empty() || t.name != spelling(t.name))
      return wrong(fmt::format("/tools/{}/name: expected 1 to 64 letters, digits, _ and -", i));
    for (std::size_t k = 0; k < i; ++k)
      if ((*in.tools)[k].name == t.name)
        return wrong(fmt::format("/tools/{}/name: came before, as /tools/{}/name", i, k));
    if (t.parameters && !t.parameters->text.starts_with('{'))
      return wrong(fmt::format("/tools/{}/parameters: expected a JSON Schema, an object", i));
  }
  return std::nullopt;
}

} // namespace

std::optional<error> misfit(const chat_input& in) {
  if (in.message.has_value() == in.messages.has_value())
    return wrong("expected one of /message and /messages");
  if (in.messages && in.messages->empty())
    return wrong("/messages: expected at least one message");
  if (in.images && in.messages)
    return wrong("/images: belong to /message; in /messages they are parts of the content");
  if (in.temperature && !(*in.temperature >= 0 && *in.temperature <= 2))
    return wrong("/temperature: expected a number from 0 to 2");
  if (in.max_tokens && *in.max_tokens <= 0)
    return wrong("/max_tokens: expected a number above 0");
  if (in.schema)
    if (auto compiled = schema_validator::compile(in.schema->text); !compiled)
      return wrong("/schema: " + compiled.error().message);
  return tools_misfit(in);
}

std::optional<error> taken_name(const chat_input& in, const std::vector<std::string>& own) {
  for (std::size_t i = 0; in.tools && i < in.tools->size(); ++i)
    for (const auto& name : own)
      if (spelling(name) == (*in.tools)[i].name)
        return wrong(fmt::format("/tools/{}/name: the agent has a tool of this name, and carries it "
                                 "out itself",
                                 i));
  return std::nullopt;
}

std::optional<error> misspelled(const chat_input& in) {
  if (!in.messages)
    return std::nullopt;
  std::string body = R"({"messages":[)";
  for (std::size_t i = 0; i < in.messages->size(); ++i)
    body += (i == 0 ? "" : ",") + (*in.messages)[i].text;
  auto read = read_question(body + "]}", {});
  if (read)
    return std::nullopt;
  return wrong(read.error().message);
}

} // namespace troupe::chat
