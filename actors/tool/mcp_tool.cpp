#include "actors/tool/mcp_tool.hpp"

#include "runtime/core/json.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <set>

namespace troupe {
namespace {

namespace json = boost::json;

struct annotations_entry {
  std::optional<bool> readOnlyHint;
  std::optional<bool> idempotentHint;
};
BOOST_DESCRIBE_STRUCT(annotations_entry, (), (readOnlyHint, idempotentHint))

struct tool_entry {
  std::string name;
  std::optional<std::string> title;
  std::optional<std::string> description;
  raw_json inputSchema;
  std::optional<raw_json> outputSchema;
  std::optional<annotations_entry> annotations;
};
BOOST_DESCRIBE_STRUCT(tool_entry, (),
                      (name, title, description, inputSchema, outputSchema, annotations))

error refused(std::string why) {
  return error{errc::invalid_input, std::move(why)};
}

effect_class effect_of(const std::optional<annotations_entry>& said) {
  if (said && said->readOnlyHint.value_or(false))
    return effect_class::read;
  if (said && said->idempotentHint.value_or(false))
    return effect_class::idempotent;
  return effect_class::at_most_once;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= mcp_tool_name_max
         && std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7F; });
}

/// The same schema without what would be run as a pattern. What stands under `properties` and the
/// like are names, and what stands under `const` and the like are values: neither is a keyword.
void drop_patterns(json::value& schema) {
  if (auto* list = schema.if_array())
    for (auto& one : *list)
      drop_patterns(one);
  auto* object = schema.if_object();
  if (object == nullptr)
    return;
  object->erase("pattern");
  object->erase("patternProperties");
  for (auto& [key, value] : *object) {
    std::string_view k{key.data(), key.size()};
    if (k == "const" || k == "enum" || k == "default" || k == "examples")
      continue;
    bool names = k == "properties" || k == "$defs" || k == "definitions" || k == "dependentSchemas";
    if (!names || !value.is_object()) {
      drop_patterns(value);
      continue;
    }
    for (auto& [name, inner] : value.get_object())
      drop_patterns(inner);
  }
}

/// @returns the schema as it will be enforced
result<std::string> checked_schema(const raw_json& schema, bool trusted, std::string_view which) {
  auto tree = parse_json(schema.text);
  if (!tree || !tree->is_object())
    return refused(fmt::format("{} is not an object", which));
  if (!trusted)
    drop_patterns(*tree);
  auto text = trusted ? schema.text : to_json(*tree);
  if (auto compiled = schema_validator::compile(text); !compiled)
    return refused(fmt::format("{}: {}", which, compiled.error().message));
  return text;
}

/// Finds `x-mcp-header` where it may stand, and where it must not.
class header_finder {
public:
  explicit header_finder(std::vector<mcp_argument_header>& out) : out_(out) {}

  void properties(const json::value& schema) {
    const auto* object = schema.if_object();
    const auto* inside = object == nullptr ? nullptr : object->if_contains("properties");
    if (inside == nullptr || !inside->is_object())
      return;
    for (const auto& [name, property] : inside->get_object()) {
      path_.emplace_back(name.data(), name.size());
      one(property);
      properties(property);
      path_.pop_back();
    }
  }
  bool fits() const noexcept { return fits_; }
  std::size_t found() const noexcept { return names_.size(); }

private:
  void one(const json::value& property) {
    const auto* object = property.if_object();
    const auto* mark = object == nullptr ? nullptr : object->if_contains("x-mcp-header");
    if (mark == nullptr)
      return;
    const auto* name = mark->if_string();
    const auto* type = object->if_contains("type");
    const auto* word = type == nullptr ? nullptr : type->if_string();
    bool primitive = word != nullptr && (*word == "string" || *word == "integer"
                                         || *word == "boolean");
    fits_ = fits_ && primitive && name != nullptr && net::is_token({name->data(), name->size()});
    if (!fits_)
      return;
    std::string lower{name->data(), name->size()};
    std::ranges::transform(lower, lower.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    fits_ = names_.insert(lower).second;
    out_.push_back({"Mcp-Param-" + std::string{name->data(), name->size()}, path_});
  }

  std::vector<mcp_argument_header>& out_;
  std::vector<std::string> path_;
  std::set<std::string> names_;
  bool fits_ = true;
};

std::size_t count_marks(const json::value& schema) {
  std::size_t n = 0;
  if (const auto* list = schema.if_array())
    for (const auto& one : *list)
      n += count_marks(one);
  if (const auto* object = schema.if_object())
    for (const auto& [key, value] : *object)
      n += (key == "x-mcp-header" ? 1 : 0) + count_marks(value);
  return n;
}

result<std::vector<mcp_argument_header>> headers_in(const raw_json& schema) {
  std::vector<mcp_argument_header> out;
  auto tree = parse_json(schema.text);
  if (!tree)
    return refused("inputSchema is not JSON");
  header_finder finder{out};
  finder.properties(*tree);
  // One elsewhere, below a list or an alternative, must not be there at all.
  if (!finder.fits() || finder.found() != count_marks(*tree))
    return refused("inputSchema has an x-mcp-header that must not be one");
  return out;
}

} // namespace

result<mcp_tool> read_mcp_tool(std::string_view definition, bool trusted) {
  auto entry = from_json<tool_entry>(definition);
  if (!entry)
    return refused(entry.error().message);
  mcp_tool out;
  out.name = entry->name;
  if (!is_name(out.name))
    return refused("its name has other characters than visible ASCII, or more than 128");
  auto input = checked_schema(entry->inputSchema, trusted, "inputSchema");
  if (!input)
    return std::move(input).error();
  out.input_schema = std::move(*input);
  if (entry->outputSchema) {
    auto output = checked_schema(*entry->outputSchema, trusted, "outputSchema");
    if (!output)
      return std::move(output).error();
    out.output = schema_validator::compile(*output).value();
  }
  auto headers = headers_in(entry->inputSchema);
  if (!headers)
    return std::move(headers).error();
  out.headers = std::move(*headers);
  out.description = entry->description ? *entry->description : entry->title.value_or("");
  if (trusted)
    out.effect = effect_of(entry->annotations);
  out.definition = definition;
  return out;
}

std::string mcp_tool_name(std::string_view server, std::string_view tool) {
  return fmt::format("{}.{}", server, tool);
}

std::string header_value(std::string_view text) {
  constexpr std::string_view begin = "=?base64?";
  bool plain = std::ranges::all_of(text, [](char c) { return (c >= 0x20 && c < 0x7F) || c == '\t'; });
  bool padded = !text.empty() && (text.front() <= ' ' || text.back() <= ' ');
  if (plain && !padded && !(text.starts_with(begin) && text.ends_with("?=")))
    return std::string{text};
  std::vector<unsigned char> coded((text.size() + 2) / 3 * 4 + 1); // and a NUL
  auto size = EVP_EncodeBlock(coded.data(), reinterpret_cast<const unsigned char*>(text.data()),
                              static_cast<int>(text.size()));
  return fmt::format("{}{}?=", begin,
                     std::string_view{reinterpret_cast<const char*>(coded.data()),
                                      static_cast<std::size_t>(size)});
}

net::http_headers argument_headers(const mcp_tool& tool, std::string_view arguments) {
  net::http_headers out;
  if (tool.headers.empty())
    return out;
  auto tree = parse_json(arguments);
  if (!tree)
    return out;
  for (const auto& h : tool.headers) {
    const json::value* at = &*tree;
    for (const auto& step : h.path) {
      const auto* object = at->if_object();
      at = object == nullptr ? nullptr : object->if_contains(step);
      if (at == nullptr)
        break;
    }
    if (at == nullptr || at->is_null())
      continue;
    const auto* text = at->if_string();
    out.add(h.header, header_value(text == nullptr ? to_json(*at)
                                                   : std::string{text->data(), text->size()}));
  }
  return out;
}

} // namespace troupe
