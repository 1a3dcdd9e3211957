#pragma once
// A request of Chat Completions as it is spelled, and what it is made into for an agent. Private to
// this room; what means what stands in completions.hpp.

#include "actors/gateway/completions.hpp"
#include "runtime/core/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::gateway {

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
  std::optional<std::string> type;
  raw_json function;
};
BOOST_DESCRIBE_STRUCT(tool_fields, (), (type, function))

struct request_fields {
  std::string model;
  std::vector<raw_json> messages;
  std::optional<bool> stream;
  std::optional<stream_fields> stream_options;
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::int64_t> max_completion_tokens;
  std::optional<std::vector<tool_fields>> tools;
  std::optional<raw_json> tool_choice;
  std::optional<bool> parallel_tool_calls;
  std::optional<raw_json> stop;
  std::optional<format_fields> response_format;
  std::optional<metadata_fields> metadata;
  std::optional<std::string> conversation;
  std::optional<std::int64_t> n;
  std::optional<raw_json> functions;
  std::optional<std::vector<std::string>> modalities;
};
BOOST_DESCRIBE_STRUCT(request_fields, (),
                      (model, messages, stream, stream_options, temperature, max_tokens,
                       max_completion_tokens, tools, tool_choice, parallel_tool_calls, stop,
                       response_format, metadata, conversation, n, functions, modalities))

/// The input of that agent, JSON text. The errors are `errc::invalid_input` and begin with the place.
result<std::string> completion_input(const request_fields& f, const completion_shape& agent);

} // namespace troupe::gateway
