// Requests of Chat Completions.
#include "actors/gateway/completions.hpp"

#include "runtime/core/json.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <map>

namespace troupe::gateway {
namespace {

/// Tools that one request may offer, as of a model.
constexpr std::size_t tools_max = 128;

struct model_field {
  std::optional<std::string> model;
};
BOOST_DESCRIBE_STRUCT(model_field, (), (model))

struct stream_fields {
  std::optional<bool> include_usage;
};
BOOST_DESCRIBE_STRUCT(stream_fields, (), (include_usage))

struct schema_fields {
  std::optional<raw_json> schema;
};
BOOST_DESCRIBE_STRUCT(schema_fields, (), (schema))

struct format_fields {
  std::string type;
  std::optional<schema_fields> json_schema;
};
BOOST_DESCRIBE_STRUCT(format_fields, (), (type, json_schema))

struct metadata_fields {
  std::optional<std::string> conversation;
};
BOOST_DESCRIBE_STRUCT(metadata_fields, (), (conversation))

struct tool_fields {
  raw_json function;
};
BOOST_DESCRIBE_STRUCT(tool_fields, (), (function))

struct request_fields {
  std::string model;
  std::vector<raw_json> messages;
  std::optional<bool> stream;
  std::optional<stream_fields> stream_options;
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::int64_t> max_completion_tokens;
  std::optional<std::vector<tool_fields>> tools;
  std::optional<format_fields> response_format;
  std::optional<metadata_fields> metadata;
  std::optional<std::int64_t> n;
};
BOOST_DESCRIBE_STRUCT(request_fields, (),
                      (model, messages, stream, stream_options, temperature, max_tokens,
                       max_completion_tokens, tools, response_format, metadata, n))

struct message_fields {
  std::string role;
  std::optional<raw_json> content;
};
BOOST_DESCRIBE_STRUCT(message_fields, (), (role, content))

struct part_fields {
  std::string type;
  std::optional<std::string> text;
};
BOOST_DESCRIBE_STRUCT(part_fields, (), (type, text))

struct property_fields {
  std::optional<raw_json> type;
  std::optional<raw_json> anyOf; // NOLINT(readability-identifier-naming): JSON Schema's
};
BOOST_DESCRIBE_STRUCT(property_fields, (), (type, anyOf))

struct input_schema_fields {
  std::optional<std::map<std::string, property_fields>> properties;
  std::optional<std::vector<std::string>> required;
};
BOOST_DESCRIBE_STRUCT(input_schema_fields, (), (properties, required))

struct output_schema_fields {
  std::optional<raw_json> type;
  std::optional<std::map<std::string, raw_json>> properties;
};
BOOST_DESCRIBE_STRUCT(output_schema_fields, (), (type, properties))

bool is_string(const std::optional<raw_json>& type) {
  return type && type->text == "\"string\"";
}

/// An optional member: schema_of lists it as required, and lets it be null.
bool may_be_null(const property_fields& p) {
  auto says = [](const std::optional<raw_json>& part) {
    return part && part->text.find("\"null\"") != std::string::npos;
  };
  return says(p.type) || says(p.anyOf);
}

error wrong(std::string text) {
  return {errc::invalid_input, std::move(text)};
}

result<std::string> text_of(const std::optional<raw_json>& content) {
  if (!content)
    return std::string{};
  if (auto text = from_json<std::string>(content->text))
    return text;
  auto parts = from_json<std::vector<part_fields>>(content->text);
  if (!parts)
    return wrong("/messages: the last user message has neither a text nor parts");
  std::string out;
  for (const auto& p : *parts)
    out += p.text.value_or("");
  return out;
}

/// What the user said last.
result<std::string> last_words(const std::vector<raw_json>& messages) {
  for (auto i = messages.rbegin(); i != messages.rend(); ++i) {
    auto m = from_json<message_fields>(i->text);
    if (m && m->role == "user")
      return text_of(m->content);
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

result<std::string> chat_input_of(const request_fields& f, const completion_shape& agent) {
  auto takes = [&](std::string_view name) { return agent.members.contains(name); };
  object_text out;
  bool kept = f.metadata && f.metadata->conversation && takes("conversation");
  if (kept)
    out.add("conversation", to_json(*f.metadata->conversation));
  if (kept && takes("message")) {
    auto said = last_words(f.messages);
    if (!said)
      return std::move(said).error();
    out.add("message", to_json(*said));
  } else {
    out.add("messages", array_text(f.messages, known_role));
  }
  if (f.tools && !f.tools->empty()) {
    if (!takes("tools"))
      return wrong("/tools: this agent takes none of the caller's");
    out.add("tools", array_text(*f.tools, [](const auto& t) { return t.function.text; }));
  }
  if (f.response_format && f.response_format->json_schema
      && f.response_format->json_schema->schema && takes("schema"))
    out.add("schema", f.response_format->json_schema->schema->text);
  if (f.temperature && takes("temperature"))
    out.add("temperature", to_json(*f.temperature));
  auto limit = f.max_completion_tokens ? f.max_completion_tokens : f.max_tokens;
  if (limit && takes("max_tokens"))
    out.add("max_tokens", to_json(*limit));
  return std::move(out).take();
}

result<std::string> input_of(const request_fields& f, const completion_shape& agent) {
  if (agent.members.contains("messages"))
    return chat_input_of(f, agent);
  if (f.tools && !f.tools->empty())
    return wrong("/tools: this agent takes none of the caller's");
  auto said = last_words(f.messages);
  if (!said)
    return said;
  if (!agent.text_member.empty()) {
    object_text out;
    out.add(agent.text_member, to_json(*said));
    return std::move(out).take();
  }
  json_reader in{*said};
  if (!in.skip() || !in.end())
    return wrong("/messages: this agent takes JSON of its input schema (GET /v1/agents), and the "
                 "last user message is none");
  return said;
}

result<void> check(const request_fields& f) {
  if (f.messages.empty())
    return wrong("/messages: expected at least one message");
  if (f.messages.size() > completion_messages_max)
    return wrong(fmt::format("/messages: more than {}", completion_messages_max));
  if (f.tools && f.tools->size() > tools_max)
    return wrong(fmt::format("/tools: more than {}", tools_max));
  if (f.n.value_or(1) != 1)
    return wrong("/n: an agent gives one answer");
  return {};
}

} // namespace

completion_shape completion_shape_of(std::string_view input, std::string_view output) {
  completion_shape out;
  if (auto said = from_json<output_schema_fields>(output))
    out.talks = is_string(said->type) || (said->properties && said->properties->contains("text"));
  auto read = from_json<input_schema_fields>(input);
  if (!read || !read->properties)
    return out;
  for (const auto& [name, property] : *read->properties)
    out.members.insert(name);
  auto needed = read->required.value_or(std::vector<std::string>{});
  std::erase_if(needed, [&](const auto& name) {
    auto p = read->properties->find(name);
    return p != read->properties->end() && may_be_null(p->second);
  });
  std::string only;
  if (needed.size() == 1)
    only = needed.front();
  else if (read->properties->size() == 1)
    only = read->properties->begin()->first;
  auto found = read->properties->find(only);
  if (found != read->properties->end() && is_string(found->second.type))
    out.text_member = only;
  return out;
}

result<std::string> completion_model(std::string_view body) {
  auto read = from_json<model_field>(body);
  if (!read)
    return wrong("the body is no request of Chat Completions: " + read.error().message);
  if (!read->model || read->model->empty())
    return wrong("/model: is missing: the name of an agent (GET /v1/models)");
  return std::move(*read->model);
}

result<completion_ask> read_completion(std::string_view body, const completion_shape& agent) {
  auto fields = from_json<request_fields>(body);
  if (!fields)
    return wrong(fields.error().message);
  if (auto fine = check(*fields); !fine)
    return std::move(fine).error();
  auto input = input_of(*fields, agent);
  if (!input)
    return std::move(input).error();
  completion_ask out;
  out.model = std::move(fields->model);
  out.input = std::move(*input);
  out.stream = fields->stream.value_or(false);
  out.usage = fields->stream_options && fields->stream_options->include_usage.value_or(false);
  return out;
}

} // namespace troupe::gateway
