#include "config/tables.hpp"

#include "config/guard_fields.hpp"

#include <array>

namespace troupe::config {

template <>
std::span<const std::pair<std::string_view, level>> words() {
  static constexpr std::array<std::pair<std::string_view, level>, 4> all{
    {{"debug", level::debug}, {"info", level::info}, {"warning", level::warning},
     {"error", level::error}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, store_kind>> words() {
  static constexpr std::array<std::pair<std::string_view, store_kind>, 2> all{
    {{"sqlite", store_kind::sqlite}, {"memory", store_kind::memory}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, store_sync>> words() {
  static constexpr std::array<std::pair<std::string_view, store_sync>, 2> all{
    {{"full", store_sync::full}, {"normal", store_sync::normal}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, tool_kind>> words() {
  static constexpr std::array<std::pair<std::string_view, tool_kind>, 3> all{
    {{"function", tool_kind::function}, {"http", tool_kind::http},
     {"command", tool_kind::command}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, effect_class>> words() {
  static constexpr std::array<std::pair<std::string_view, effect_class>, 4> all{
    {{"pure", effect_class::pure}, {"read", effect_class::read},
     {"idempotent", effect_class::idempotent}, {"at_most_once", effect_class::at_most_once}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, mcp_era>> words() {
  static constexpr std::array<std::pair<std::string_view, mcp_era>, 3> all{
    {{"auto", mcp_era::automatic}, {"legacy", mcp_era::legacy}, {"modern", mcp_era::modern}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, mcp_result>> words() {
  static constexpr std::array<std::pair<std::string_view, mcp_result>, 4> all{
    {{"auto", mcp_result::automatic}, {"text", mcp_result::text}, {"json", mcp_result::json},
     {"content", mcp_result::content}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, endpoint_kind>> words() {
  static constexpr std::array<std::pair<std::string_view, endpoint_kind>, 5> all{
    {{"scripted", endpoint_kind::scripted},
     {"openai", endpoint_kind::openai},
     {"openai_responses", endpoint_kind::openai_responses},
     {"anthropic", endpoint_kind::anthropic},
     {"auto", endpoint_kind::automatic}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, broken_stream>> words() {
  static constexpr std::array<std::pair<std::string_view, broken_stream>, 2> all{
    {{"reset", broken_stream::reset}, {"fail", broken_stream::fail}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, budget_period>> words() {
  static constexpr std::array<std::pair<std::string_view, budget_period>, 2> all{
    {{"day", budget_period::day}, {"invocation", budget_period::invocation}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, restart_strategy>> words() {
  static constexpr std::array<std::pair<std::string_view, restart_strategy>, 3> all{
    {{"one_for_one", restart_strategy::one_for_one},
     {"one_for_all", restart_strategy::one_for_all},
     {"rest_for_one", restart_strategy::rest_for_one}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, restart_policy>> words() {
  static constexpr std::array<std::pair<std::string_view, restart_policy>, 3> all{
    {{"permanent", restart_policy::permanent}, {"transient", restart_policy::transient},
     {"temporary", restart_policy::temporary}}};
  return all;
}

template <>
std::span<const std::pair<std::string_view, idempotency_rule>> words() {
  static constexpr std::array<std::pair<std::string_view, idempotency_rule>, 3> all{
    {{"optional", idempotency_rule::optional}, {"required", idempotency_rule::required},
     {"strict", idempotency_rule::strict}}};
  return all;
}

namespace {

using runtime = runtime_options;
using store_of = store_options;
using gateway = gateway_options;
using dispatcher = dispatcher_options;
using agent = agent_options;
using tool = tool_options;
using http = http_tool_options;
using command = command_tool_options;
using model = endpoint_options;
using supervisor = supervisor_options;

fields<tool> function_fields() {
  return {
    entry<text_codec, &tool::function, &function_tool_options::class_name>(
      "class", "name that the code registered; the tool's own where not given"),
    entry<flag_codec, &tool::function, &function_tool_options::blocking>(
      "blocking", "it blocks its thread, so it gets threads of its own"),
  };
}

fields<tool> http_fields() {
  return {
    entry<text_codec, &tool::http, &http::url>(
      "url", "whom it calls; `{field}` of the arguments, `{idempotency_key}`; required"),
    entry<text_codec, &tool::http, &http::method>("method", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    entry<headers_codec, &tool::http, &http::headers>("headers", "sent along; `${NAME}` for keys"),
    entry<text_codec, &tool::http, &http::idempotency_header>(
      "idempotency_header", "carries the call's key, but for pure and read; `\"\"`: not sent"),
    entry<text_codec, &tool::http, &http::body>(
      "body", "`json`: the arguments; `none`; else a template. Never sent with GET and HEAD"),
    entry<statuses_codec, &tool::http, &http::success>("success", "200, \"2xx\", \"200-204\""),
    entry<text_codec, &tool::http, &http::success_if, &answer_condition::at>(
      "success_if.at", "JSON pointer to what a successful answer must say, e.g. `/ok`"),
    entry<text_codec, &tool::http, &http::success_if, &answer_condition::equals>(
      "success_if.equals", "and what it must be: a text as it is, any other value as JSON"),
    entry<text_codec, &tool::http, &http::result>(
      "result", "JSON pointer to the result in the answer; else all of it"),
    entry<size_codec, &tool::http, &http::response_size_max>(
      "response_size_max", "a longer answer is `output_too_large`"),
    entry<flag_codec, &tool::http, &http::tls_verify>(
      "tls_verify", "checks certificates; false is told in an event at each start"),
    entry<file_codec, &tool::http, &http::tls_ca>(
      "tls_ca", "PEM file of authorities to trust; the system's where not given"),
    entry<text_codec, &tool::http, &http::proxy>("proxy", "URL of a proxy"),
  };
}

fields<tool> command_fields() {
  return {
    entry<texts_codec, &tool::command, &command::argv>(
      "argv", "program and arguments, no shell; `{field}`, `{idempotency_key}`; required"),
    entry<path_codec, &tool::command, &command::cwd>(
      "cwd", "where it runs; the topology's folder where not given"),
    entry<names_codec, &tool::command, &command::env>(
      "env", "names of the environment variables that it may see"),
    entry<size_codec, &tool::command, &command::output_max>(
      "output_max", "more output ends it: `output_too_large`"),
    entry<duration_codec, &tool::command, &command::cpu_max>("cpu_max",
                                                             "processor time; `\"0\"`: no limit"),
    entry<size_codec, &tool::command, &command::memory_max>("memory_max",
                                                            "address space; 0: no limit"),
    entry<count_codec, &tool::command, &command::files_max>("files_max", "open files"),
    entry<size_codec, &tool::command, &command::file_size_max>(
      "file_size_max", "of a file that it writes; 0: no limit"),
    entry<count_codec, &tool::command, &command::processes_max>(
      "processes_max", "processes of the whole user, as the kernel counts; 0: no limit"),
  };
}

fields<tool> mcp_tool_fields() {
  return {
    entry<choice_codec<mcp_result>, &tool::mcp, &mcp_tool_options::result>(
      "result", "what agents get: `auto`: `structuredContent`, else the text, else `content`; `json`: "
                "the text read as JSON"),
  };
}

fields<tool> common_tool_fields() {
  fields<tool> all{
    entry<choice_codec<tool_kind>, &tool::kind>("kind", "required"),
    entry<text_codec, &tool::description>("description", "for models that choose among tools"),
    entry<choice_codec<effect_class>, &tool::effect>("effect", "what a repeat would do"),
    entry<json_codec, &tool::input_schema>("input_schema", "JSON Schema of the arguments"),
    entry<text_codec, &tool::key>(
      "key", "JSON pointer to the argument that names the action: the same value is done once"),
    entry<duration_codec, &tool::key_ttl>(
      "key_ttl", "how long an idempotency or business key is remembered"),
    entry<count_codec, &tool::concurrent>("concurrent", "calls in flight"),
    entry<count_codec, &tool::queue>("queue", "calls that wait; above it `overloaded`"),
  };
  add_retry<&tool::retry>(all);
  add_breaker<&tool::breaker>(all);
  using fallback = fallback_options;
  fields<tool> rest{
    entry<duration_codec, &tool::fallback, &fallback::cached>(
      "fallback.cached", "an earlier answer to the same arguments, no older than this; `\"0\"`: "
                         "none is kept"),
    entry<text_codec, &tool::fallback, &fallback::function>(
      "fallback.function", "or what this function says, as registered in code"),
    entry<text_codec, &tool::fallback, &fallback::tool>(
      "fallback.tool", "or what this tool says, `pure` or `read`, to the same arguments"),
    entry<json_codec, &tool::fallback, &fallback::value>("fallback.value", "or this, as JSON"),
    entry<flag_codec, &tool::hedge, &hedge_options::enabled>(
      "hedge.enabled", "`pure` and `read`: a second attempt beside a late first one"),
    entry<duration_codec, &tool::hedge, &hedge_options::after>(
      "hedge.after", "how late; `\"0\"`: later than 95 % of the last attempts"),
    entry<text_codec, &tool::reconcile, &reconcile_options::tool>(
      "reconcile", "short for `reconcile.tool`"),
    entry<text_codec, &tool::reconcile, &reconcile_options::tool>(
      "reconcile.tool", "a `pure` or `read` tool that says whether a call has happened"),
    entry<texts_codec, &tool::reconcile, &reconcile_options::argv>(
      "reconcile.argv", "or a command that says it"),
    entry<text_codec, &tool::reconcile, &reconcile_options::url>(
      "reconcile.url", "or a request: success is done, 404 is not done"),
    entry<text_codec, &tool::reconcile, &reconcile_options::method>("reconcile.method",
                                                                    "of that request"),
    entry<text_codec, &tool::reconcile, &reconcile_options::result>(
      "reconcile.result",
      "JSON pointer to the result; null or nothing there, in a list or object that is there: "
      "not done"),
  };
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

fields<model> make_model_fields() {
  fields<model> all{
    entry<choice_codec<endpoint_kind>, &model::kind>(
      "kind", "required; `auto`: openai where `api_key_env` is set, else scripted"),
    entry<file_codec, &model::script>("script", "answers of a scripted model"),
    entry<path_codec, &model::record>(
      "record", "cassette that what the model says is added to; excludes `replay`"),
    entry<file_codec, &model::replay>(
      "replay", "cassette that answers instead of the model; needs no key and no network"),
    entry<text_codec, &model::model>("model", "the provider's name of the model"),
    entry<text_codec, &model::base_url>("base_url", "where the API begins; none: where its provider has it"),
    entry<secret_codec, &model::api_key>("api_key", "`${NAME}`; none: no Authorization header"),
    entry<variables_codec, &model::api_key_env>(
      "api_key_env", "variable that holds the key, or a list of them: requests go with each in "
                     "turn; OPENAI_API_KEY for `auto`"),
    entry<number_codec, &model::temperature>("temperature", "0 to 2; not sent where not given"),
    entry<count_codec, &model::max_tokens>("max_tokens", "of the answer; 0: not sent"),
    entry<count_codec, &model::repairs_max>(
      "repairs_max", "times it is told what was wrong with its answer and asked again"),
    entry<flag_codec, &model::native_schema>(
      "native_schema", "hands over the answer's schema in the API's own place; false: in words only"),
    entry<duration_codec, &model::first_chunk_timeout>(
      "first_chunk_timeout", "of a streamed answer; a later first piece is `timed_out`"),
    entry<duration_codec, &model::stall_timeout>(
      "stall_timeout", "between two pieces of a streamed answer"),
    entry<choice_codec<broken_stream>, &model::after_first_chunk>(
      "after_first_chunk", "a stream breaks that followers have begun to read: it is asked again, "
                           "after a `reset`, or the call fails"),
    entry<flag_codec, &model::tls_verify>("tls_verify", "checks certificates"),
    entry<text_codec, &model::proxy>("proxy", "URL of a proxy"),
    entry<count_codec, &model::concurrent>("concurrent", "requests in flight, with all keys"),
    entry<count_codec, &model::queue>("queue", "requests that wait; above it `overloaded`"),
    entry<size_codec, &model::response_size_max>("response_size_max",
                                                 "a longer answer is `output_too_large`"),
  };
  add_retry<&model::retry>(all);
  add_limits<&model::limits>(all);
  add_instead(all);
  add_breaker<&model::breaker>(all);
  return all;
}

} // namespace

const fields<topology>& troupe_fields() {
  static const fields<topology> all{
    entry<text_codec, &topology::runtime, &runtime::name>(
      "name", "in events and metrics; the file's name where not given"),
    entry<texts_codec, &topology::runtime, &runtime::include>(
      "include", "further files, read as if they were part of this one"),
    entry<paths_codec, &topology::runtime, &runtime::plugins>("plugins",
                                                              "shared libraries with your code"),
    entry<choice_codec<level>, &topology::runtime, &runtime::log>("log",
                                                                  "events below it are dropped"),
    entry<count_codec, &topology::runtime, &runtime::threads>("threads",
                                                              "of the scheduler; 0: cores + 1"),
    entry<path_codec, &topology::store, &store_of::path>("store", "short for `[store] path`",
                                                         "store.path"),
    entry<listen_codec, &topology::gateway>("listen", "short for `[gateway] listen`",
                                            "gateway.listen"),
  };
  return all;
}

const fields<store_options>& store_fields() {
  static const fields<store_options> all{
    entry<choice_codec<store_kind>, &store_of::kind>("kind", "memory is gone with the process"),
    entry<path_codec, &store_of::path>("path", "the database file"),
    entry<choice_codec<store_sync>, &store_of::synchronous>(
      "synchronous", "`normal` may lose the last commits in a power cut, not in a crash"),
    entry<duration_codec, &store_of::retention>("retention",
                                                "finished invocations are purged after it"),
    entry<count_codec, &store_of::generations>("generations",
                                               "restorable generations per invocation"),
    entry<count_codec, &store_of::entries_warn>("entries_warn",
                                                "entries of a generation that warn"),
    entry<count_codec, &store_of::entries_max>("entries_max", "entries of a generation that stop"),
    entry<size_codec, &store_of::inline_max>("inline_max", "larger payloads become blobs"),
  };
  return all;
}

const fields<gateway_options>& gateway_fields() {
  static const fields<gateway_options> all = [] {
    fields<gateway_options> list{
      entry<flag_codec, &gateway::enabled>("enabled", "false: no HTTP at all"),
      entry<secret_codec, &gateway::token>(
        "token", "bearer token of every request; without one only the loopback"),
      entry<choice_codec<idempotency_rule>, &gateway::idempotency>(
        "idempotency", "`required`: no request without `Idempotency-Key`; `strict`: and 409 while "
                       "the first one runs"),
      entry<duration_codec, &gateway::wait_max>("wait_max", "longest `Prefer: wait`"),
      entry<duration_codec, &gateway::completion_timeout>(
        "completion_timeout", "longest time for an answer of `/v1/chat/completions`"),
      entry<flag_codec, &gateway::cancel_on_disconnect>(
        "cancel_on_disconnect", "a client of `/v1/chat/completions` that goes away takes its "
                                "invocation with it"),
      entry<size_codec, &gateway::body_max>("body_max", "of a request; above it 413"),
      entry<size_codec, &gateway::header_max>("header_max", "of a request; above it 431"),
      entry<count_codec, &gateway::connections_max>("connections_max", "above it 503"),
      entry<duration_codec, &gateway::read_timeout>("read_timeout", "to send a request"),
      entry<duration_codec, &gateway::idle_timeout>("idle_timeout", "of a kept connection"),
    };
    field<gateway_options> listen;
    listen.key = "listen";
    listen.type = listen_codec::type;
    listen.doc = "where HTTP is served; port 0: any free one";
    listen.read = &listen_codec::read;
    listen.show = &listen_codec::show;
    list.insert(list.begin() + 1, listen);
    return list;
  }();
  return all;
}

const fields<dispatcher_options>& dispatcher_fields() {
  static const fields<dispatcher_options> all{
    entry<count_codec, &dispatcher::depth_max>("depth_max",
                                               "open invocations; above it `overloaded`"),
    entry<count_codec, &dispatcher::recovery_rate>("recovery_rate",
                                                   "invocations taken up a second at start"),
    entry<count_codec, &dispatcher::deaths_max>("deaths_max",
                                                "deaths at one address, then quarantine"),
    entry<duration_codec, &dispatcher::key_ttl>(
      "key_ttl", "an idempotency key leads to its invocation for so long after its end"),
    entry<count_codec, &dispatcher::children_depth_max>(
      "children_depth_max", "a deeper `invoke` or `send` is refused"),
    entry<duration_codec, &dispatcher::drain_timeout>("drain_timeout",
                                                      "a stop waits this long for what runs"),
  };
  return all;
}

const fields<agent_options>& agent_fields() {
  static const fields<agent_options> all{
    entry<text_codec, &agent::class_name>("class", "as in TROUPE_AGENT; its name if not given"),
    entry<text_codec, &agent::key>(
      "key", "field of the input: one instance per value, one invocation after another"),
    entry<flag_codec, &agent::yields>("yields",
                                      "others may run under the key while one waits for a signal"),
    entry<choice_codec<idempotency_rule>, &agent::idempotency>(
      "idempotency", "as in `[gateway]`; the stricter one holds"),
    entry<duration_codec, &agent::deadline>("deadline",
                                            "from acceptance to completion; `\"0\"`: none"),
    entry<texts_codec, &agent::tools>("tools", "what it uses: must exist"),
    entry<texts_codec, &agent::models>("models", "likewise"),
    entry<texts_codec, &agent::agents>("agents", "likewise"),
    entry<text_codec, &agent::tenant>("tenant", "whom it works for: models are shared fairly "
                                                "between tenants, then between their agents"),
    entry<count_codec, &agent::priority>("priority", "at models, higher goes first"),
    entry<number_codec, &agent::share>("share", "of what its tenant gets: twice as large, twice "
                                                "as much"),
    entry<count_codec, &agent::concurrency>("concurrency",
                                            "running at a time; 0: as many as come, to 100000"),
    entry<count_codec, &agent::depth_max>("depth_max",
                                          "accepted, not yet begun; above it `overloaded`"),
    entry<duration_codec, &agent::passivate_after>(
      "passivate_after", "a longer wait gives up its memory and replays on waking"),
  };
  return all;
}

const fields<agent_options>& chat_fields() {
  using chat = chat_options;
  static const fields<agent_options> all{
    entry<text_codec, &agent::chat, &chat::model>("model", "who answers; required"),
    entry<text_codec, &agent::chat, &chat::system>("system", "the system prompt"),
    entry<file_codec, &agent::chat, &chat::system_file>("system_file", "or a file that holds it"),
    entry<texts_codec, &agent::chat, &chat::approve>(
      "approve", "tools that wait for `troupe approve`; of `tools`, or `server.*`"),
    entry<duration_codec, &agent::chat, &chat::approve_timeout>(
      "approve_timeout", "nobody has decided for so long: denied"),
    entry<count_codec, &agent::chat, &chat::turns_max>(
      "turns_max", "model calls in one turn; in the last one it must answer"),
    entry<count_codec, &agent::chat, &chat::tool_calls_max>(
      "tool_calls_max", "tool calls in one turn; then it must answer"),
    entry<count_codec, &agent::chat, &chat::repeats_max>(
      "repeats_max", "the same call with the same answer so often is a loop: the model is told, "
                     "then the turn fails"),
    entry<json_codec, &agent::chat, &chat::output>("output",
                                                   "JSON Schema of the answer; none: words"),
    entry<text_codec, &agent::chat, &chat::degraded>(
      "degraded", "what is said when no model could be asked; none: the turn fails"),
    entry<count_codec, &agent::chat, &chat::window_tokens>(
      "window_tokens", "a conversation, kept here or by the caller, costs each model call at most so many"),
    entry<text_codec, &agent::chat, &chat::summary_model>(
      "summary_model", "sums up what falls out of the window; none: it is forgotten"),
    entry<duration_codec, &agent::chat, &chat::conversation_ttl>(
      "conversation_ttl", "silent for longer, it begins anew and its room is free; `\"0\"`: never"),
    entry<count_codec, &agent::chat, &chat::parallel>("parallel", "tool calls at a time"),
    entry<size_codec, &agent::chat, &chat::tool_result_max>(
      "tool_result_max", "of a tool's result that the model gets"),
  };
  return all;
}

const fields<tool_options>& tool_fields() {
  static const auto all = common_tool_fields();
  return all;
}

const fields<tool_options>& tool_fields(tool_kind kind) {
  static const std::array all{function_fields(), http_fields(), command_fields(),
                              mcp_tool_fields()};
  return all[static_cast<std::size_t>(kind)];
}

const fields<endpoint_options>& model_fields() {
  static const auto all = make_model_fields();
  return all;
}

const fields<budget_options>& budget_fields() {
  using budget = budget_options;
  static const fields<budget_options> all{
    entry<choice_codec<budget_period>, &budget::per>(
      "per", "`day` (UTC), or `invocation` with all that it invokes"),
    entry<texts_codec, &budget::agents>("agents", "who shares it; with no `tenants`: all"),
    entry<texts_codec, &budget::tenants>("tenants", "or whose agents"),
    entry<count_codec, &budget::tokens>("tokens", "input and output; 0: no limit"),
    entry<number_codec, &budget::money>("money", "by the models' `price`; 0: no limit"),
    entry<number_codec, &budget::warn_at>("warn_at", "part of a limit at which `budget.warning` "
                                                     "is told"),
  };
  return all;
}

const fields<tenant_options>& tenant_fields() {
  static const fields<tenant_options> all{
    entry<number_codec, &tenant_options::share>(
      "share", "of models and of agents' places that several tenants want: twice as large, twice as "
               "much"),
  };
  return all;
}

const fields<mcp_options>& mcp_fields() {
  using mcp = mcp_options;
  using backoff = backoff_options;
  static const fields<mcp_options> all{
    entry<texts_codec, &mcp::argv>("argv", "its program and arguments, no shell; or `url`"),
    entry<path_codec, &mcp::cwd>("cwd", "where it runs; the topology's folder where not given"),
    entry<names_codec, &mcp::env>("env", "names of the environment variables that it may see"),
    entry<text_codec, &mcp::url>("url", "of its endpoint (streamable HTTP); or `argv`"),
    entry<headers_codec, &mcp::headers>("headers", "sent along; `${NAME}` for keys"),
    entry<flag_codec, &mcp::tls_verify>("tls_verify", "checks certificates"),
    entry<text_codec, &mcp::proxy>("proxy", "URL of a proxy"),
    entry<flag_codec, &mcp::trusted>(
      "trusted", "its annotations say what a repeat would do; else all is `at_most_once`"),
    entry<texts_codec, &mcp::allow>("allow", "tools that agents may call; `*` is any text"),
    entry<choice_codec<mcp_era>, &mcp::era>(
      "era", "`legacy`: sessions, up to 2025-11-25; `modern`: 2026-07-28; `auto` asks"),
    entry<duration_codec, &mcp::start_timeout>("start_timeout",
                                               "the start waits this long for its tools"),
    entry<duration_codec, &mcp::probe_timeout>(
      "probe_timeout", "for the question which era it is; silence is `legacy`"),
    entry<duration_codec, &mcp::request_timeout>("request_timeout",
                                                 "to begin, and for its list of tools"),
    entry<duration_codec, &mcp::progress_max>(
      "progress_max", "longest attempt of a tool that reports progress; else its `timeout`"),
    entry<size_codec, &mcp::response_size_max>(
      "response_size_max", "a longer message is `output_too_large`"),
    entry<count_codec, &mcp::tools_max>("tools_max", "those above it are left out"),
    entry<duration_codec, &mcp::backoff, &backoff::min>(
      "backoff.min", "delay before it is started or reached again"),
    entry<duration_codec, &mcp::backoff, &backoff::max>("backoff.max", "longest delay"),
    entry<number_codec, &mcp::backoff, &backoff::factor>("backoff.factor",
                                                         "from one to the next"),
    entry<number_codec, &mcp::backoff, &backoff::jitter>("backoff.jitter", "fraction, 0 to 1"),
    entry<duration_codec, &mcp::backoff, &backoff::reset_after>(
      "backoff.reset_after", "one that lived this long starts again at `min`"),
  };
  return all;
}

const fields<supervisor_options>& supervisor_fields() {
  using backoff = backoff_options;
  static const fields<supervisor_options> all{
    entry<choice_codec<restart_strategy>, &supervisor::strategy>(
      "strategy", "who is restarted when one child ends"),
    entry<count_codec, &supervisor::intensity>("intensity", "restarts within `period`, then it "
                                                            "stops and escalates"),
    entry<duration_codec, &supervisor::period>("period", "see `intensity`"),
    entry<children_codec, &supervisor::children>(
      "children", "in start order: \"tools.x\" or { id, restart, shutdown }"),
    entry<count_codec, &supervisor::mail_max>("mail_max", "messages kept for a child that is down"),
    entry<duration_codec, &supervisor::backoff, &backoff::min>("backoff.min",
                                                               "delay before the first restart"),
    entry<duration_codec, &supervisor::backoff, &backoff::max>("backoff.max", "longest delay"),
    entry<number_codec, &supervisor::backoff, &backoff::factor>("backoff.factor",
                                                                "from one to the next"),
    entry<number_codec, &supervisor::backoff, &backoff::jitter>("backoff.jitter",
                                                                "fraction, 0 to 1"),
    entry<duration_codec, &supervisor::backoff, &backoff::reset_after>(
      "backoff.reset_after", "a child that lived this long starts again at `min`"),
  };
  return all;
}

const fields<child_options>& child_fields() {
  static const fields<child_options> all{
    entry<text_codec, &child_options::id>("id", "\"tools.x\", \"models.x\", \"mcp.x\", \"supervisors.x\""),
    entry<choice_codec<restart_policy>, &child_options::restart>(
      "restart", "always, after an abnormal exit, never"),
    entry<duration_codec, &child_options::shutdown>("shutdown", "time to stop; `\"0\"`: brutal"),
  };
  return all;
}

} // namespace troupe::config
