// Requests of Chat Completions.
#include "actors/gateway/completion_fields.hpp"

#include <fmt/format.h>

#include <map>

namespace troupe::gateway {
namespace {

/// Tools that one request may offer, as of a model.
constexpr std::size_t tools_max = 128;
/// Bytes of a conversation's name, as of an Idempotency-Key.
constexpr std::size_t conversation_max = 255;

struct model_field {
  std::optional<std::string> model;
};
BOOST_DESCRIBE_STRUCT(model_field, (), (model))

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

result<void> check(const request_fields& f) {
  if (f.messages.empty())
    return wrong("/messages: expected at least one message");
  if (f.messages.size() > completion_messages_max)
    return wrong(fmt::format("/messages: more than {}", completion_messages_max));
  if (f.tools && f.tools->size() > tools_max)
    return wrong(fmt::format("/tools: more than {}", tools_max));
  if (f.n.value_or(1) != 1)
    return wrong("/n: an agent gives one answer");
  if (f.stop && f.stop->text != "null" && f.stop->text != "[]")
    return wrong("/stop: an agent's answers are not cut off");
  if (f.functions && f.functions->text != "[]")
    return wrong("/functions: are called /tools today");
  for (const auto& m : f.modalities.value_or(std::vector<std::string>{}))
    if (m != "text")
      return wrong("/modalities: an agent answers in text");
  for (std::size_t i = 0; f.tools && i < f.tools->size(); ++i)
    if ((*f.tools)[i].type.value_or("function") != "function")
      return wrong(fmt::format("/tools/{}/type: expected function", i));
  auto limit = f.max_completion_tokens ? f.max_completion_tokens : f.max_tokens;
  if (limit && *limit <= 0)
    return wrong(fmt::format("/{}: expected a number above 0",
                             f.max_completion_tokens ? "max_completion_tokens" : "max_tokens"));
  return {};
}

/// Which conversation: it may be named in three places, the nearest one counts.
result<void> name_conversation(request_fields& f, std::string_view header) {
  if (f.metadata && f.metadata->conversation)
    f.conversation = std::move(f.metadata->conversation);
  else if (!f.conversation && !header.empty())
    f.conversation = std::string{header};
  if (f.conversation && (f.conversation->empty() || f.conversation->size() > conversation_max))
    return wrong(fmt::format("/conversation: expected 1 to {} bytes", conversation_max));
  return {};
}

} // namespace

completion_shape completion_shape_of(std::string_view input, std::string_view output,
                                     std::string_view key) {
  completion_shape out;
  out.key = key;
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
    return name == key || (p != read->properties->end() && may_be_null(p->second));
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
  json_reader whole{body};
  if (!whole.skip() || !whole.end())
    return wrong("the body is no JSON");
  auto read = from_json<model_field>(body);
  if (!read)
    return wrong(read.error().message);
  if (!read->model || read->model->empty())
    return wrong("/model: is missing: the name of an agent (GET /v1/models)");
  return std::move(*read->model);
}

result<completion_ask> read_completion(std::string_view body, const completion_shape& agent,
                                       std::string_view conversation) {
  auto fields = from_json<request_fields>(body);
  if (!fields)
    return wrong(fields.error().message);
  if (auto fine = check(*fields); !fine)
    return std::move(fine).error();
  if (auto fine = name_conversation(*fields, conversation); !fine)
    return std::move(fine).error();
  auto input = completion_input(*fields, agent);
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
