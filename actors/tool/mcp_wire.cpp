#include "actors/tool/mcp_wire.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace troupe {
namespace {

/// Of a sentence that a server wrote: enough for a model to act on, too little to flood a log.
constexpr std::size_t said_max = 2'000;

constexpr std::string_view client_info
  = R"({"name":"troupe","version":")" TROUPE_VERSION R"("})";

struct failure_entry {
  std::int64_t code = 0;
  std::optional<std::string> message;
  std::optional<raw_json> data;
};
BOOST_DESCRIBE_STRUCT(failure_entry, (), (code, message, data))

struct message_entry {
  std::string jsonrpc;
  std::optional<raw_json> id;
  std::optional<std::string> method;
  std::optional<raw_json> params;
  std::optional<raw_json> result;
  std::optional<failure_entry> error;
};
BOOST_DESCRIBE_STRUCT(message_entry, (), (jsonrpc, id, method, params, result, error))

struct server_entry {
  std::optional<std::string> name;
  std::optional<std::string> version;
};
BOOST_DESCRIBE_STRUCT(server_entry, (), (name, version))

struct tools_capability {
  std::optional<bool> listChanged;
};
BOOST_DESCRIBE_STRUCT(tools_capability, (), (listChanged))

struct capabilities_entry {
  std::optional<tools_capability> tools;
};
BOOST_DESCRIBE_STRUCT(capabilities_entry, (), (tools))

struct initialize_entry {
  std::string protocolVersion;
  std::optional<capabilities_entry> capabilities;
  std::optional<server_entry> serverInfo;
};
BOOST_DESCRIBE_STRUCT(initialize_entry, (), (protocolVersion, capabilities, serverInfo))

struct discover_entry {
  std::vector<std::string> supportedVersions;
  std::optional<capabilities_entry> capabilities;
  std::optional<server_entry> serverInfo;
  std::optional<std::map<std::string, raw_json>> _meta;
};
BOOST_DESCRIBE_STRUCT(discover_entry, (), (supportedVersions, capabilities, serverInfo, _meta))

/// Where the final text of 2026-07-28 has it; drafts had it in the result itself.
std::optional<server_entry> server_of(const discover_entry& entry) {
  if (entry.serverInfo || !entry._meta)
    return entry.serverInfo;
  auto found = entry._meta->find("io.modelcontextprotocol/serverInfo");
  auto server = found == entry._meta->end() ? result<server_entry>{error{}}
                                            : from_json<server_entry>(found->second.text);
  return server ? std::optional{std::move(*server)} : std::nullopt;
}

struct supported_entry {
  std::vector<std::string> supported;
};
BOOST_DESCRIBE_STRUCT(supported_entry, (), (supported))

struct page_entry {
  std::vector<raw_json> tools;
  std::optional<std::string> nextCursor;
};
BOOST_DESCRIBE_STRUCT(page_entry, (), (tools, nextCursor))

struct progress_entry {
  std::optional<std::uint64_t> progressToken;
};
BOOST_DESCRIBE_STRUCT(progress_entry, (), (progressToken))

result<rpc_message> read_one(std::string_view text, json_limits limits) {
  auto entry = from_json<message_entry>(text, limits);
  if (!entry)
    return std::move(entry).error();
  rpc_message m;
  if (entry->id)
    m.id = std::move(entry->id->text);
  if (entry->method)
    m.method = std::move(*entry->method);
  if (entry->params)
    m.params = std::move(entry->params->text);
  if (entry->result)
    m.result = std::move(entry->result->text);
  if (entry->error)
    m.failure = rpc_failure{entry->error->code, entry->error->message.value_or(""),
                            entry->error->data ? std::move(entry->error->data->text) : ""};
  bool response = m.method.empty() && (!m.result.empty() || m.failure);
  if (entry->jsonrpc != "2.0" || (m.method.empty() && !response))
    return error{errc::schema_mismatch, "is not JSON-RPC 2.0"};
  return m;
}

mcp_hello hello_from(const std::optional<capabilities_entry>& capabilities,
                     const std::optional<server_entry>& server) {
  mcp_hello out;
  if (server)
    out.server = fmt::format("{} {}", server->name.value_or("?"), server->version.value_or("?"));
  out.has_tools = capabilities && capabilities->tools;
  out.tools_change = out.has_tools && capabilities->tools->listChanged.value_or(false);
  return out;
}

} // namespace

std::uint64_t rpc_message::number() const {
  std::uint64_t n = 0;
  auto end = id.data() + id.size();
  auto read = std::from_chars(id.data(), end, n);
  return read.ec == std::errc{} && read.ptr == end ? n : 0;
}

result<std::vector<rpc_message>> read_rpc(std::string_view text, std::size_t size_max) {
  json_limits limits;
  limits.bytes_max = size_max;
  auto first = text.find_first_not_of(" \t\r\n");
  std::vector<raw_json> parts;
  if (first != text.npos && text[first] == '[') {
    auto batch = from_json<std::vector<raw_json>>(text, limits);
    if (!batch)
      return std::move(batch).error();
    parts = std::move(*batch);
  } else {
    parts.emplace_back(std::string{text});
  }
  std::vector<rpc_message> all;
  for (const auto& part : parts) {
    auto one = read_one(part.text, limits);
    if (!one)
      return std::move(one).error();
    all.push_back(std::move(*one));
  }
  return all;
}

std::string rpc_request(std::uint64_t id, std::string_view method, std::string_view params) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", id, method, params);
}

std::string rpc_notification(std::string_view method, std::string_view params) {
  return fmt::format(R"({{"jsonrpc":"2.0","method":"{}","params":{}}})", method, params);
}

std::string rpc_result(std::string_view id, std::string_view result) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{}}})", id, result);
}

std::string rpc_refusal(std::string_view id, std::int64_t code, std::string_view message) {
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":{}}}}})", id, code,
                     to_json(message));
}

std::string mcp_params(std::string_view fields, const mcp_meta& meta) {
  std::string inside;
  if (meta.modern)
    inside = fmt::format(R"("io.modelcontextprotocol/protocolVersion":"{}",)"
                         R"("io.modelcontextprotocol/clientInfo":{},)"
                         R"("io.modelcontextprotocol/clientCapabilities":{{}})",
                         mcp_modern_version, client_info);
  auto comma = [&] { return inside.empty() ? "" : ","; };
  if (meta.progress_token != 0)
    inside += fmt::format(R"({}"progressToken":{})", comma(), meta.progress_token);
  if (!meta.key.empty())
    inside += fmt::format(R"({}"troupe/idempotencyKey":{})", comma(), to_json(meta.key));
  std::string out{"{"};
  out += fields;
  if (!inside.empty())
    out += fmt::format(R"({}"_meta":{{{}}})", fields.empty() ? "" : ",", inside);
  out += '}';
  return out;
}

std::string initialize_params() {
  return fmt::format(R"({{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{}}})",
                     mcp_legacy_versions.front(), client_info);
}

std::string call_fields(std::string_view tool, std::string_view arguments) {
  return fmt::format(R"("name":{},"arguments":{})", to_json(tool), arguments);
}

result<mcp_hello> read_initialize(std::string_view result_json) {
  auto entry = from_json<initialize_entry>(result_json);
  if (!entry)
    return error{errc::schema_mismatch, "its answer to initialize: " + entry.error().message};
  if (std::ranges::find(mcp_legacy_versions, entry->protocolVersion) == mcp_legacy_versions.end())
    return version_mismatch({entry->protocolVersion});
  auto out = hello_from(entry->capabilities, entry->serverInfo);
  out.version = entry->protocolVersion;
  return out;
}

result<mcp_hello> read_discover(std::string_view result_json) {
  auto entry = from_json<discover_entry>(result_json);
  if (!entry)
    return error{errc::schema_mismatch, "its answer to server/discover: " + entry.error().message};
  const auto& theirs = entry->supportedVersions;
  if (std::ranges::find(theirs, mcp_modern_version) == theirs.end())
    return version_mismatch(theirs);
  auto out = hello_from(entry->capabilities, server_of(*entry));
  out.version = mcp_modern_version;
  return out;
}

std::vector<std::string> offered_versions(const rpc_failure& failure) {
  auto entry = from_json<supported_entry>(failure.data);
  return entry ? std::move(entry->supported) : std::vector<std::string>{};
}

error version_mismatch(const std::vector<std::string>& theirs) {
  return error{errc::failed, fmt::format("it speaks MCP {}; this client speaks {} and {}",
                                         fmt::join(theirs, ", "), mcp_modern_version,
                                         fmt::join(mcp_legacy_versions, ", "))};
}

std::string_view common_legacy_version(const std::vector<std::string>& offered) {
  for (auto ours : mcp_legacy_versions)
    if (std::ranges::find(offered, ours) != offered.end())
      return ours;
  return {};
}

result<tools_page> read_tools(std::string_view result_json) {
  auto entry = from_json<page_entry>(result_json);
  if (!entry)
    return error{errc::schema_mismatch, "its list of tools: " + entry.error().message};
  tools_page out;
  for (auto& tool : entry->tools)
    out.tools.push_back(std::move(tool.text));
  out.next = entry->nextCursor.value_or("");
  return out;
}

std::uint64_t progress_token(std::string_view params_json) {
  auto entry = from_json<progress_entry>(params_json);
  return entry ? entry->progressToken.value_or(0) : 0;
}

error call_failure(const rpc_failure& failure) {
  auto said = failure.message.substr(0, said_max);
  if (said.empty())
    said = fmt::format("the server answers with the code {}", failure.code);
  switch (failure.code) {
    case rpc_invalid_params:
    case -32600: // not a request
    case -32700: // not JSON
      return error{errc::invalid_input, std::move(said)};
    case rpc_method_not_found:
    case -32002: // no such resource
      return error{errc::not_found, std::move(said)};
    case rpc_header_mismatch: // refused at the door; the list of tools is read again
      return error{errc::unavailable, std::move(said)};
    case rpc_missing_capability:
      return error{errc::failed, "the tool wants to ask a person or a model, which agents do not "
                                 "offer: " + said};
    case rpc_unsupported_version:
      return error{errc::failed, std::move(said)};
    default: // it broke while it worked
      return error{errc::unavailable, std::move(said), certainty::unknown};
  }
}

} // namespace troupe
