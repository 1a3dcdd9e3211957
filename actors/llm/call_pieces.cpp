#include "actors/llm/call_pieces.hpp"

#include "actors/llm/wire_error.hpp"
#include "actors/llm/wire_text.hpp"

namespace troupe {
namespace {

// Whether a piece with the place of `call` is of another one: it has another name and id, or what
// was there is whole. An id alone does not say so.
bool begins_another(const model_tool_call& call, const call_piece& piece) {
  bool same_id = piece.id.empty() || piece.id == call.id;
  bool same_name = piece.name.empty() || call.name.empty() || piece.name == call.name;
  if (!same_id && !call.id.empty() && !same_name)
    return true;
  bool may_be = piece.id.empty() ? !piece.name.empty() && !piece.arguments.empty() : !same_id;
  return may_be && is_object(call.arguments);
}

} // namespace

std::size_t call_pieces::place_of(const std::vector<model_tool_call>& calls,
                                  const call_piece& piece) const {
  if (!piece.index) {
    bool same = !calls.empty() && (piece.id.empty() || calls.back().id == piece.id)
                && !begins_another(calls.back(), piece);
    return same ? calls.size() - 1 : calls.size();
  }
  auto found = places_.find(*piece.index);
  if (found == places_.end() || begins_another(calls[found->second], piece))
    return calls.size();
  return found->second;
}

result<std::size_t> call_pieces::add(std::vector<model_tool_call>& calls, const call_piece& piece) {
  auto at = place_of(calls, piece);
  if (at == calls.size()) {
    if (piece.id.empty() && piece.name.empty() && piece.arguments.empty())
      return at;
    if (at == tool_calls_max)
      return too_many_calls();
    calls.emplace_back();
  }
  if (piece.index)
    places_[*piece.index] = at;
  auto& call = calls[at];
  if (call.id.empty())
    call.id = piece.id;
  if (call.name.empty())
    call.name = piece.name;
  call.arguments += piece.arguments;
  return at;
}

} // namespace troupe
