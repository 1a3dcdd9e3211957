// What a tool's answer means; see mcp_tool.hpp.

#include "actors/tool/mcp_tool.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

/// Of what a tool says about its failure: enough for a model to act on.
constexpr std::size_t said_max = 2'000;

struct content_entry {
  std::string type;
  std::optional<std::string> text;
};
BOOST_DESCRIBE_STRUCT(content_entry, (), (type, text))

struct result_entry {
  std::optional<std::vector<raw_json>> content;
  std::optional<raw_json> structuredContent;
  std::optional<bool> isError;
  std::optional<std::string> resultType;
};
BOOST_DESCRIBE_STRUCT(result_entry, (), (content, structuredContent, isError, resultType))

/// The text in a list of content.
struct texts {
  std::string joined;
  bool all = true; ///< nothing but text
};

texts texts_in(const std::vector<raw_json>& content) {
  texts out;
  bool first = true;
  for (const auto& part : content) {
    auto entry = from_json<content_entry>(part.text);
    if (!entry || entry->type != "text" || !entry->text) {
      out.all = false;
      continue;
    }
    if (!std::exchange(first, false))
      out.joined += '\n';
    out.joined += *entry->text;
  }
  return out;
}

error broken_promise(std::string what) {
  return error{errc::schema_mismatch, std::move(what), certainty::unknown};
}

std::string listed(const std::vector<raw_json>& content) {
  return to_json(content);
}

} // namespace

result<std::string> mcp_outcome(std::string_view result_json, const mcp_tool& tool,
                                mcp_result form) {
  auto entry = from_json<result_entry>(result_json);
  if (!entry)
    return broken_promise("its answer: " + entry.error().message);
  auto content = std::move(entry->content).value_or(std::vector<raw_json>{});
  auto said = texts_in(content);
  if (entry->resultType == "input_required")
    return error{errc::failed, "the tool wants to ask a person or a model, which agents do not "
                               "offer"};
  if (entry->isError.value_or(false))
    return error{errc::failed, said.joined.empty() ? std::string{"the tool says that it failed"}
                                                   : said.joined.substr(0, said_max)};
  if (tool.output) {
    if (!entry->structuredContent)
      return broken_promise("its answer has no structuredContent, which its outputSchema promises");
    if (auto fit = tool.output->validate_text(entry->structuredContent->text); !fit)
      return broken_promise("its answer: " + fit.error().message);
  }
  switch (form) {
    case mcp_result::text:
      return to_json(said.joined);
    case mcp_result::content:
      return listed(content);
    case mcp_result::json: {
      auto read = from_json<raw_json>(said.joined);
      if (!read)
        return broken_promise("its text is not JSON: " + read.error().message);
      return std::move(read->text);
    }
    case mcp_result::automatic:
      break;
  }
  if (entry->structuredContent)
    return std::move(entry->structuredContent->text);
  return said.all ? to_json(said.joined) : listed(content);
}

} // namespace troupe
