#pragma once
// What followers of an invocation see, read from its journal.
//
// Only durable rows are read, so nothing is shown that a crash could take back, and a client that
// comes again with the last id it saw misses nothing:
//
//     id: 0/0/-/4              the address of an `emit`: run, generation, path, number
//     event: emit
//     data: {"progress":0.5}
//
//     id: 4711.0               LSN of the row and place in it
//     event: status
//     data: {"status":"parked","why":..}
//
//     event: ended             the last one: {"status":..,"result":..} or {.., "error":..}
//
// Between them, without an id, comes what models are saying (runtime/core/stream_hub.hpp). It is
// nowhere when it is over, so a client that comes again gets each stream from its beginning:
//
//     event: delta
//     data: {"stream":"0/0/-/4","attempt":1,"seq":0,"kind":"text","text":"Hel"}
//
//     event: reset             what came of this stream counts no more
//     data: {"stream":"0/0/-/4","attempt":2}

#include "runtime/core/stream_hub.hpp"
#include "runtime/journal/entry.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

struct stream_event {
  std::string id;
  std::string_view name; ///< `emit`, `status`, `ended`
  std::string data;      ///< JSON
};

/// All of a journal, in its order. After a retry `ended` is followed by more.
std::vector<stream_event> stream_events(const std::vector<journal::row>& rows);

/// Those after the event with this id; all where there is none with it (its row has been trimmed).
std::size_t first_after(const std::vector<stream_event>& all, std::string_view last_id);

/// In the form of `text/event-stream`.
void append_sse(std::string& out, const stream_event& e);

/// A piece of a streamed answer, as `delta` or `reset`; of a child with its `invocation` and `agent`.
void append_words(std::string& out, const stream_chunk& c, const stream_child* of = nullptr);

} // namespace troupe::gateway
