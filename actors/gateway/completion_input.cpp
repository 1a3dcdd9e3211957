// What a request of Chat Completions is made into for an agent.
#include "actors/gateway/completion_fields.hpp"

#include "runtime/core/schema_validator.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace troupe::gateway {
namespace {

struct message_fields {
  std::string role;
  std::optional<raw_json> content;
};
BOOST_DESCRIBE_STRUCT(message_fields, (), (role, content))

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

struct name_fields {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(name_fields, (), (name))

struct function_fields {
  std::string name;
  std::optional<std::string> description;
  std::optional<raw_json> parameters;
};
BOOST_DESCRIBE_STRUCT(function_fields, (), (name, description, parameters))

struct choice_fields {
  name_fields function;
};
BOOST_DESCRIBE_STRUCT(choice_fields, (), (function))

error wrong(std::string text) {
  return {errc::invalid_input, std::move(text)};
}

/// What a user said in one message.
struct words {
  std::string text;
  std::vector<std::string> images;
};

result<words> words_of(const std::optional<raw_json>& content, std::size_t i) {
  words out;
  if (!content)
    return wrong(fmt::format("/messages/{}/content: is missing", i));
  if (auto text = from_json<std::string>(content->text)) {
    out.text = std::move(*text);
    return out;
  }
  auto parts = from_json<std::vector<part_fields>>(content->text);
  if (!parts)
    return wrong(fmt::format("/messages/{}/content: expected a text, or a list of parts", i));
  for (std::size_t k = 0; k < parts->size(); ++k) {
    auto& p = (*parts)[k];
    if (p.type == "text" && p.text)
      out.text += *p.text;
    else if (p.type == "image_url" && p.image_url)
      out.images.push_back(std::move(p.image_url->url));
    else
      return wrong(fmt::format("/messages/{}/content/{}: expected a text or an image_url", i, k));
  }
  return out;
}

/// What the user said last.
/// @param at_the_end nothing may follow it
result<words> last_words(const std::vector<raw_json>& messages, bool at_the_end) {
  for (auto i = messages.size(); i-- > 0;) {
    auto m = from_json<message_fields>(messages[i].text);
    if (m && m->role == "user")
      return words_of(m->content, i);
    if (at_the_end)
      return wrong(fmt::format("/messages/{}: the agent keeps this conversation, so the last "
                               "message must be what its user says next",
                               i));
  }
  return wrong("/messages: there is no message of a user");
}

/// Models know `developer` as `system`.
std::string known_role(const raw_json& message) {
  auto fields = from_json<message_fields>(message.text);
  if (!fields || fields->role != "developer")
    return message.text;
  auto parsed = parse_json(message.text);
  if (!parsed || !parsed->is_object())
    return message.text;
  parsed->as_object()["role"] = "system";
  return to_json(*parsed);
}

/// An object that is put together member by member.
class object_text {
public:
  void add(std::string_view name, std::string_view json) {
    text_ += text_.empty() ? '{' : ',';
    text_ += to_json(name);
    text_ += ':';
    text_ += json;
  }
  std::string take() && { return text_.empty() ? "{}" : std::move(text_) + '}'; }

private:
  std::string text_;
};

template <class T, class F>
std::string array_text(const std::vector<T>& items, F one) {
  std::string out = "[";
  for (const auto& i : items) {
    if (out.size() > 1)
      out += ',';
    out += one(i);
  }
  return out + ']';
}

bool is_named(const tool_fields& t, const std::string& name) {
  auto read = from_json<name_fields>(t.function.text);
  return read && read->name == name;
}

/// The caller's tools, and whether one of them must be called. One that is named is the only one.
result<void> add_tools(object_text& out, const request_fields& f, const completion_shape& agent) {
  auto none = !f.tools || f.tools->empty();
  if (!none && !agent.members.contains("tools"))
    return wrong("/tools: this agent takes none of the caller's");
  std::string choice = "auto";
  std::string only;
  if (f.tool_choice) {
    if (auto word = from_json<std::string>(f.tool_choice->text))
      choice = std::move(*word);
    else if (auto named = from_json<choice_fields>(f.tool_choice->text))
      only = std::move(named->function.name);
    else
      return wrong("/tool_choice: expected auto, none, required, or the function of one tool");
  }
  if (choice != "auto" && choice != "none" && choice != "required")
    return wrong("/tool_choice: expected auto, none, required, or the function of one tool");
  if (none && (choice == "required" || !only.empty()))
    return wrong("/tool_choice: there are no /tools to choose from");
  if (none)
    return {};
  for (std::size_t i = 0; i < f.tools->size(); ++i)
    if (auto read = from_json<function_fields>((*f.tools)[i].function.text); !read)
      return wrong(fmt::format("/tools/{}/function{}", i, read.error().message));
  std::vector<tool_fields> offered;
  for (const auto& t : *f.tools)
    if (only.empty() || is_named(t, only))
      offered.push_back(t);
  if (offered.empty())
    return wrong("/tool_choice: none of /tools has this name");
  out.add("tools", array_text(offered, [](const auto& t) { return t.function.text; }));
  if (!only.empty())
    choice = "required";
  if (choice != "auto" && agent.members.contains("tool_choice"))
    out.add("tool_choice", to_json(choice));
  if (f.parallel_tool_calls && agent.members.contains("parallel_tool_calls"))
    out.add("parallel_tool_calls", to_json(*f.parallel_tool_calls));
  return {};
}

/// The schema that `response_format` stands for; empty: words.
result<std::string> schema_of_answer(const request_fields& f) {
  if (!f.response_format || f.response_format->type == "text")
    return std::string{};
  if (f.response_format->type == "json_object")
    return std::string{R"({"type":"object"})"};
  if (f.response_format->type != "json_schema")
    return wrong("/response_format/type: expected text, json_object or json_schema");
  const auto& said = f.response_format->json_schema;
  if (!said || !said->schema)
    return wrong("/response_format/json_schema/schema: is missing");
  if (auto compiled = schema_validator::compile(said->schema->text); !compiled)
    return wrong("/response_format/json_schema/schema: " + compiled.error().message);
  return said->schema->text;
}

result<void> add_message(object_text& out, const request_fields& f) {
  if (f.tools && !f.tools->empty())
    return wrong("/tools: the agent keeps this conversation, so it carries all tools out itself: "
                 "leave them out, or the conversation, and send all messages");
  auto said = last_words(f.messages, true);
  if (!said)
    return std::move(said).error();
  out.add("message", to_json(said->text));
  if (!said->images.empty())
    out.add("images", to_json(said->images));
  return {};
}

result<std::string> chat_input_of(const request_fields& f, const completion_shape& agent) {
  auto takes = [&](std::string_view name) { return agent.members.contains(name); };
  object_text out;
  if (f.conversation && !agent.key.empty() && takes("message")) {
    out.add(agent.key, to_json(*f.conversation));
    if (auto fine = add_message(out, f); !fine)
      return std::move(fine).error();
  } else {
    out.add("messages", array_text(f.messages, known_role));
    if (auto fine = add_tools(out, f, agent); !fine)
      return std::move(fine).error();
  }
  auto schema = schema_of_answer(f);
  if (!schema)
    return schema;
  if (!schema->empty() && !takes("schema"))
    return wrong("/response_format: this agent's answers have a form of their own");
  if (!schema->empty())
    out.add("schema", *schema);
  if (f.temperature && takes("temperature"))
    out.add("temperature", to_json(*f.temperature));
  auto limit = f.max_completion_tokens ? f.max_completion_tokens : f.max_tokens;
  if (limit && takes("max_tokens"))
    out.add("max_tokens", to_json(*limit));
  return std::move(out).take();
}

/// An agent that takes one text, maybe beside its key.
result<std::string> text_input_of(const request_fields& f, const completion_shape& agent,
                                  const std::string& said) {
  object_text out;
  if (!agent.key.empty() && agent.key != agent.text_member) {
    if (!f.conversation)
      return wrong(fmt::format("/conversation: is missing: this agent keeps a state for each \"{}\", "
                               "and this is where it is named",
                               agent.key));
    out.add(agent.key, to_json(*f.conversation));
  }
  out.add(agent.text_member, to_json(said));
  return std::move(out).take();
}

} // namespace

result<std::string> completion_input(const request_fields& f, const completion_shape& agent) {
  if (agent.members.contains("messages"))
    return chat_input_of(f, agent);
  object_text unused;
  if (auto fine = add_tools(unused, f, agent); !fine)
    return std::move(fine).error();
  auto schema = schema_of_answer(f);
  if (!schema)
    return schema;
  if (!schema->empty() && (agent.talks || f.response_format->type != "json_object"))
    return wrong("/response_format: this agent's answers have a form of their own");
  auto said = last_words(f.messages, false);
  if (!said)
    return std::move(said).error();
  if (!said->images.empty())
    return wrong("/messages: this agent takes no images");
  if (!agent.text_member.empty())
    return text_input_of(f, agent, said->text);
  json_reader in{said->text};
  if (!in.skip() || !in.end())
    return wrong("/messages: this agent takes JSON of its input schema (GET /v1/agents), and the "
                 "last user message is none");
  return std::move(said->text);
}

} // namespace troupe::gateway
