#pragma once
// A tool's options: `[tools.*]` in a topology.
//
// Templates (`url`, `body`, `argv`, the same in `reconcile`): `{name}` with a name of letters,
// digits, `_`, `-` and `.` is replaced by that field of the arguments (`a.b` looks into `a`), and
// `{idempotency_key}` by the call's key. Any other brace stands for itself, so that a JSON body
// needs no escapes. Values are percent-encoded in a URL, JSON in a body, and one argument in argv:
// there is no shell.

#include "actors/guard/breaker_options.hpp"
#include "actors/guard/fallback.hpp"
#include "actors/guard/retry_options.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/options.hpp"
#include "runtime/core/secret.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

enum class tool_kind : std::uint8_t {
  function, ///< C++ code, registered in a plugin or the binary
  http,     ///< one HTTP request
  command,  ///< a process: arguments as JSON on stdin, result as JSON on stdout
  mcp,      ///< a tool that an MCP server brings; `[mcp.*]` stands for all of them
};

/// HTTP statuses from `first` to `last`, both included.
struct status_range {
  std::uint16_t first = 200;
  std::uint16_t last = 299;
  bool operator==(const status_range&) const = default;
};

/// `kind = "function"`.
struct function_tool_options {
  std::string class_name; ///< as registered in code; empty: the tool's name
  bool blocking = false;  ///< gets threads of its own, so that it holds up nobody else
};

/// What an answer must say, beside its status, to be a success: many services answer 200 and
/// `{"ok": false}`.
struct answer_condition {
  std::string at;              ///< JSON pointer; empty: no condition
  std::string equals = "true"; ///< a text as it is, any other value as JSON

  bool given() const noexcept { return !at.empty(); }
};

/// `kind = "http"`.
struct http_tool_options {
  // Behaviour
  std::string method = "POST";
  std::string url; ///< template; http or https
  /// Values are secrets because that is what is mostly in them.
  std::map<std::string, secret> headers;
  /// Carries the call's key, for all classes but `pure` and `read`; empty: not sent.
  std::string idempotency_header = "Idempotency-Key";
  /// "json": the arguments; "none"; anything else: a template of the body.
  /// Never sent with GET and HEAD.
  std::string body = "json";
  std::vector<status_range> success{{}};
  answer_condition success_if; ///< holds for answers whose status is in `success`
  std::string result;          ///< JSON pointer into the answer; empty: all of it
  /// Checks the peer's certificate and name. Where it is off for an https URL, each start of the
  /// tool says so in the event `tool.tls_unverified`.
  bool tls_verify = true;
  std::filesystem::path tls_ca; ///< authorities to trust, PEM; empty: the system's
  std::string proxy; ///< URL; empty: none, the environment is not asked

  // Performance
  /// An answer above this many bytes is `output_too_large`: a model reads no more than that.
  std::size_t response_size_max = std::size_t{1} << 20;
};

/// `kind = "command"`.
struct command_tool_options {
  // Behaviour
  std::vector<std::string> argv; ///< templates; the first is the program
  std::filesystem::path cwd;     ///< empty: the topology's folder
  /// Names of environment variables that it may see; no others reach it.
  std::vector<std::string> env{"PATH", "HOME", "LANG"};

  // Performance
  /// More output than this many bytes kills it: `output_too_large`.
  std::size_t output_max = std::size_t{1} << 20;
  /// Processor time, rounded up to seconds; 0: only `timeout` bounds it.
  std::chrono::milliseconds cpu_max{30'000};
  /// Address space in bytes; 0: no limit. Scripts need a hundredth; a JVM or Node reserves more.
  std::size_t memory_max = std::size_t{4} << 30;
  /// Open file descriptors.
  std::uint32_t files_max = 256;
  /// Bytes of any file that it writes; 0: no limit. A log that runs wild fills a disk in minutes.
  std::size_t file_size_max = std::size_t{1} << 30;
  /// Processes of our user, 0: no limit. The kernel counts all of that user's, not only those of
  /// this command, and counts nothing for root: so there is no default that fits everybody.
  std::uint32_t processes_max = 0;
};

/// What a result of an MCP server's tool is to an agent.
enum class mcp_result : std::uint8_t {
  automatic, ///< `structuredContent`; else the text where all is text; else `content` as it is
  text,      ///< all text, joined by line ends
  json,      ///< that text read as JSON, for servers that write JSON into it
  content,   ///< the list `content`, as it is
};

/// A tool of an MCP server.
struct mcp_tool_options {
  mcp_result result = mcp_result::automatic;
  bool effect_given = false; ///< else the server's annotations say it, where it is trusted
};

/// How to find out whether an effect with a lost outcome has happened: one of the three forms.
struct reconcile_options {
  /// A tool of class `pure` or `read`, called with `{"idempotency_key", "arguments"}`; it answers
  /// `{"state": "done" | "not_done" | "unknown", "result": ..}`.
  std::string tool;
  /// A command (templates) that prints the same answer.
  std::vector<std::string> argv;
  /// A request, with the tool's headers: success is done, 404 is not_done, the rest is unknown.
  std::string method = "GET";
  std::string url;
  /// JSON pointer to the result in its answer. Nothing, null or `[]` there: not_done, where the
  /// list or object around it is there; else unknown.
  std::string result;

  bool given() const noexcept { return !tool.empty() || !argv.empty() || !url.empty(); }
};

/// A second attempt beside a first one that is late; the first answer counts.
struct hedge_options {
  bool enabled = false;
  /// How late; 0: later than 95 % of the last attempts were.
  std::chrono::milliseconds after{0};
};

struct tool_options {
  // Behaviour
  std::string name;
  std::string description; ///< for models that choose among tools
  std::string input_schema; ///< JSON Schema of the arguments, JSON text; empty: anything goes
  tool_kind kind = tool_kind::function;
  /// What a repeat would do; nobody is charged twice because somebody forgot to say.
  effect_class effect = effect_class::at_most_once;
  /// JSON pointer to the argument that names the action (`/order`): calls with the same value are
  /// one action, whoever makes them. For calls that name no key themselves. Empty: each is its own.
  std::string key;
  /// How long the far side remembers an idempotency key; past it a repeat is a second effect.
  std::chrono::milliseconds key_ttl = std::chrono::hours{24};
  retry_options retry;
  breaker_options breaker;
  fallback_options fallback;
  hedge_options hedge; ///< `pure` and `read` only
  reconcile_options reconcile;
  function_tool_options function; ///< read where `kind` says so, likewise the next two
  http_tool_options http;
  command_tool_options command;
  mcp_tool_options mcp;

  // Performance
  std::uint32_t concurrent = 25; ///< calls in flight (bulkhead)
  std::uint32_t queue = 100;     ///< calls waiting for a slot; above it: `overloaded`

  option_problems validate() const;
};

/// The names of the `{placeholders}` in a template, in order, with repeats.
std::vector<std::string> placeholders(std::string_view text);

} // namespace troupe
