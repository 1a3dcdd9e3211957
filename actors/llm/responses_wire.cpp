// OpenAI's Responses API.
//
// Its stream tells each piece, and at its end the whole response once more: what was put together
// on the way is shown to whoever follows, the end is what counts.

#include "actors/llm/answer.hpp"
#include "actors/llm/model_wire.hpp"
#include "actors/llm/wire_error.hpp"
#include "actors/llm/wire_text.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <map>

namespace troupe {
namespace {

struct wire_part {
  std::optional<std::string> type;
  std::optional<std::string> text;
  std::optional<std::string> refusal;
};
BOOST_DESCRIBE_STRUCT(wire_part, (), (type, text, refusal))

struct wire_item {
  std::optional<std::string> type;
  std::optional<std::vector<wire_part>> content;
  std::optional<std::vector<wire_part>> summary;
  std::optional<std::string> call_id;
  std::optional<std::string> name;
  std::optional<std::string> arguments;
};
BOOST_DESCRIBE_STRUCT(wire_item, (), (type, content, summary, call_id, name, arguments))

struct wire_details {
  std::optional<std::int64_t> cached_tokens;
};
BOOST_DESCRIBE_STRUCT(wire_details, (), (cached_tokens))

struct wire_usage {
  std::optional<std::int64_t> input_tokens;
  std::optional<std::int64_t> output_tokens;
  std::optional<wire_details> input_tokens_details;
};
BOOST_DESCRIBE_STRUCT(wire_usage, (), (input_tokens, output_tokens, input_tokens_details))

struct wire_incomplete {
  std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(wire_incomplete, (), (reason))

struct wire_response {
  std::optional<std::string> status;
  std::optional<std::string> model;
  std::optional<std::vector<wire_item>> output;
  std::optional<wire_usage> usage;
  std::optional<wire_incomplete> incomplete_details;
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_response, (),
                      (status, model, output, usage, incomplete_details, error))

struct wire_event {
  std::optional<std::string> type;
  std::optional<std::int64_t> output_index;
  std::optional<std::string> delta;
  std::optional<wire_item> item;
  std::optional<wire_response> response;
};
BOOST_DESCRIBE_STRUCT(wire_event, (), (type, output_index, delta, item, response))

std::string text_of(const std::optional<std::vector<wire_part>>& parts) {
  std::string out;
  for (const auto& p : parts.value_or(std::vector<wire_part>{}))
    out += p.text.value_or("");
  return out;
}

void take_item(model_answer& out, std::string& refusal, const wire_item& item) {
  auto type = item.type.value_or("");
  if (type == "message") {
    out.text += text_of(item.content);
    for (const auto& p : item.content.value_or(std::vector<wire_part>{}))
      refusal += p.refusal.value_or("");
  } else if (type == "reasoning") {
    out.reasoning += text_of(item.summary) + text_of(item.content);
  } else if (type == "function_call") {
    out.tool_calls.push_back(
      {item.call_id.value_or(""), item.name.value_or(""), item.arguments.value_or("")});
  }
}

result<model_answer> answer_of(const wire_response& r) {
  if (r.error && r.error->text != "null")
    return failure_inside(read_server_error(r.error->text));
  auto status = r.status.value_or("");
  if (status != "completed" && status != "incomplete")
    return unreadable_answer(fmt::format("its status is '{}'", head_of(status, 40)));
  model_answer out;
  std::string refusal;
  out.model = r.model.value_or("");
  auto usage = r.usage.value_or(wire_usage{});
  out.input_tokens = usage.input_tokens.value_or(0);
  out.output_tokens = usage.output_tokens.value_or(0);
  out.cached_tokens = usage.input_tokens_details.value_or(wire_details{}).cached_tokens.value_or(0);
  for (const auto& item : r.output.value_or(std::vector<wire_item>{}))
    take_item(out, refusal, item);
  auto why = r.incomplete_details.value_or(wire_incomplete{}).reason.value_or("length");
  out.finish_reason = status == "incomplete" ? why : "stop";
  return checked_answer(std::move(out), refusal);
}

class responses_stream final : public answer_stream {
public:
  using teller = std::function<void(const model_delta&)>;

  result<void> add(std::string_view, std::string_view data, const teller& tell) override {
    if (data == "[DONE]") // of servers that only look like OpenAI's
      return {};
    auto e = from_json<wire_event>(data);
    if (!e)
      return unreadable_answer("an event is malformed: " + e.error().message);
    auto type = e->type.value_or("");
    if (type == "error") // documented flat, sent with an `error` inside
      return failure_inside(read_server_error(data));
    if (type == "response.completed" || type == "response.failed" || type == "response.incomplete")
      return end(*e);
    if (type == "response.output_item.added" && e->item
        && e->item->type.value_or("") == "function_call") {
      if (calls_.size() == tool_calls_max)
        return too_many_calls();
      calls_.emplace(e->output_index.value_or(0), calls_.size());
    }
    if (e->delta && !e->delta->empty())
      show(type, *e, tell);
    return {};
  }

  bool complete() const override { return answer_.has_value(); }

  result<model_answer> finish() && override {
    if (!answer_)
      return cut_answer("response.completed");
    return std::move(*answer_);
  }

private:
  result<void> end(wire_event& e) {
    if (!e.response)
      return unreadable_answer("its last event has no response");
    answer_ = answer_of(*e.response);
    if (*answer_
        && ((*answer_)->text.size() < told_text_ || (*answer_)->tool_calls.size() < calls_.size()))
      answer_ = unreadable_answer("its end has less than what was streamed");
    return {};
  }

  void show(const std::string& type, const wire_event& e, const teller& tell) {
    if (type == "response.output_text.delta") {
      told_text_ += e.delta->size();
      tell({model_delta::kind::text, *e.delta, 0});
    } else if (type == "response.function_call_arguments.delta") {
      auto call = calls_.find(e.output_index.value_or(0));
      if (call != calls_.end())
        tell({model_delta::kind::tool_call, *e.delta, call->second});
    } else if (type == "response.reasoning_text.delta"
               || type == "response.reasoning_summary_text.delta") {
      tell({model_delta::kind::reasoning, *e.delta, 0});
    }
  }

  std::map<std::int64_t, std::size_t> calls_; ///< by their place in the output
  std::size_t told_text_ = 0; ///< bytes
  std::optional<result<model_answer>> answer_;
};

void append_message(std::string& out, const model_message& m) {
  auto said = std::string_view{m.role == "assistant" ? "output_text" : "input_text"};
  out += R"({"type":"message","role":)" + to_json(m.role) + R"(,"content":[{"type":")";
  out += said;
  out += R"(","text":)" + to_json(m.content) + "}";
  for (const auto& image : m.images)
    out += R"(,{"type":"input_image","image_url":)" + to_json(image.url) + "}";
  out += "]},";
}

// Tool calls and their results are items of their own.
void append_items(std::string& out, const model_message& m) {
  if (m.role == "tool") {
    out += R"({"type":"function_call_output","call_id":)" + to_json(m.tool_call_id)
           + R"(,"output":)" + to_json(m.content) + "},";
    return;
  }
  if (!m.content.empty() || !m.images.empty())
    append_message(out, m);
  for (const auto& c : m.tool_calls)
    out += R"({"type":"function_call","call_id":)" + to_json(c.id) + R"(,"name":)"
           + to_json(c.name) + R"(,"arguments":)" + to_json(c.arguments) + "},";
}

void append_tools(std::string& out, const model_request& request) {
  out += R"(,"tools":[)";
  for (const auto& t : request.tools)
    out += R"({"type":"function","name":)" + to_json(t.name) + R"(,"description":)"
           + to_json(t.description) + R"(,"parameters":)" + t.parameters + R"(,"strict":false},)";
  out.back() = ']';
  if (!request.tool_choice.empty())
    out += R"(,"tool_choice":)" + to_json(request.tool_choice);
}

class responses_wire final : public model_wire {
public:
  std::string url(std::string_view base) const override {
    return std::string{base} + "/responses";
  }

  void add_headers(net::http_headers& out, const secret& key) const override {
    if (!key.empty())
      out.add("authorization", "Bearer " + key.reveal());
  }

  std::string body(const model_request& request, std::string_view model,
                   const wire_dialect& dialect) const override {
    bool native = schema_native(request, dialect);
    // Nothing is kept there: the journal has the conversation.
    std::string out = R"({"model":)" + to_json(model) + R"(,"store":false,"input":[)";
    if (!request.schema.empty() && !native)
      append_message(out, {"system", schema_in_words(request.schema)});
    for (const auto& m : request.messages)
      append_items(out, m);
    if (out.back() == ',')
      out.pop_back();
    out += ']';
    if (!request.tools.empty())
      append_tools(out, request);
    if (auto t = temperature_of(request, dialect))
      out += R"(,"temperature":)" + to_json(*t);
    if (request.max_tokens > 0)
      out += R"(,"max_output_tokens":)" + to_json(request.max_tokens);
    if (native)
      out += R"(,"text":{"format":{"type":"json_schema","name":"answer","strict":true,"schema":)"
             + request.schema + "}}";
    if (request.on_delta)
      out += R"(,"stream":true)";
    return out + "}";
  }

  result<model_answer> read(const net::http_response& response, utc_time now) const override {
    if (response.status < 200 || response.status > 299)
      return failure_of(response, now);
    auto reply = from_json<wire_response>(response.body);
    if (!reply)
      return unreadable_answer("it is not a response: " + reply.error().message);
    return answer_of(*reply);
  }

  std::unique_ptr<answer_stream> stream() const override {
    return std::make_unique<responses_stream>();
  }

  bool adapt(wire_dialect& dialect, const wire_dialect& sent, const net::http_response& response,
             const model_request& request) const override {
    auto e = refusal_of(response);
    return e && adapt_common(dialect, sent, *e, request, {"text.format", "json_schema"});
  }
};

} // namespace

std::unique_ptr<model_wire> make_responses_wire() {
  return std::make_unique<responses_wire>();
}

} // namespace troupe
