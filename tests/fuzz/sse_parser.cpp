// The first byte says how the rest is cut into pieces: however the network cuts a stream, the events
// are the same, and none is larger than the bound.

#include "runtime/net/sse_parser.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace troupe;

namespace {

constexpr std::size_t size_max = 256;

struct read_events {
  std::vector<net::sse_event> events;
  bool whole = false;
  bool unfinished = false;
  std::string last_id;
};

read_events read_in(std::string_view stream, std::size_t piece) {
  read_events out;
  net::sse_parser parser{size_max};
  out.whole = true;
  for (std::size_t at = 0; at < stream.size() && out.whole; at += piece)
    out.whole = parser.feed(stream.substr(at, piece), out.events).has_value();
  out.unfinished = parser.unfinished();
  out.last_id = parser.last_event_id();
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  std::string_view stream{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto at_once = read_in(stream, std::max<std::size_t>(stream.size(), 1));
  auto cut = read_in(stream, 1 + data[0] % 16);

  fuzz::demand(at_once.whole == cut.whole, "a bound is reached wherever the stream is cut");
  if (!at_once.whole)
    return 0;
  fuzz::demand(at_once.events == cut.events, "the events are the same wherever the stream is cut");
  fuzz::demand(at_once.unfinished == cut.unfinished, "the rest is the same");
  fuzz::demand(at_once.last_id == cut.last_id, "the last id is the same");
  for (const auto& e : at_once.events)
    fuzz::demand(e.data.size() <= size_max, "an event keeps to its bound");
  return 0;
}
