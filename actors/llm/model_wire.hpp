#pragma once
// One kind of API as text: requests out, answers, pieces of answers and errors in. Pure: no socket,
// no clock, no state of its own.
//
// Three are spoken: Chat Completions (openai_wire), OpenAI's Responses (responses_wire) and
// Anthropic's Messages (anthropic_wire). Each reads errors with the same meaning (model_backend.hpp),
// so that whoever asks need not know which it is.

#include "actors/llm/model_types.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/secret.hpp"
#include "runtime/net/http_transport.hpp"

#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace troupe {

/// What a server has been found to take: it begins with everything, and each refusal takes
/// something away.
struct wire_dialect {
  /// Schemas that are remembered as refused; past it none is sent natively any more.
  static constexpr std::size_t refused_max = 64;
  /// Temperatures that are; past it none is sent any more.
  static constexpr std::size_t refused_temperatures_max = 16;

  /// The schema in the place that the API has for it; else in a system message.
  bool native_schema = true;
  /// Hashes of schemas that it refused: strict mode knows only a part of JSON Schema.
  std::set<std::uint64_t> refused_schemas{};
  /// Reasoning models want `max_completion_tokens` and not `max_tokens`.
  bool old_max_tokens = true;
  /// Reasoning models refuse any but their own temperature.
  bool temperature = true;
  /// Temperatures that it refused, out of its range perhaps: those of other agents may fit.
  std::set<double> refused_temperatures{};
  /// `stream_options`, by which a stream says what it used.
  bool stream_usage = true;

  bool takes(std::string_view schema) const;

  bool operator==(const wire_dialect&) const = default;
};

/// Puts one streamed answer together.
class answer_stream {
public:
  virtual ~answer_stream() = default;

  /// One event of the stream: its name, where it has one, and its data.
  ///
  /// @returns the error that the server sent within the stream, or `unavailable` for an event that
  ///          cannot be read; the stream is then of no use any more
  virtual result<void> add(std::string_view event, std::string_view data,
                           const std::function<void(const model_delta&)>& on_delta)
    = 0;

  /// Whether all has come that comes; what follows is not waited for.
  virtual bool complete() const = 0;

  /// At the end of the stream: the whole answer. A stream that ended early is `unavailable`: half
  /// an answer is none.
  virtual result<model_answer> finish() && = 0;
};

class model_wire {
public:
  virtual ~model_wire() = default;

  /// @param base without a slash at its end
  virtual std::string url(std::string_view base) const = 0;
  /// Names the key and the version of the API.
  virtual void add_headers(net::http_headers& out, const secret& key) const = 0;
  /// The body of the POST. Asks for a stream where the request has an `on_delta`.
  virtual std::string body(const model_request& request, std::string_view model,
                           const wire_dialect& dialect) const
    = 0;
  /// The answer in a response of any status that was not streamed, or the error that it stands for.
  ///
  /// @param now for `Retry-After` as a date
  virtual result<model_answer> read(const net::http_response& response, utc_time now) const = 0;
  virtual std::unique_ptr<answer_stream> stream() const = 0;
  /// Takes from `dialect` what a refusal says that the server does not take.
  ///
  /// @param sent the dialect that the request was sent in; others may have changed `dialect` since
  /// @returns whether the request, said otherwise, is worth another try
  virtual bool adapt(wire_dialect& dialect, const wire_dialect& sent,
                     const net::http_response& response, const model_request& request) const
    = 0;
};

std::unique_ptr<model_wire> make_chat_wire();
std::unique_ptr<model_wire> make_responses_wire();
std::unique_ptr<model_wire> make_anthropic_wire();

} // namespace troupe
