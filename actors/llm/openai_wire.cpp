#include "actors/llm/openai_wire.hpp"

#include "actors/llm/answer.hpp"
#include "actors/llm/call_pieces.hpp"
#include "actors/llm/wire_error.hpp"
#include "actors/llm/wire_text.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

struct wire_function {
  std::optional<std::string> name;
  std::optional<std::string> arguments;
};
BOOST_DESCRIBE_STRUCT(wire_function, (), (name, arguments))

struct wire_call {
  std::optional<std::string> id;
  std::optional<wire_function> function;
};
BOOST_DESCRIBE_STRUCT(wire_call, (), (id, function))

struct wire_message {
  std::optional<std::string> content;
  std::optional<std::string> refusal;
  std::optional<std::string> reasoning_content; // DeepSeek, vLLM
  std::optional<std::string> reasoning;         // OpenRouter, Ollama
  std::optional<std::vector<wire_call>> tool_calls;
};
BOOST_DESCRIBE_STRUCT(wire_message, (),
                      (content, refusal, reasoning_content, reasoning, tool_calls))

struct wire_choice {
  std::optional<wire_message> message;
  std::optional<std::string> finish_reason;
  std::optional<raw_json> error; // OpenRouter, with the finish_reason `error`
};
BOOST_DESCRIBE_STRUCT(wire_choice, (), (message, finish_reason, error))

struct wire_details {
  std::optional<std::int64_t> cached_tokens;
};
BOOST_DESCRIBE_STRUCT(wire_details, (), (cached_tokens))

struct wire_usage {
  std::optional<std::int64_t> prompt_tokens;
  std::optional<std::int64_t> completion_tokens;
  std::optional<wire_details> prompt_tokens_details;
};
BOOST_DESCRIBE_STRUCT(wire_usage, (), (prompt_tokens, completion_tokens, prompt_tokens_details))

struct wire_reply {
  std::optional<std::vector<wire_choice>> choices;
  std::optional<wire_usage> usage;
  std::optional<std::string> model;
  std::optional<std::string> object; // `error` of servers that have no `error`
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_reply, (), (choices, usage, model, object, error))

struct wire_call_delta {
  std::optional<std::int64_t> index;
  std::optional<std::string> id;
  std::optional<wire_function> function;
};
BOOST_DESCRIBE_STRUCT(wire_call_delta, (), (index, id, function))

struct wire_delta {
  std::optional<std::string> content;
  std::optional<std::string> refusal;
  std::optional<std::string> reasoning_content;
  std::optional<std::string> reasoning;
  std::optional<std::vector<wire_call_delta>> tool_calls;
};
BOOST_DESCRIBE_STRUCT(wire_delta, (), (content, refusal, reasoning_content, reasoning, tool_calls))

struct wire_chunk_choice {
  std::optional<std::int64_t> index;
  std::optional<wire_delta> delta;
  std::optional<std::string> finish_reason;
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_chunk_choice, (), (index, delta, finish_reason, error))

struct wire_chunk {
  std::optional<std::vector<wire_chunk_choice>> choices;
  std::optional<wire_usage> usage;
  std::optional<std::string> model;
  std::optional<std::string> object; // `error` of servers that have no `error`
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_chunk, (), (choices, usage, model, object, error))

void take_usage(model_answer& out, const wire_usage& u) {
  out.input_tokens = u.prompt_tokens.value_or(out.input_tokens);
  out.output_tokens = u.completion_tokens.value_or(out.output_tokens);
  if (u.prompt_tokens_details)
    out.cached_tokens = u.prompt_tokens_details->cached_tokens.value_or(0);
}

bool is_there(const std::optional<raw_json>& e) {
  return e && e->text != "null";
}

// The error within a reply or a chunk that has status 200.
template <class Body>
std::optional<error> error_inside(const Body& body, std::string_view text) {
  if (is_there(body.error) || body.object.value_or("") == "error")
    return failure_inside(read_server_error(text));
  if (body.choices && !body.choices->empty() && is_there(body.choices->front().error))
    return failure_inside(read_server_error(body.choices->front().error->text));
  return std::nullopt;
}

// What is neither may still be an error, in a shape of its own: Gemini's is an array.
error unreadable(std::string_view text, std::string_view why) {
  auto e = read_server_error(text);
  return e.message.empty() ? unreadable_answer(why) : failure_inside(e);
}

result<model_answer> answer_of(wire_reply&& reply, std::string_view text) {
  if (auto why = error_inside(reply, text))
    return std::move(*why);
  if (!reply.choices || reply.choices->empty() || !reply.choices->front().message)
    return unreadable_answer("it has no choices");
  auto& choice = reply.choices->front();
  auto& message = *choice.message;
  model_answer out;
  out.finish_reason = choice.finish_reason.value_or("");
  out.model = reply.model.value_or("");
  take_usage(out, reply.usage.value_or(wire_usage{}));
  out.reasoning = message.reasoning_content.value_or(message.reasoning.value_or(""));
  for (auto& call : message.tool_calls.value_or(std::vector<wire_call>{})) {
    auto f = call.function.value_or(wire_function{});
    out.tool_calls.push_back(
      {call.id.value_or(""), f.name.value_or(""), f.arguments.value_or("")});
  }
  bool silent = !message.content && out.tool_calls.empty();
  out.text = std::move(message.content).value_or("");
  auto reason = out.finish_reason;
  auto checked = checked_answer(std::move(out), message.refusal.value_or(""));
  if (checked && silent)
    return error{errc::failed,
                 fmt::format("the answer has no content (finish_reason {})", head_of(reason, 40))};
  return checked;
}

class chat_stream final : public answer_stream {
public:
  result<void> add(std::string_view, std::string_view data,
                   const std::function<void(const model_delta&)>& on_delta) override {
    if (data == "[DONE]") {
      done_ = true;
      return {};
    }
    auto chunk = from_json<wire_chunk>(data);
    if (!chunk)
      return unreadable(data, "a chunk is malformed: " + chunk.error().message);
    if (auto why = error_inside(*chunk, data))
      return std::move(*why);
    if (chunk->model)
      answer_.model = std::move(*chunk->model);
    if (chunk->usage)
      take_usage(answer_, *chunk->usage);
    for (auto& c : chunk->choices.value_or(std::vector<wire_chunk_choice>{}))
      if (c.index.value_or(0) == 0)
        if (auto taken = take(c, on_delta); !taken)
          return taken;
    return {};
  }

  // After the reason, only what was used may follow; `[DONE]` itself may be missing.
  bool complete() const override { return done_; }

  result<model_answer> finish() && override {
    if (!finished_)
      return cut_answer("a finish_reason");
    return checked_answer(std::move(answer_), refusal_);
  }

private:
  result<void> take(wire_chunk_choice& c, const std::function<void(const model_delta&)>& tell) {
    auto d = std::move(c.delta).value_or(wire_delta{});
    auto& thought = d.reasoning_content ? d.reasoning_content : d.reasoning;
    if (thought && !thought->empty()) {
      answer_.reasoning += *thought;
      tell({model_delta::kind::reasoning, *thought, 0});
    }
    if (d.content && !d.content->empty()) {
      answer_.text += *d.content;
      tell({model_delta::kind::text, *d.content, 0});
    }
    refusal_ += d.refusal.value_or("");
    for (auto& call : d.tool_calls.value_or(std::vector<wire_call_delta>{}))
      if (auto taken = take_call(call, tell); !taken)
        return taken;
    if (c.finish_reason && !c.finish_reason->empty()) { // SGLang and Ollama send "" with each piece
      finished_ = true;
      answer_.finish_reason = std::move(*c.finish_reason);
    }
    return {};
  }

  result<void> take_call(wire_call_delta& d, const std::function<void(const model_delta&)>& tell) {
    auto f = std::move(d.function).value_or(wire_function{});
    call_piece piece{d.index, std::move(d.id).value_or(""), std::move(f.name).value_or(""),
                     std::move(f.arguments).value_or("")};
    auto at = calls_.add(answer_.tool_calls, piece);
    if (!at)
      return std::move(at).error();
    if (!piece.arguments.empty())
      tell({model_delta::kind::tool_call, piece.arguments, *at});
    return {};
  }

  model_answer answer_;
  std::string refusal_;
  call_pieces calls_;
  bool finished_ = false;
  bool done_ = false;
};

void append_content(std::string& out, const model_message& m) {
  if (m.images.empty()) {
    out += m.content.empty() && !m.tool_calls.empty() ? "null" : to_json(m.content);
    return;
  }
  out += R"([{"type":"text","text":)" + to_json(m.content) + "}";
  for (const auto& image : m.images)
    out += R"(,{"type":"image_url","image_url":{"url":)" + to_json(image.url) + "}}";
  out += "]";
}

void append_message(std::string& out, const model_message& m) {
  out += R"({"role":)" + to_json(m.role) + R"(,"content":)";
  append_content(out, m);
  if (!m.tool_call_id.empty())
    out += R"(,"tool_call_id":)" + to_json(m.tool_call_id);
  if (!m.tool_calls.empty()) {
    out += R"(,"tool_calls":[)";
    for (const auto& c : m.tool_calls)
      out += R"({"id":)" + to_json(c.id) + R"(,"type":"function","function":{"name":)"
             + to_json(c.name) + R"(,"arguments":)" + to_json(c.arguments) + "}},";
    out.back() = ']';
  }
  out += "}";
}

void append_tools(std::string& out, const model_request& request) {
  out += R"(,"tools":[)";
  for (const auto& t : request.tools)
    out += R"({"type":"function","function":{"name":)" + to_json(t.name) + R"(,"description":)"
           + to_json(t.description) + R"(,"parameters":)" + t.parameters + "}},";
  out.back() = ']';
  if (!request.tool_choice.empty())
    out += R"(,"tool_choice":)" + to_json(request.tool_choice);
}

} // namespace

std::string chat_wire::url(std::string_view base) const {
  return std::string{base} + "/chat/completions";
}

void chat_wire::add_headers(net::http_headers& out, const secret& key) const {
  if (!key.empty())
    out.add("authorization", "Bearer " + key.reveal());
}

std::string chat_wire::body(const model_request& request, std::string_view model,
                            const wire_dialect& dialect) const {
  bool native = schema_native(request, dialect);
  std::string out = R"({"model":)" + to_json(model) + R"(,"messages":[)";
  if (!request.schema.empty() && !native) {
    append_message(out, {"system", schema_in_words(request.schema)});
    out += ",";
  }
  for (const auto& m : request.messages) {
    append_message(out, m);
    out += ",";
  }
  out.back() = ']';
  if (!request.tools.empty())
    append_tools(out, request);
  if (auto t = temperature_of(request, dialect))
    out += R"(,"temperature":)" + to_json(*t);
  if (request.max_tokens > 0)
    out += (dialect.old_max_tokens ? R"(,"max_tokens":)" : R"(,"max_completion_tokens":)")
           + to_json(request.max_tokens);
  if (native)
    out
      += R"(,"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,)"
         R"("schema":)"
         + request.schema + "}}";
  if (request.on_delta)
    out += dialect.stream_usage ? R"(,"stream":true,"stream_options":{"include_usage":true})"
                                : R"(,"stream":true)";
  return out + "}";
}

result<model_answer> chat_wire::read(const net::http_response& response, utc_time now) const {
  if (response.status < 200 || response.status > 299)
    return failure_of(response, now);
  auto reply = from_json<wire_reply>(response.body);
  if (!reply)
    return unreadable(response.body, "it is not a chat completion: " + reply.error().message);
  return answer_of(std::move(*reply), response.body);
}

std::unique_ptr<answer_stream> chat_wire::stream() const {
  return std::make_unique<chat_stream>();
}

bool chat_wire::adapt(wire_dialect& dialect, const wire_dialect& sent,
                      const net::http_response& response, const model_request& request) const {
  auto e = refusal_of(response);
  if (!e)
    return false;
  if (adapt_common(dialect, sent, *e, request, {"response_format", "json_schema"}))
    return true;
  if (request.max_tokens > 0 && sent.old_max_tokens && says_unsupported(*e)
      && e->mentions({"max_completion_tokens"})) {
    dialect.old_max_tokens = false;
    return true;
  }
  if (request.on_delta && sent.stream_usage && e->mentions({"stream_options"})) {
    dialect.stream_usage = false;
    return true;
  }
  return false;
}

std::unique_ptr<model_wire> make_chat_wire() {
  return std::make_unique<chat_wire>();
}

} // namespace troupe
