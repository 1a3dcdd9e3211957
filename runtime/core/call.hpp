#pragma once
// The messages between whoever calls a service and the actor that guards it.
//
// A *service* is anything outside the journal that an agent reaches by name: a tool
// (`"tool:ticketing"`) or a model (`"llm:fast"`). Payloads are JSON text, so that what the journal
// holds, what the far side gets and what a person reads are the same bytes.

#include "runtime/core/clock.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/result.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// Names one call while it is in flight, unique within the process.
using call_id = std::uint64_t;

/// One call of a service. Answered with one `call_reply`.
struct call_request {
  call_id id = 0;             ///< for `call_cancel`
  std::string service;        ///< `tool:knowledge`, `llm:fast`
  std::string body;           ///< arguments, JSON text
  std::string key;            ///< idempotency key, stable over retries and restarts
  effect_class cls = effect_class::at_most_once;
  utc_time deadline = never;  ///< covers all attempts
  std::string invocation;     ///< who asks, for events and traces
  std::string agent;          ///< the class of who asks
  std::string options{};      ///< what the agent says for this call, JSON text; see tool_call
};

/// The outcome of a `call_request`, after whatever retries its service makes.
struct call_reply {
  result<std::string> outcome; ///< JSON text, or why there is none
  std::uint32_t attempts = 1;
  /// A fallback's answer: the service has failed, and nothing has happened.
  bool degraded = false;
  /// What a model said, word for word, where the outcome is not just that: mended, taken out of other
  /// words, refused and asked again. For the journal, in the order in which it was said.
  std::vector<std::string> said{};
};

/// Asks a service to stop a call: its socket or process is closed. No reply.
struct call_cancel {
  call_id id = 0;
};

/// Asks a service whether an effect with this key has happened. Answered with a
/// `reconcile_reply`.
struct reconcile_request {
  std::string service;
  std::string key;
  std::string body;           ///< the arguments of the call in question, JSON text
  utc_time first_sent = never;///< when the call was first sent
  std::string invocation;
};

/// What is known about an effect whose outcome was lost.
enum class reconcile_state : std::uint8_t {
  done,     ///< it happened; `body` is its result
  not_done, ///< it did not happen, and will not any more
  unknown,  ///< cannot be told: a person decides
};

struct reconcile_reply {
  reconcile_state state = reconcile_state::unknown;
  std::string body;           ///< the result where `done`, else a sentence that says why
};

/// What a caller must know of a service before it calls it. Set when the service is registered.
struct service_info {
  effect_class cls = effect_class::at_most_once;
  bool reconciles = false; ///< answers `reconcile_request`
  /// Longest time over all attempts and waits; an answer that takes longer is `timed_out`.
  std::chrono::milliseconds total_timeout{30'000};
  /// How long the far side remembers an idempotency key.
  std::chrono::milliseconds key_ttl{std::chrono::hours{24}};
  /// JSON pointer to the argument that is the business key of calls that name none. Empty: none.
  std::string key_pointer{};
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::call_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::call_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::call_cancel)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::reconcile_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::reconcile_reply)
