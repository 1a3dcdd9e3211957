#pragma once
// Puts the tool calls of a chat stream together, from pieces that each server numbers in its own
// way. Private to this folder.
//
// OpenAI gives each call an index, its first piece the id and the name, and the others arguments.
// Some servers begin to count anywhere; Gemini and gateways on it send each call whole, and index 0
// with each; some leave the index out, then a new id begins a new call; older vLLM gives every piece
// a new id. Calls stand in the order in which they begin.

#include "actors/llm/model_types.hpp"
#include "runtime/core/result.hpp"

#include <map>

namespace troupe {

/// What is left out is empty.
struct call_piece {
  std::optional<std::int64_t> index;
  std::string id;
  std::string name;
  std::string arguments;
};

class call_pieces {
public:
  /// Adds a piece to the call that it belongs to, or begins one with it. A piece with nothing in it
  /// begins none.
  ///
  /// @param calls those of this stream until now, and of no other
  /// @returns the place of its call, or the error of too many calls
  result<std::size_t> add(std::vector<model_tool_call>& calls, const call_piece& piece);

private:
  std::size_t place_of(const std::vector<model_tool_call>& calls, const call_piece& piece) const;

  std::map<std::int64_t, std::size_t> places_; ///< of the calls, by the server's index
};

} // namespace troupe
