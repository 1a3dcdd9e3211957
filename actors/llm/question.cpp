#include "actors/llm/question.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

/// Tools that one request may offer: the largest number that the providers take.
constexpr std::size_t tools_max = 128;

struct image_fields {
  std::string url;
};
BOOST_DESCRIBE_STRUCT(image_fields, (), (url))

struct part_fields {
  std::string type;
  std::optional<std::string> text;
  std::optional<image_fields> image_url;
};
BOOST_DESCRIBE_STRUCT(part_fields, (), (type, text, image_url))

struct function_fields {
  std::string name;
  std::string arguments;
};
BOOST_DESCRIBE_STRUCT(function_fields, (), (name, arguments))

struct call_fields {
  std::string id;
  function_fields function;
};
BOOST_DESCRIBE_STRUCT(call_fields, (), (id, function))

struct message_fields {
  std::string role;
  std::optional<raw_json> content;
  std::optional<std::vector<call_fields>> tool_calls;
  std::optional<std::string> tool_call_id;
};
BOOST_DESCRIBE_STRUCT(message_fields, (), (role, content, tool_calls, tool_call_id))

struct tool_fields {
  std::string name;
  std::optional<std::string> description;
  std::optional<raw_json> parameters;
};
BOOST_DESCRIBE_STRUCT(tool_fields, (), (name, description, parameters))

struct body_fields {
  std::vector<message_fields> messages;
  std::optional<raw_json> schema;
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::vector<tool_fields>> tools;
  std::optional<std::string> tool_choice;
  std::optional<bool> whole;
};
BOOST_DESCRIBE_STRUCT(body_fields, (),
                      (messages, schema, temperature, max_tokens, tools, tool_choice,
                       whole))

error wrong(std::string text) {
  return {errc::invalid_input, std::move(text)};
}

// A text, nothing, or a list of parts.
result<void> read_content(const std::string& json, std::size_t i, model_message& out) {
  json_reader in{json};
  if (in.peek() == json_kind::null)
    return {};
  if (in.peek() == json_kind::string) {
    in.string(out.content);
    return {};
  }
  auto parts = from_json<std::vector<part_fields>>(json);
  if (!parts)
    return wrong(fmt::format("/messages/{}/content{}", i, parts.error().message));
  for (std::size_t k = 0; k < parts->size(); ++k) {
    auto& part = (*parts)[k];
    if (part.type == "text" && part.text)
      out.content += *part.text;
    else if (part.type == "image_url" && part.image_url)
      out.images.push_back({std::move(part.image_url->url)});
    else
      return wrong(fmt::format("/messages/{}/content/{}: expected a text or an image_url", i, k));
  }
  return {};
}

result<model_message> read_message(message_fields& f, std::size_t i) {
  if (f.role != "system" && f.role != "user" && f.role != "assistant" && f.role != "tool")
    return wrong(fmt::format("/messages/{}/role: expected system, user, assistant or tool", i));
  model_message out;
  out.role = f.role;
  if (!f.content && !(f.role == "assistant" && f.tool_calls))
    return wrong(fmt::format("/messages/{}/content: is missing", i));
  if (f.content)
    if (auto read = read_content(f.content->text, i, out); !read)
      return std::move(read).error();
  for (auto& c : f.tool_calls.value_or(std::vector<call_fields>{}))
    out.tool_calls.push_back(
      {std::move(c.id), std::move(c.function.name), std::move(c.function.arguments)});
  out.tool_call_id = std::move(f.tool_call_id).value_or("");
  if (out.role == "tool" && out.tool_call_id.empty())
    return wrong(fmt::format("/messages/{}/tool_call_id: is missing", i));
  return out;
}

result<void> read_tools(std::vector<tool_fields>& tools, model_request& out) {
  if (tools.size() > tools_max)
    return wrong(fmt::format("/tools: more than {}", tools_max));
  for (auto& t : tools)
    out.tools.push_back(
      {std::move(t.name), std::move(t.description).value_or(""),
       t.parameters ? std::move(t.parameters->text) : R"({"type":"object","properties":{}})"});
  return {};
}

result<void> check(const body_fields& f) {
  if (f.messages.empty())
    return error{errc::invalid_input, "/messages: expected at least one message"};
  if (f.temperature && !(*f.temperature >= 0 && *f.temperature <= 2))
    return error{errc::invalid_input, "/temperature: expected a number from 0 to 2"};
  if (f.max_tokens && *f.max_tokens <= 0)
    return error{errc::invalid_input, "/max_tokens: expected a number above 0"};
  auto choice = f.tool_choice.value_or("auto");
  if (choice != "auto" && choice != "none" && choice != "required")
    return wrong("/tool_choice: expected auto, none or required");
  return {};
}

} // namespace

result<model_request> read_question(std::string_view body, const endpoint_options& options) {
  auto fields = from_json<body_fields>(body);
  if (!fields) {
    auto why = std::move(fields).error();
    if (why.code == errc::schema_mismatch)
      why.code = errc::invalid_input;
    return why;
  }
  if (auto fine = check(*fields); !fine)
    return std::move(fine).error();
  model_request out;
  for (std::size_t i = 0; i < fields->messages.size(); ++i) {
    auto message = read_message(fields->messages[i], i);
    if (!message)
      return std::move(message).error();
    out.messages.push_back(std::move(*message));
  }
  if (fields->tools)
    if (auto read = read_tools(*fields->tools, out); !read)
      return std::move(read).error();
  out.tool_choice = std::move(fields->tool_choice).value_or("");
  out.whole = fields->whole.value_or(false);
  if (fields->schema)
    out.schema = std::move(fields->schema->text);
  out.temperature = fields->temperature ? fields->temperature : options.temperature;
  out.max_tokens = fields->max_tokens.value_or(options.max_tokens);
  out.timeout = options.retry.timeout;
  return out;
}

} // namespace troupe
