#pragma once
// Carries the messages of one MCP server: its process, its HTTP endpoint, or a script in a test.
//
// What is said is the client's business (mcp_client.hpp); how it gets there and back is a
// transport's. It hands on what arrives, and says of what it could not carry whether the server may
// have seen it.

#include "actors/tool/mcp_options.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"
#include "runtime/net/http_headers.hpp"
#include "runtime/net/http_transport.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace troupe {

/// One message to the server.
struct mcp_outgoing {
  std::uint64_t id = 0; ///< of a request; 0 for what is not answered
  std::string body;     ///< JSON-RPC; empty: listen to what the server has to say (legacy HTTP)
  // What HTTP needs beside it.
  std::string method;
  std::string tool;            ///< of `tools/call`
  net::http_headers arguments; ///< `Mcp-Param-*`
  std::string last_event_id;   ///< with an empty body: where a stream that was cut goes on
  std::chrono::milliseconds timeout{30'000}; ///< the carrier gives up after it
  bool repeatable = true;      ///< it may reach the server twice
};

/// How the server was agreed to be spoken to. Transports without headers need none of it.
struct mcp_dialect {
  bool modern = false;
  std::string version; ///< empty: not agreed yet
};

/// What happened.
struct mcp_signal {
  enum class kind : std::uint8_t {
    message, ///< `text` is a JSON-RPC message, or what the server wrote in its place
    failed,  ///< the request gets no answer; `why`
    cut,     ///< its stream ended before its answer; `text` is the last event id, if any
    log,     ///< a line for people
    closed,  ///< the server is gone; `why`. The last signal of its generation
  };
  kind what = kind::message;
  std::uint64_t generation = 0; ///< of the `open` that it belongs to
  std::uint64_t request = 0;    ///< 0: of none in particular
  std::string text;
  error why{};
  bool session_lost = false; ///< the server does not know our session any more
  int status = 0;            ///< of HTTP, where that is what failed
  std::optional<std::chrono::milliseconds> come_back{}; ///< after a cut
};

/// Takes signals, from any thread.
using mcp_sink = std::function<void(mcp_signal)>;

/// Used by one client, on its thread. Destroying it ends everything at once.
class mcp_transport {
public:
  virtual ~mcp_transport() = default;

  /// Begins anew, in a new generation. An error is final for this generation.
  virtual result<void> open(std::uint64_t generation, mcp_sink sink) = 0;

  /// Sends. An error means that nothing was sent; what fails later is a signal.
  virtual result<void> send(mcp_outgoing message) = 0;

  /// Nobody waits for the answer to this request any more: its stream is closed.
  virtual void drop(std::uint64_t request) = 0;

  /// From now on; a default one forgets the session.
  virtual void speak(const mcp_dialect& dialect) = 0;

  /// Ends it politely; `closed` tells when it is done.
  virtual void close() = 0;

  /// A signal was handled: who writes faster than it is read is stopped.
  virtual void handled() {}

  /// Whether each request has a stream of its own, which can be closed.
  virtual bool streams() const { return false; }
};

/// As the options say. `transport` outlives it.
std::unique_ptr<mcp_transport> make_mcp_transport(const mcp_options& options,
                                                  net::http_transport& transport,
                                                  const time_source& clock);

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::mcp_signal)
