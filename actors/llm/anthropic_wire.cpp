// Anthropic's Messages API.
//
// It differs from Chat Completions where it matters: system text stands beside the messages, turns
// must alternate, tool results are a user's, `max_tokens` must be there, and an answer is a list of
// blocks.

#include "actors/llm/model_wire.hpp"
#include "actors/llm/wire_error.hpp"
#include "actors/llm/wire_text.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <map>

namespace troupe {
namespace {

/// Of the API; the newest is the same in all that is used here.
constexpr std::string_view api_version = "2023-06-01";

/// Sent where nobody says how long an answer may be: the API insists on a number, and all models
/// take this one.
constexpr std::int64_t max_tokens_default = 4'096;

struct wire_usage {
  std::optional<std::int64_t> input_tokens;
  std::optional<std::int64_t> output_tokens;
  std::optional<std::int64_t> cache_creation_input_tokens;
  std::optional<std::int64_t> cache_read_input_tokens;
};
BOOST_DESCRIBE_STRUCT(wire_usage, (),
                      (input_tokens, output_tokens, cache_creation_input_tokens,
                       cache_read_input_tokens))

struct wire_block {
  std::optional<std::string> type;
  std::optional<std::string> text;
  std::optional<std::string> thinking;
  std::optional<std::string> id;
  std::optional<std::string> name;
  std::optional<raw_json> input;
};
BOOST_DESCRIBE_STRUCT(wire_block, (), (type, text, thinking, id, name, input))

struct wire_message {
  std::optional<std::string> type;
  std::optional<std::string> model;
  std::optional<std::vector<wire_block>> content;
  std::optional<std::string> stop_reason;
  std::optional<wire_usage> usage;
};
BOOST_DESCRIBE_STRUCT(wire_message, (), (type, model, content, stop_reason, usage))

struct wire_delta {
  std::optional<std::string> type;
  std::optional<std::string> text;
  std::optional<std::string> thinking;
  std::optional<std::string> partial_json;
  std::optional<std::string> stop_reason;
};
BOOST_DESCRIBE_STRUCT(wire_delta, (), (type, text, thinking, partial_json, stop_reason))

struct wire_event {
  std::optional<std::string> type;
  std::optional<std::int64_t> index;
  std::optional<wire_message> message;
  std::optional<wire_block> content_block;
  std::optional<wire_delta> delta;
  std::optional<wire_usage> usage;
};
BOOST_DESCRIBE_STRUCT(wire_event, (), (type, index, message, content_block, delta, usage))

void take_usage(model_answer& out, const wire_usage& u) {
  if (u.input_tokens) {
    out.cached_tokens = u.cache_read_input_tokens.value_or(0);
    // What came from or went into the cache is counted apart, and was input all the same.
    out.input_tokens
      = *u.input_tokens + out.cached_tokens + u.cache_creation_input_tokens.value_or(0);
  }
  out.output_tokens = u.output_tokens.value_or(out.output_tokens);
}

result<model_answer> ended(model_answer out, std::string_view reason) {
  if (reason == "pause_turn")
    return error{errc::failed, "the model paused its turn for a tool of its server (pause_turn)"};
  if (reason == "refusal")
    return checked_answer(std::move(out), "the answer was stopped (refusal)");
  out.finish_reason = reason;
  return checked_answer(std::move(out), {});
}

// Servers that only look like Anthropic's send a tool's whole input where a block begins.
std::string whole_input(const wire_block& b) {
  auto given = b.input ? b.input->text : "";
  auto first = given.find_first_not_of(" \t\r\n", 1);
  bool has_members = given.starts_with('{') && first != std::string::npos && given[first] != '}';
  return has_members ? given : "";
}

void take_block(model_answer& out, wire_block& b) {
  auto type = b.type.value_or("");
  if (type == "text")
    out.text += b.text.value_or("");
  else if (type == "thinking")
    out.reasoning += b.thinking.value_or("");
  else if (type == "tool_use")
    out.tool_calls.push_back(
      {b.id.value_or(""), b.name.value_or(""), b.input ? b.input->text : "{}"});
}

class messages_stream final : public answer_stream {
public:
  result<void> add(std::string_view, std::string_view data,
                   const std::function<void(const model_delta&)>& tell) override {
    auto e = from_json<wire_event>(data);
    if (!e)
      return unreadable_answer("an event is malformed: " + e.error().message);
    auto type = e->type.value_or("");
    if (type == "error")
      return failure_inside(read_server_error(data));
    if (type == "message_start" && e->message) {
      answer_.model = e->message->model.value_or("");
      take_usage(answer_, e->message->usage.value_or(wire_usage{}));
    } else if (type == "content_block_start" && e->content_block) {
      return begin(e->index.value_or(0), *e->content_block, tell);
    } else if (type == "content_block_delta" && e->delta) {
      return go_on(e->index.value_or(0), *e->delta, tell);
    } else if (type == "content_block_stop") {
      end(e->index.value_or(0), tell);
    } else if (type == "message_delta") {
      if (e->delta && e->delta->stop_reason)
        reason_ = std::move(*e->delta->stop_reason);
      take_usage(answer_, e->usage.value_or(wire_usage{}));
    } else if (type == "message_stop") {
      done_ = true;
    }
    return {}; // pings, and what is new
  }

  bool complete() const override { return done_; }

  result<model_answer> finish() && override {
    if (reason_.empty() || !open_.empty())
      return cut_answer(reason_.empty() ? "a stop_reason" : "the end of a block");
    for (auto& call : answer_.tool_calls)
      if (call.arguments.empty())
        call.arguments = "{}"; // a tool without arguments has no pieces of them
    return ended(std::move(answer_), reason_);
  }

private:
  using teller = std::function<void(const model_delta&)>;

  result<void> begin(std::int64_t index, const wire_block& b, const teller& tell) {
    if (b.type.value_or("") != "tool_use") {
      open_[index] = {};
      say(b.text, b.thinking, tell);
      return {};
    }
    if (answer_.tool_calls.size() == tool_calls_max)
      return too_many_calls();
    open_[index] = {answer_.tool_calls.size(), whole_input(b)};
    answer_.tool_calls.push_back({b.id.value_or(""), b.name.value_or(""), ""});
    return {};
  }

  result<void> go_on(std::int64_t index, const wire_delta& d, const teller& tell) {
    auto open = open_.find(index);
    if (open == open_.end())
      return unreadable_answer("a piece belongs to no block");
    say(d.text, d.thinking, tell);
    if (d.partial_json && open->second.call != no_call)
      add_arguments(open->second.call, *d.partial_json, tell);
    return {};
  }

  // What came in pieces counts; what the block began with does where none came.
  void end(std::int64_t index, const teller& tell) {
    auto open = open_.extract(index);
    if (open && open.mapped().call != no_call
        && answer_.tool_calls[open.mapped().call].arguments.empty())
      add_arguments(open.mapped().call, open.mapped().input, tell);
  }

  void add_arguments(std::size_t call, const std::string& piece, const teller& tell) {
    if (piece.empty())
      return;
    answer_.tool_calls[call].arguments += piece;
    tell({model_delta::kind::tool_call, piece, call});
  }

  void say(const std::optional<std::string>& text, const std::optional<std::string>& thought,
           const teller& tell) {
    if (thought && !thought->empty()) {
      answer_.reasoning += *thought;
      tell({model_delta::kind::reasoning, *thought, 0});
    }
    if (text && !text->empty()) {
      answer_.text += *text;
      tell({model_delta::kind::text, *text, 0});
    }
  }

  static constexpr std::size_t no_call = static_cast<std::size_t>(-1);

  struct open_block {
    std::size_t call = no_call;
    std::string input{}; ///< the tool's, where the block began with it
  };

  model_answer answer_;
  std::map<std::int64_t, open_block> open_; ///< those that have not ended
  std::string reason_;
  bool done_ = false;
};

// The blocks of one message, without brackets.
void append_blocks(std::string& out, const model_message& m) {
  auto separate = [&, first = true]() mutable {
    if (!std::exchange(first, false))
      out += ',';
  };
  if (m.role == "tool") {
    out += R"({"type":"tool_result","tool_use_id":)" + to_json(m.tool_call_id) + R"(,"content":)"
           + to_json(m.content) + "}";
    return;
  }
  for (const auto& image : m.images) {
    separate();
    auto data = parse_data_url(image.url);
    out += data.base64.empty()
             ? R"({"type":"image","source":{"type":"url","url":)" + to_json(image.url) + "}}"
             : R"({"type":"image","source":{"type":"base64","media_type":)"
                 + to_json(data.media_type) + R"(,"data":)" + to_json(data.base64) + "}}";
  }
  if (!m.content.empty()) {
    separate();
    out += R"({"type":"text","text":)" + to_json(m.content) + "}";
  }
  for (const auto& c : m.tool_calls) {
    separate();
    out += R"({"type":"tool_use","id":)" + to_json(c.id) + R"(,"name":)" + to_json(c.name)
           + R"(,"input":)" + arguments_object(c.arguments) + "}";
  }
}

bool is_empty(const model_message& m) {
  return m.role != "tool" && m.content.empty() && m.images.empty() && m.tool_calls.empty();
}

// Turns must alternate, so what the same side says on and on is one turn; empty ones are refused.
void append_turns(std::string& out, const model_request& request) {
  std::string_view last;
  out += R"("messages":[)";
  for (const auto& m : request.messages) {
    if (m.role == "system" || is_empty(m))
      continue;
    auto side = std::string_view{m.role == "assistant" ? "assistant" : "user"};
    if (side == last) {
      out += ',';
    } else {
      if (!last.empty())
        out += "]},";
      out += fmt::format(R"({{"role":"{}","content":[)", side);
    }
    append_blocks(out, m);
    last = side;
  }
  out += last.empty() ? "]" : "]}]";
}

std::string system_of(const model_request& request, bool with_schema) {
  std::string out;
  for (const auto& m : request.messages)
    if (m.role == "system")
      out += (out.empty() ? "" : "\n\n") + m.content;
  if (with_schema)
    out += (out.empty() ? "" : "\n\n") + schema_in_words(request.schema);
  return out;
}

void append_tools(std::string& out, const model_request& request) {
  out += R"(,"tools":[)";
  for (const auto& t : request.tools)
    out += R"({"name":)" + to_json(t.name) + R"(,"description":)" + to_json(t.description)
           + R"(,"input_schema":)" + t.parameters + "},";
  out.back() = ']';
  if (!request.tool_choice.empty())
    out += fmt::format(R"(,"tool_choice":{{"type":"{}"}})",
                       request.tool_choice == "required" ? "any" : request.tool_choice);
}

class anthropic_wire final : public model_wire {
public:
  std::string url(std::string_view base) const override {
    return std::string{base} + "/messages";
  }

  void add_headers(net::http_headers& out, const secret& key) const override {
    out.add("anthropic-version", std::string{api_version});
    if (!key.empty())
      out.add("x-api-key", key.reveal());
  }

  std::string body(const model_request& request, std::string_view model,
                   const wire_dialect& dialect) const override {
    bool native = schema_native(request, dialect);
    auto system = system_of(request, !request.schema.empty() && !native);
    auto max_tokens = request.max_tokens > 0 ? request.max_tokens : max_tokens_default;
    std::string out = R"({"model":)" + to_json(model) + R"(,"max_tokens":)" + to_json(max_tokens)
                      + ",";
    if (!system.empty())
      out += R"("system":)" + to_json(system) + ",";
    append_turns(out, request);
    if (!request.tools.empty())
      append_tools(out, request);
    if (auto t = temperature_of(request, dialect))
      out += R"(,"temperature":)" + to_json(std::min(*t, 1.0));
    if (native)
      out += R"(,"output_config":{"format":{"type":"json_schema","schema":)" + request.schema
             + "}}";
    if (request.on_delta)
      out += R"(,"stream":true)";
    return out + "}";
  }

  result<model_answer> read(const net::http_response& response, utc_time now) const override {
    if (response.status < 200 || response.status > 299)
      return failure_of(response, now);
    auto message = from_json<wire_message>(response.body);
    if (!message)
      return unreadable_answer("it is not a message: " + message.error().message);
    if (message->type.value_or("") == "error")
      return failure_inside(read_server_error(response.body));
    if (!message->content || !message->stop_reason)
      return unreadable_answer("it has no content or no stop_reason");
    model_answer out;
    out.model = message->model.value_or("");
    take_usage(out, message->usage.value_or(wire_usage{}));
    for (auto& b : *message->content)
      take_block(out, b);
    return ended(std::move(out), *message->stop_reason);
  }

  std::unique_ptr<answer_stream> stream() const override {
    return std::make_unique<messages_stream>();
  }

  bool adapt(wire_dialect& dialect, const wire_dialect& sent, const net::http_response& response,
             const model_request& request) const override {
    auto e = refusal_of(response);
    return e
           && adapt_common(dialect, sent, *e, request,
                           {"output_config", "output_format", "json_schema"});
  }
};

} // namespace

std::unique_ptr<model_wire> make_anthropic_wire() {
  return std::make_unique<anthropic_wire>();
}

} // namespace troupe
