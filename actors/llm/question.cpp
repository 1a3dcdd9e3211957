#include "actors/llm/question.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

struct body_fields {
  std::vector<model_message> messages;
  std::optional<raw_json> schema;
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens;
};
BOOST_DESCRIBE_STRUCT(body_fields, (), (messages, schema, temperature, max_tokens))

result<void> check(const body_fields& f) {
  if (f.messages.empty())
    return error{errc::invalid_input, "/messages: expected at least one message"};
  for (std::size_t i = 0; i < f.messages.size(); ++i)
    if (f.messages[i].role.empty())
      return error{errc::invalid_input,
                   fmt::format("/messages/{}/role: expected system, user or assistant", i)};
  if (f.temperature && !(*f.temperature >= 0 && *f.temperature <= 2))
    return error{errc::invalid_input, "/temperature: expected a number from 0 to 2"};
  if (f.max_tokens && *f.max_tokens <= 0)
    return error{errc::invalid_input, "/max_tokens: expected a number above 0"};
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
  out.messages = std::move(fields->messages);
  if (fields->schema)
    out.schema = std::move(fields->schema->text);
  out.temperature = fields->temperature ? fields->temperature : options.temperature;
  out.max_tokens = fields->max_tokens.value_or(options.max_tokens);
  out.timeout = options.retry.timeout;
  return out;
}

} // namespace troupe
