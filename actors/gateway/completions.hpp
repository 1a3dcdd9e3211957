#pragma once
// OpenAI's Chat Completions, served by agents: what a request means to an agent, and what an
// agent's answer is in that spelling. Pure; the requests themselves are in completion_request.hpp.
//
// A model is an agent. What it gets follows from the schema of its input:
//   `messages` among its members (class "chat")   the messages, and of `tools`, `tool_choice`,
//       `schema` (response_format), `temperature`, `max_tokens` those that it has, too; where a
//       conversation is named and the agent keeps them: that, and the last message
//   one text, all others optional                 the last user message, as that text; beside it its
//       key, where it has one, which is what the conversation is called
//   anything else                                 the last user message, which must be JSON
// and its answer is a text: its member `text` where it is an object that has one, itself where it
// is a text, else itself as JSON text.

#include "runtime/core/error.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/stream_hub.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// Messages of one request. A conversation of 2,048 has long left every model's context.
inline constexpr std::size_t completion_messages_max = 2'048;

/// What an agent takes, as far as it matters here.
struct completion_shape {
  std::set<std::string, std::less<>> members; ///< of its input
  std::string key;         ///< the member that names its instance; empty: it keeps nothing
  std::string text_member; ///< the one text; empty where there is no such thing
  bool talks = false; ///< its answer is words, so those of its models may be its own
};

/// The header that names the conversation, for clients that can set nothing else.
inline constexpr std::string_view conversation_header = "X-Conversation-Id";

/// @param input, output the agent's schemas
completion_shape completion_shape_of(std::string_view input, std::string_view output,
                                     std::string_view key = {});

/// What a client asks for.
struct completion_ask {
  std::string model; ///< the agent
  std::string input; ///< JSON text for it
  bool stream = false;
  bool usage = false; ///< `stream_options.include_usage`
};

/// Only what is needed to find the agent: `errc::invalid_input` where there is no model.
result<std::string> completion_model(std::string_view body);

/// The errors name the place, and repeat nothing of the content.
/// @param conversation as its header has it; what the body says goes before it
result<completion_ask> read_completion(std::string_view body, const completion_shape& agent,
                                       std::string_view conversation = {});

struct completion_call {
  std::string id;
  std::string name;
  std::string arguments;
};
BOOST_DESCRIBE_STRUCT(completion_call, (), (id, name, arguments))

/// What an agent has answered.
struct completion_answer {
  std::string text;
  std::string finish_reason = "stop"; ///< stop, tool_calls, length
  std::vector<completion_call> calls;
  std::optional<std::int64_t> input_tokens;
  std::optional<std::int64_t> output_tokens;
};

/// @param result JSON text
completion_answer completion_answer_of(const std::string& result);

/// What every object of an answer begins with.
struct completion_head {
  std::string id; ///< `chatcmpl-` and the invocation
  std::string model;
  std::int64_t created = 0; ///< seconds
};

std::string completion_json(const completion_head& head, const completion_answer& answer);

/// `{"error":{"message","type","param","code"}}`.
std::string completion_error_json(int status, const error& why);
/// The status of HTTP that goes with it.
int completion_status(const error& why);

/// One streamed answer: turns pieces into chunks of the protocol, which knows no way to take a word
/// back. A stream that begins again goes on silently while it says the same once more; where it
/// says something else, the answer ends with an error.
class completion_stream {
public:
  /// @param talks false: what its models say is not its answer, and is not passed on
  completion_stream(completion_head head, bool usage, bool talks)
    : head_(std::move(head)), usage_(usage), talks_(talks) {}

  // Each appends events to `out`. False where nothing follows.
  void begin(std::string& out);
  bool piece(std::string& out, const stream_chunk& c);
  /// The agent's answer: what of it was not streamed, calls, reason, usage, `[DONE]`.
  void answer(std::string& out, const completion_answer& a);
  void failed(std::string& out, const error& why);

  bool over() const noexcept { return over_; }

private:
  void content(std::string& out, std::string_view text);
  void chunk(std::string& out, std::string_view delta, std::string_view finish_reason = {});

  completion_head head_;
  std::string stream_;     ///< whose words are being said
  std::string said_;       ///< of it, so far; bounded by the plane's longest text
  std::size_t again_ = 0;  ///< how much of it has been said once more
  bool repeats_ = false;
  bool spoke_ = false;     ///< something was said, by whatever stream
  bool usage_ = false;
  bool talks_ = false;
  bool over_ = false;
};

} // namespace troupe::gateway
