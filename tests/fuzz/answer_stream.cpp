// The first byte chooses the API, the second how the stream is cut: wherever it is cut, the answer
// is the same, what was heard on the way is what stands in it, and it ended by itself.

#include "actors/llm/streamed_answer.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>
#include <memory>

using namespace troupe;

namespace {

struct told {
  result<model_answer> answer;
  std::string text;
  std::string reasoning;
  std::vector<std::string> calls;
};

void hear(told& out, const model_delta& d) {
  switch (d.what) {
    case model_delta::kind::text:
      out.text += d.text;
      break;
    case model_delta::kind::reasoning:
      out.reasoning += d.text;
      break;
    case model_delta::kind::tool_call:
      fuzz::demand(d.call < tool_calls_max, "no more tool calls than the bound");
      out.calls.resize(std::max(out.calls.size(), d.call + 1));
      out.calls[d.call] += d.text;
      break;
  }
}

told merge(const model_wire& wire, std::string_view stream, std::size_t piece) {
  told out;
  streamed_answer aut{wire, [&](const model_delta& d) { hear(out, d); }};
  for (std::size_t at = 0; at < stream.size() && !aut.complete(); at += piece)
    if (!aut.add(stream.substr(at, piece)))
      break;
  net::http_response response;
  response.status = 200;
  out.answer = std::move(aut).finish(std::move(response), utc_time{});
  return out;
}

// Arguments, in order. Calls without any are not heard, and Anthropic's then get `{}`.
std::vector<std::string> arguments_of(const std::vector<model_tool_call>& calls) {
  std::vector<std::string> out;
  for (const auto& c : calls)
    out.push_back(c.arguments == "{}" ? "" : c.arguments);
  out.erase(std::remove(out.begin(), out.end(), ""), out.end());
  return out;
}

std::vector<std::string> arguments_of(std::vector<std::string> heard) {
  std::replace(heard.begin(), heard.end(), std::string{"{}"}, std::string{});
  heard.erase(std::remove(heard.begin(), heard.end(), ""), heard.end());
  return heard;
}

// The last event of a Responses stream has the whole answer once more, and the last word; it may not
// be less. What was not streamed at all was not heard.
void check(const told& t, bool repeated) {
  if (!t.answer)
    return;
  const auto& a = *t.answer;
  auto any = !t.text.empty() || !t.reasoning.empty() || !t.calls.empty();
  if (repeated)
    fuzz::demand(a.text.size() >= t.text.size() && a.tool_calls.size() >= t.calls.size(),
                 "the end has no less than what was heard");
  else if (any)
    fuzz::demand(a.text == t.text && a.reasoning == t.reasoning
                   && arguments_of(a.tool_calls) == arguments_of(t.calls),
                 "the answer is what was heard");
  fuzz::demand(a.tool_calls.size() <= tool_calls_max, "tool calls keep to their bound");
  for (const auto& c : a.tool_calls)
    fuzz::demand(!c.name.empty(), "each tool call has a name");
  fuzz::demand(a.finish_reason == (a.tool_calls.empty() ? "stop" : "tool_calls"),
               "the answer ended by itself");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<std::unique_ptr<model_wire>, 3> wires{
    make_chat_wire(), make_responses_wire(), make_anthropic_wire()};
  if (size < 2)
    return 0;
  const auto& wire = *wires[data[0] % wires.size()];
  std::string_view stream{reinterpret_cast<const char*>(data) + 2, size - 2};
  bool repeated = data[0] % wires.size() == 1;
  auto at_once = merge(wire, stream, std::max<std::size_t>(stream.size(), 1));
  auto cut = merge(wire, stream, 1 + data[1] % 32);

  check(at_once, repeated);
  check(cut, repeated);
  // Pieces past the end of the answer are not waited for, so only a cut stream may be whole.
  if (at_once.answer && cut.answer) {
    fuzz::demand(at_once.answer->text == cut.answer->text, "the text is the same");
    fuzz::demand(at_once.answer->reasoning == cut.answer->reasoning, "the thoughts are the same");
    fuzz::demand(at_once.answer->tool_calls == cut.answer->tool_calls, "the calls are the same");
  } else {
    fuzz::demand(!at_once.answer, "what is whole at once is whole in pieces");
  }
  return 0;
}
