#pragma once
// What the wall says, in each API that models are asked by: Chat Completions, Messages, Responses.
// For the wall's server alone.

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace troupe::test {

inline std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string{text});
}

inline std::string event(std::string_view data) {
  return "data: " + std::string{data} + "\n\n";
}

/// One API. Codes and reasons are Chat Completions', the others translate them.
class speech {
public:
  virtual ~speech() = default;

  /// The last message of a request; throws where it has none.
  virtual std::string said(const boost::json::object& asked) const = 0;
  virtual std::string failure(std::string_view code, std::string_view message) const = 0;
  virtual std::string whole(std::string_view text, std::string_view finish, bool usage) const = 0;

  // Of a stream, in this order.
  virtual std::string begin() const { return {}; }
  virtual std::string piece(std::string_view text, bool empty_reason = false) const = 0;
  /// @param all what was said until now
  virtual std::string finish(std::string_view reason, std::string_view all, bool usage) const = 0;
  virtual std::string done() const { return {}; }

  /// A piece that is no JSON.
  virtual std::string broken() const = 0;
  /// An error in the middle.
  virtual std::string failed(std::string_view code, std::string_view message) const {
    return event(failure(code, message));
  }
};

class chat_speech final : public speech {
public:
  std::string said(const boost::json::object& asked) const override {
    return asked.at("messages").as_array().back().at("content").as_string().c_str();
  }
  std::string failure(std::string_view code, std::string_view message) const override {
    return R"({"error":{"message":)" + quoted(message) + R"(,"type":"wall","param":null,"code":)"
           + quoted(code) + "}}";
  }
  std::string whole(std::string_view text, std::string_view finish, bool usage) const override {
    return R"({"id":"w","object":"chat.completion","model":"wall","choices":[{"index":0,"message":)"
           R"({"role":"assistant","content":)"
           + quoted(text) + R"(},"finish_reason":)" + quoted(finish) + "}]"
           + (usage ? R"(,"usage":{"prompt_tokens":7,"completion_tokens":12,"total_tokens":19})" : "")
           + "}";
  }
  std::string piece(std::string_view text, bool empty_reason) const override {
    return chunk(R"({"content":)" + quoted(text) + "}", empty_reason ? R"("")" : "null");
  }
  std::string finish(std::string_view reason, std::string_view, bool usage) const override {
    auto used = event(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":12}})");
    return chunk("{}", quoted(reason)) + (usage ? used : "");
  }
  std::string done() const override { return event("[DONE]"); }
  std::string broken() const override {
    return event(R"({"choices":[{"index":0,"delta":{"content":"br)");
  }

private:
  static std::string chunk(std::string_view delta, std::string_view reason) {
    return event(R"({"id":"w","object":"chat.completion.chunk","model":"wall","choices":[{"index":0,)"
                 R"("delta":)"
                 + std::string{delta} + R"(,"finish_reason":)" + std::string{reason} + "}]}");
  }
};

class messages_speech final : public speech {
public:
  std::string said(const boost::json::object& asked) const override {
    const auto& blocks = asked.at("messages").as_array().back().at("content").as_array();
    return blocks.back().at("text").as_string().c_str();
  }
  std::string failure(std::string_view code, std::string_view message) const override {
    bool long_one = code == "context_length_exceeded";
    auto words = long_one ? std::string_view{"prompt is too long: 9 tokens > 8 maximum"} : message;
    return R"({"type":"error","error":{"type":)" + quoted(type_of(code)) + R"(,"message":)"
           + quoted(words) + "}}";
  }
  std::string whole(std::string_view text, std::string_view finish, bool usage) const override {
    return R"({"id":"w","type":"message","role":"assistant","model":"wall","content":)"
           R"([{"type":"text","text":)"
           + quoted(text) + R"(}],"stop_reason":)" + quoted(reason_of(finish))
           + (usage ? R"(,"usage":{"input_tokens":7,"output_tokens":12})" : "") + "}";
  }
  std::string begin() const override {
    return event(R"({"type":"message_start","message":{"model":"wall"}})")
           + event(R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})")
           + event(R"({"type":"ping"})");
  }
  std::string piece(std::string_view text, bool) const override {
    return event(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":)"
                 + quoted(text) + "}}");
  }
  std::string finish(std::string_view reason, std::string_view, bool usage) const override {
    return event(R"({"type":"content_block_stop","index":0})")
           + event(R"({"type":"message_delta","delta":{"stop_reason":)" + quoted(reason_of(reason))
                   + "}" + (usage ? R"(,"usage":{"input_tokens":7,"output_tokens":12})" : "") + "}");
  }
  std::string done() const override { return event(R"({"type":"message_stop"})"); }
  std::string broken() const override {
    return event(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","te)");
  }

private:
  static std::string_view type_of(std::string_view code) {
    return code == "context_length_exceeded" ? "invalid_request_error"
           : code == "rate_limit_exceeded"   ? "rate_limit_error"
           : code == "insufficient_quota"    ? "billing_error"
           : code == "invalid_api_key"       ? "authentication_error"
           : code == "server_error"          ? "api_error"
                                             : code;
  }
  static std::string_view reason_of(std::string_view finish) {
    return finish == "stop"             ? "end_turn"
           : finish == "length"         ? "max_tokens"
           : finish == "content_filter" ? "refusal"
                                        : finish;
  }
};

class responses_speech final : public speech {
public:
  std::string said(const boost::json::object& asked) const override {
    const auto& parts = asked.at("input").as_array().back().at("content").as_array();
    return parts.front().at("text").as_string().c_str();
  }
  std::string failure(std::string_view code, std::string_view message) const override {
    return R"({"error":{"message":)" + quoted(message) + R"(,"type":"wall","param":null,"code":)"
           + quoted(code) + "}}";
  }
  std::string whole(std::string_view text, std::string_view finish, bool usage) const override {
    bool completed = finish == "stop";
    auto reason = finish == "length" ? std::string_view{"max_output_tokens"} : finish;
    auto why = completed ? "null" : R"({"reason":)" + quoted(reason) + "}";
    return R"({"id":"w","object":"response","model":"wall","error":null,"status":)"
           + quoted(completed ? "completed" : "incomplete") + R"(,"incomplete_details":)" + why
           + R"(,"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":)"
           + quoted(text) + "}]}]"
           + (usage ? R"(,"usage":{"input_tokens":7,"output_tokens":12,"total_tokens":19})" : "") + "}";
  }
  std::string begin() const override {
    return event(R"({"type":"response.created","response":{"status":"in_progress"}})");
  }
  std::string piece(std::string_view text, bool) const override {
    return event(R"({"type":"response.output_text.delta","output_index":0,"delta":)" + quoted(text)
                 + "}");
  }
  std::string finish(std::string_view reason, std::string_view all, bool usage) const override {
    return event(R"({"type":"response.)" + std::string{reason == "stop" ? "completed" : "incomplete"}
                 + R"(","response":)" + whole(all, reason, usage) + "}");
  }
  std::string broken() const override {
    return event(R"({"type":"response.output_text.delta","output_index":0,"del)");
  }
  std::string failed(std::string_view code, std::string_view message) const override {
    return event(R"({"type":"error","sequence_number":3,)" + failure(code, message).substr(1));
  }
};

/// By the path of a request: `/v1/chat/completions`, `/v1/messages`, `/v1/responses`.
inline const speech* speech_of(std::string_view path) {
  static const chat_speech chat;
  static const messages_speech messages;
  static const responses_speech responses;
  if (path.ends_with("/chat/completions"))
    return &chat;
  if (path.ends_with("/messages"))
    return &messages;
  return path.ends_with("/responses") ? &responses : nullptr;
}

} // namespace troupe::test
