#pragma once
// Options of a chat agent: `[agents.NAME]` with `class = "chat"`, beside those of every agent.

#include "runtime/core/options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// The class in the topology that stands for a chat agent, without code.
inline constexpr std::string_view chat_class_word = "chat";

struct chat_options {
  // Behaviour
  /// Who answers; a name of `[models]`.
  std::string model;
  /// The system prompt; from `system_file` where that is given.
  std::string system;
  std::filesystem::path system_file;
  /// Tools (`refund`, `fs.*`) that are called only after a person has approved.
  std::vector<std::string> approve;
  /// Nobody has decided for so long: denied. A day: somebody comes to work.
  std::chrono::milliseconds approve_timeout = std::chrono::hours{24};
  /// Model calls in one turn; in the last one the model must answer with what it has.
  std::uint32_t turns_max = 12;
  /// Tool calls in one turn; further ones are refused, and the model must answer.
  std::uint32_t tool_calls_max = 48;
  /// How often one call may bring the same answer before the model is told that it goes round in a
  /// loop; once more, and the turn fails. 3: some ask twice, to be sure.
  std::uint32_t repeats_max = 3;
  /// JSON Schema of the answer, JSON text; empty: words.
  std::string output;
  /// What is said where no model could be asked; empty: the turn fails.
  std::string degraded;

  // What of a conversation the model is told
  /// Summary, turns and the question may cost so many tokens in each model call, whoever keeps them:
  /// half of the smallest context still in use, with room for tools and the answer.
  std::uint32_t window_tokens = 8'000;
  /// Who sums up what falls out of the window; empty: it is forgotten.
  std::string summary_model;
  /// Silent for longer, one that the agent keeps begins anew, and leaves the store; 0: never.
  std::chrono::milliseconds conversation_ttl = std::chrono::hours{24 * 30};

  // Performance
  /// Tool calls at a time.
  std::uint32_t parallel = 4;
  /// Bytes of a tool's result that the model gets: some 4,000 tokens.
  std::size_t tool_result_max = std::size_t{16} << 10;

  option_problems validate() const;
};

/// Bytes of a `system_file`: no context holds more.
inline constexpr std::size_t system_prompt_max = std::size_t{1} << 20;

} // namespace troupe
