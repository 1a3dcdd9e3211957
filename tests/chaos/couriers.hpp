#pragma once
// Couriers: agents with keyed effects and one that must not be repeated, played by the real binary.

#include "tests/chaos/courier_services.hpp"
#include "tests/chaos/process.hpp"

namespace troupe::test {

/// The topology of couriers on those services.
/// @param store   the store's file, by default beside the topology
/// @param timeout_ms of a post and of a note, all attempts in it; after a kill it must be waited
///                for, and a loaded machine must answer within it
/// @param more    further lines
inline std::string courier_topology(const scratch& folder, std::uint16_t port,
                                    std::uint16_t service, std::string_view store = "t.db",
                                    int timeout_ms = 2'000, std::string_view more = {}) {
  // The note is appended and looked up by a shell, without any help from us.
  auto notes = (folder / "notes").string();
  return folder.write("t.toml", fmt::format(R"(
[troupe]
plugins = ["{0}"]
store = "{4}"
listen = "127.0.0.1:{1}"
log = "warning"
[agents.courier]
concurrency = 64
tools = ["ledger", "board", "note"]
[tools.ledger]
kind = "http"
effect = "idempotent"
url = "http://127.0.0.1:{2}/ledger"
concurrent = 64
queue = 1000
[tools.board]
kind = "http"
effect = "at_most_once"
url = "http://127.0.0.1:{2}/board"
timeout = "{5}ms"
total_timeout = "{6}ms"
concurrent = 64
queue = 1000
[tools.board.reconcile]
url = "http://127.0.0.1:{2}/board?ref={{ref}}"
[tools.note]
kind = "command"
effect = "at_most_once"
argv = ["sh", "-c", "echo \"$1\" >> {3} && echo '{{\"value\":100000}}'", "note", "{{line}}"]
timeout = "{5}ms"
total_timeout = "{6}ms"
[tools.note.reconcile]
argv = ["sh", "-c", '''
if grep -qx "$1" {3}; then echo '{{"state":"done","result":{{"value":100000}}}}'
else echo '{{"state":"not_done"}}'
fi''', "note", "{{line}}"]
{7})",
                                            chaos_plugin(), port, service, notes, store, timeout_ms,
                                            timeout_ms + 100, more));
}

/// What a courier answers for parcel `n`: proof that each step's answer was the right one.
inline int expected_sum(int n) {
  int sum = 1000 + (n % 16 == 0 ? 100'000 : 0);
  for (int step = 0; step < courier_steps; ++step)
    sum += n * 10 + step;
  return sum;
}

/// Sends parcel `n` under its key. @returns the answer; status 0 where nobody listens
inline http_answer send_parcel(http_peer& peer, int n) {
  net::http_headers headers;
  headers.add("Idempotency-Key", fmt::format("parcel-{}", n)).add("Prefer", "respond-async");
  return peer.post("/v1/agents/courier/invocations", fmt::format("{{\"n\":{}}}", n), headers);
}

/// Whether an invocation has not come to its end.
inline bool is_open(const http_answer& got) {
  auto s = got.status == 0 ? std::string{"queued"} : got.text("status");
  return s == "open" || s == "running" || s == "queued" || s == "suspended";
}

/// Lines of a file, with how often each stands there.
inline std::map<std::string, int> lines_of(const std::filesystem::path& file) {
  std::map<std::string, int> all;
  auto in = std::ifstream{file};
  for (std::string line; std::getline(in, line);)
    ++all[line];
  return all;
}

} // namespace troupe::test
