#pragma once
// Messages of an LLM endpoint beside those that every service has (runtime/core/call.hpp).

#include "runtime/core/json.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// Asks an endpoint for its counts. Answered with `llm_stats`.
struct llm_stats_request {};

/// Counts of one endpoint since its actor began.
struct llm_stats {
  std::uint64_t calls = 0;       ///< of agents, accepted
  std::uint64_t calls_ok = 0;    ///< of them, answered
  std::uint64_t overloaded = 0;  ///< refused because the queue was full
  std::uint64_t attempts = 0;    ///< requests that went to the model
  std::uint64_t attempts_ok = 0; ///< of them, answered by the model
  std::uint64_t retries = 0;     ///< attempts after one that failed
  std::uint64_t repairs = 0;     ///< questions asked again because the answer missed its schema
  std::uint64_t input_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::uint64_t first_chunks_late = 0; ///< streams given up before their first piece
  std::uint64_t stalls = 0;            ///< and after it
  std::uint32_t in_flight = 0; ///< requests at the model now
  std::uint32_t waiting = 0;   ///< calls that wait for a slot or a retry now
};
BOOST_DESCRIBE_STRUCT(llm_stats, (),
                      (calls, calls_ok, overloaded, attempts, attempts_ok, retries, repairs,
                       input_tokens, output_tokens, first_chunks_late, stalls, in_flight, waiting))

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::llm_stats_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::llm_stats)
