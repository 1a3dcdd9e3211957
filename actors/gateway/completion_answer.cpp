// Answers of Chat Completions, whole and streamed.
#include "actors/gateway/completions.hpp"
#include "actors/gateway/json_out.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/problem.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::gateway {
namespace {

struct answer_fields {
  std::string text;
  std::optional<std::string> finish;
  std::optional<std::vector<completion_call>> calls;
  std::optional<std::int64_t> input_tokens;
  std::optional<std::int64_t> output_tokens;
};
BOOST_DESCRIBE_STRUCT(answer_fields, (), (text, finish, calls, input_tokens, output_tokens))

/// `"id":..,"object":..,"created":..,"model":..`
void add_head(json_object_out& o, const completion_head& head, std::string_view object) {
  o.text("id", head.id);
  o.text("object", object);
  append_integer(o.field("created"), head.created);
  o.text("model", head.model);
}

std::string calls_json(const std::vector<completion_call>& calls, bool numbered) {
  std::string out = "[";
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (i > 0)
      out += ',';
    json_object_out o{out};
    if (numbered)
      o.number("index", i);
    o.text("id", calls[i].id);
    o.text("type", "function");
    json_object_out function{o.field("function")};
    function.text("name", calls[i].name);
    function.text("arguments", calls[i].arguments);
  }
  return out + ']';
}

void add_message(std::string& out, const completion_answer& answer) {
  json_object_out o{out};
  o.text("role", "assistant");
  if (answer.calls.empty() || !answer.text.empty())
    o.text("content", answer.text);
  else
    o.raw("content", "null");
  o.raw("refusal", "null");
  if (!answer.calls.empty())
    o.raw("tool_calls", calls_json(answer.calls, false));
}

void add_usage(json_object_out& o, const completion_answer& a) {
  if (!a.input_tokens && !a.output_tokens)
    return; // an agent that does not say
  auto in = a.input_tokens.value_or(0);
  auto out = a.output_tokens.value_or(0);
  json_object_out u{o.field("usage")};
  append_integer(u.field("prompt_tokens"), in);
  append_integer(u.field("completion_tokens"), out);
  append_integer(u.field("total_tokens"), in + out);
}

std::string_view error_type(int status) {
  if (status == 429)
    return "rate_limit_error";
  if (status == 401)
    return "authentication_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/// `messages[0].role` for an error whose text begins with `/messages/0/role: `; empty where it names
/// no place.
std::string param_of(std::string_view message) {
  constexpr std::string_view before = "input: ";
  if (message.starts_with(before))
    message.remove_prefix(before.size());
  auto end = message.find(": ");
  if (!message.starts_with('/') || end == message.npos
      || message.substr(0, end).find(' ') != message.npos)
    return {};
  std::string out;
  for (auto path = message.substr(1, end - 1); !path.empty();) {
    auto step = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), step.size() + 1));
    if (out.starts_with("tools[") && out.ends_with(']') && step != "function" && step != "type")
      out += ".function"; // agents know tools without this level
    if (step.find_first_not_of("0123456789") == step.npos)
      out += fmt::format("[{}]", step);
    else
      out += (out.empty() ? "" : ".") + std::string{step};
  }
  return out;
}

} // namespace

completion_answer completion_answer_of(const std::string& result) {
  completion_answer out;
  if (auto fields = from_json<answer_fields>(result)) {
    out.text = std::move(fields->text);
    out.calls = std::move(fields->calls).value_or(std::vector<completion_call>{});
    out.input_tokens = fields->input_tokens;
    out.output_tokens = fields->output_tokens;
    auto how = fields->finish.value_or("stop");
    if (!out.calls.empty())
      out.finish_reason = "tool_calls";
    else if (how == "limit" || how == "length")
      out.finish_reason = "length";
  } else if (auto text = from_json<std::string>(result)) {
    out.text = std::move(*text);
  } else {
    out.text = result;
  }
  return out;
}

std::string completion_json(const completion_head& head, const completion_answer& answer) {
  std::string out;
  {
    json_object_out o{out};
    add_head(o, head, "chat.completion");
    o.field("choices") += '[';
    {
      json_object_out choice{out};
      choice.number("index", 0);
      add_message(choice.field("message"), answer);
      choice.raw("logprobs", "null");
      choice.text("finish_reason", answer.finish_reason);
    }
    out += ']';
    add_usage(o, answer);
  }
  return out;
}

int completion_status(const error& why) {
  auto status = net::http_status(why.code);
  return status < 400 ? 500 : status;
}

std::string completion_error_json(int status, const error& why) {
  std::string out;
  {
    json_object_out o{out};
    json_object_out e{o.field("error")};
    e.text("message", why.message.empty() ? to_string(why.code) : std::string_view{why.message});
    e.text("type", error_type(status));
    auto param = param_of(why.message);
    e.raw("param", param.empty() ? "null" : to_json(param));
    if (status == 401)
      e.text("code", "invalid_api_key");
    else
      e.raw("code", why.code == errc::none ? "null" : to_json(to_string(why.code)));
  }
  return out;
}

// -- streamed ------------------------------------------------------------------------------------

void completion_stream::chunk(std::string& out, std::string_view delta,
                              std::string_view finish_reason) {
  out += "data: ";
  {
    json_object_out o{out};
    add_head(o, head_, "chat.completion.chunk");
    auto& choices = o.field("choices");
    choices += '[';
    {
      json_object_out choice{choices};
      choice.number("index", 0);
      choice.raw("delta", delta);
      choice.raw("logprobs", "null");
      choice.raw("finish_reason", finish_reason.empty() ? "null" : to_json(finish_reason));
    }
    choices += ']';
    if (usage_) // it is promised; it comes in the last one
      o.raw("usage", "null");
  }
  out += "\n\n";
}

void completion_stream::begin(std::string& out) {
  chunk(out, R"({"role":"assistant","content":"","refusal":null})");
}

void completion_stream::content(std::string& out, std::string_view text) {
  if (text.empty())
    return;
  chunk(out, fmt::format(R"({{"content":{}}})", to_json(text)));
  spoke_ = true;
}

bool completion_stream::piece(std::string& out, const stream_chunk& c) {
  if (over_ || !talks_)
    return !over_;
  if (c.what == stream_kind::reasoning) {
    chunk(out, fmt::format(R"({{"reasoning_content":{}}})", to_json(c.text)));
  } else if (c.what == stream_kind::reset && c.stream == stream_) {
    repeats_ = true;
    again_ = 0;
  } else if (c.what == stream_kind::text) {
    if (c.stream != stream_) { // the next answer of the turn is its next paragraph
      if (spoke_)
        content(out, "\n\n");
      stream_ = c.stream;
      said_.clear();
      repeats_ = false;
    }
    std::string_view text = c.text;
    if (repeats_) {
      auto known = std::string_view{said_}.substr(again_);
      auto same = std::min(known.size(), text.size());
      if (known.substr(0, same) != text.substr(0, same)) {
        failed(out, {errc::unavailable, "the answer broke off and was begun anew with other words: "
                                        "ask again"});
        return false;
      }
      again_ += same;
      text.remove_prefix(same);
      repeats_ = again_ < said_.size();
    }
    said_ += text;
    content(out, text);
  }
  return true;
}

void completion_stream::answer(std::string& out, const completion_answer& a) {
  if (over_)
    return;
  bool goes_on = !stream_.empty() && a.text.starts_with(said_);
  if (!goes_on && spoke_ && !a.text.empty())
    content(out, "\n\n");
  content(out, std::string_view{a.text}.substr(goes_on ? said_.size() : 0));
  if (!a.calls.empty())
    chunk(out, fmt::format(R"({{"tool_calls":{}}})", calls_json(a.calls, true)));
  chunk(out, "{}", a.finish_reason);
  if (usage_) {
    out += "data: ";
    {
      json_object_out o{out};
      add_head(o, head_, "chat.completion.chunk");
      o.raw("choices", "[]");
      if (a.input_tokens || a.output_tokens)
        add_usage(o, a);
      else
        o.raw("usage", "null");
    }
    out += "\n\n";
  }
  out += "data: [DONE]\n\n";
  over_ = true;
}

void completion_stream::failed(std::string& out, const error& why) {
  if (over_)
    return;
  out += "data: " + completion_error_json(completion_status(why), why) + "\n\n";
  over_ = true;
}

} // namespace troupe::gateway
