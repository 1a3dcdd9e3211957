// An MCP server behind an HTTP endpoint (streamable HTTP): a POST for each message, answered by one
// JSON text or by a stream of events.

#include "actors/tool/http_outcome.hpp"
#include "actors/tool/mcp_tool.hpp"
#include "actors/tool/mcp_transports.hpp"
#include "actors/tool/mcp_wire.hpp"
#include "runtime/net/sse_parser.hpp"

#include <fmt/format.h>

#include <mutex>
#include <unordered_map>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Shorter values hide nothing, and would be found in every sentence.
constexpr std::size_t secret_min = 4;

/// For the farewell to a session: nobody waits for the answer.
constexpr milliseconds farewell_timeout{1'000};

constexpr int status_not_found = 404;
constexpr int status_bad_request = 400;
constexpr int status_no_method = 405;

/// One request on its way; touched by the HTTP client's thread only.
struct exchange {
  std::uint64_t id = 0;
  std::string method;
  bool had_session = false;
  bool is_stream = false;
  bool listens = false; ///< to what the server has to say by itself
  bool answered = false;
  bool over = false;      ///< guarded by the state's mutex
  std::optional<error> broken; ///< why we read no further
  std::string body;
  net::sse_parser events;

  explicit exchange(std::size_t size_max) : events(size_max) {}
};

/// What the HTTP client's thread shares with the client's.
struct http_state {
  mcp_options options;
  const time_source& clock;
  std::vector<std::string_view> secrets; ///< views into `options`
  mcp_sink sink;

  std::mutex mutex;
  std::uint64_t generation = 0;
  std::string session;
  std::unordered_map<std::uint64_t, net::request_id> open; ///< by the id of the message

  http_state(const mcp_options& o, const time_source& c) : options(o), clock(c) {
    for (const auto& [name, value] : options.headers) {
      std::string_view text = value.reveal();
      auto token = text.substr(text.rfind(' ') + 1); // what follows `Bearer`
      for (auto part : {text, token})
        if (part.size() >= secret_min)
          secrets.push_back(part);
    }
  }

  void tell(mcp_signal s, std::uint64_t of) {
    s.generation = of;
    sink(std::move(s));
  }

  void message(const exchange& e, std::string text, std::uint64_t of) {
    mcp_signal s;
    s.request = e.id;
    s.text = std::move(text);
    tell(std::move(s), of);
  }

  void on_head(exchange& e, const net::http_headers& head) {
    e.is_stream = head.value_or("content-type", "").find("event-stream") != std::string_view::npos;
    if (e.method == "initialize")
      if (const auto* id = head.find("mcp-session-id")) {
        std::lock_guard lock{mutex};
        session = *id;
      }
  }

  bool on_chunk(exchange& e, std::string_view piece, std::uint64_t of) {
    if (!e.is_stream) {
      if (e.body.size() + piece.size() > options.response_size_max)
        e.broken = too_large();
      else
        e.body += piece;
      return !e.broken;
    }
    std::vector<net::sse_event> events;
    auto fed = e.events.feed(piece, events);
    if (!fed)
      e.broken = too_large();
    for (auto& event : events)
      if (!event.data.empty()) {
        e.answered = e.answered || answers(event.data, e.id);
        message(e, std::move(event.data), of);
      }
    return bool(fed);
  }

  error too_large() const {
    return error{errc::output_too_large,
                 fmt::format("its answer is longer than {} bytes (response_size_max)",
                             options.response_size_max),
                 certainty::unknown};
  }

  static bool answers(std::string_view text, std::uint64_t id) {
    auto all = read_rpc(text, text.size() + 1);
    if (!all)
      return false;
    for (const auto& m : *all)
      if (m.method.empty() && m.number() == id)
        return true;
    return false;
  }

  void on_done(exchange& e, net::http_response_or_error answer, std::uint64_t of) {
    {
      std::lock_guard lock{mutex};
      e.over = true;
      open.erase(e.id);
    }
    if (e.broken)
      answer = std::move(*e.broken);
    if (answer && answer->status >= 200 && answer->status <= 299) {
      // A 204 or an empty body brought no head.
      on_head(e, answer->headers);
      if (e.is_stream || e.listens)
        return ended(e, of);
      if (e.body.find_first_not_of(" \t\r\n") != std::string::npos)
        return message(e, std::move(e.body), of);
      return e.id == 0 ? void() : ended(e, of);
    }
    if (e.id == 0)
      return; // nobody waits
    if (!answer && e.is_stream && answer.error().code != errc::output_too_large)
      return ended(e, of);
    mcp_signal s;
    s.what = mcp_signal::kind::failed;
    s.request = e.id;
    if (answer)
      refused(e, *answer, s);
    else
      s.why = std::move(answer).error();
    tell(std::move(s), of);
  }

  /// The stream is over. Nothing is missing where it had brought the answer.
  void ended(const exchange& e, std::uint64_t of) {
    if (e.answered)
      return;
    mcp_signal s;
    s.what = mcp_signal::kind::cut;
    s.request = e.id;
    s.text = e.events.last_event_id();
    s.come_back = e.events.retry();
    s.why = error{errc::unavailable, "the stream of its answer was cut", certainty::unknown};
    tell(std::move(s), of);
  }

  void refused(const exchange& e, net::http_response& answer, mcp_signal& s) {
    s.status = answer.status;
    s.why = http_failure(answer, clock.now(), secrets);
    auto said = read_rpc(answer.body, options.response_size_max);
    bool speaks = said && said->size() == 1 && said->front().failure;
    if (speaks)
      s.text = std::move(answer.body);
    // The protocol says 404; some servers say 400, and name the session.
    bool unknown_session
      = answer.status == status_not_found
        || (answer.status == status_bad_request && speaks
            && said->front().failure->message.find("ession") != std::string::npos);
    s.session_lost = e.had_session && unknown_session;
  }
};

class http_mcp final : public mcp_transport {
public:
  http_mcp(const mcp_options& options, net::http_transport& transport, const time_source& clock)
    : state_(std::make_shared<http_state>(options, clock)), transport_(transport) {}

  ~http_mcp() override { drop_all(); }

  result<void> open(std::uint64_t generation, mcp_sink sink) override {
    drop_all();
    generation_ = generation;
    state_->sink = std::move(sink);
    return {};
  }

  void speak(const mcp_dialect& dialect) override {
    dialect_ = dialect;
    if (dialect.version.empty()) {
      std::lock_guard lock{state_->mutex};
      state_->session.clear();
    }
  }

  result<void> send(mcp_outgoing m) override {
    auto e = std::make_shared<exchange>(state_->options.response_size_max);
    e->id = m.id;
    e->method = m.method;
    e->listens = m.body.empty();
    auto request = to_http(m, *e);
    auto state = state_;
    auto of = generation_;
    request.on_head = [state, e](const net::http_headers& h) { state->on_head(*e, h); };
    request.on_chunk = [state, e, of](std::string_view piece) {
      return state->on_chunk(*e, piece, of);
    };
    auto done = [state, e, of](net::http_response_or_error answer) {
      state->on_done(*e, std::move(answer), of);
    };
    auto sent = transport_.send(std::move(request), std::move(done));
    std::lock_guard lock{state_->mutex};
    if (m.id != 0 && !e->over) // it may have ended while we were here
      state_->open[m.id] = sent;
    return {};
  }

  void drop(std::uint64_t request) override {
    net::request_id sent = 0;
    {
      std::lock_guard lock{state_->mutex};
      auto i = state_->open.find(request);
      if (i == state_->open.end())
        return;
      sent = i->second;
      state_->open.erase(i);
    }
    transport_.cancel(sent);
  }

  void close() override {
    drop_all();
    say_farewell();
    mcp_signal s;
    s.what = mcp_signal::kind::closed;
    s.why = error{errc::unavailable, "the connection was closed"};
    if (state_->sink)
      state_->tell(std::move(s), generation_);
  }

  bool streams() const override { return true; }

private:
  void drop_all() {
    std::unordered_map<std::uint64_t, net::request_id> all;
    {
      std::lock_guard lock{state_->mutex};
      all.swap(state_->open);
    }
    for (const auto& [id, sent] : all)
      transport_.cancel(sent);
  }

  net::http_request base(std::string method) {
    const auto& o = state_->options;
    net::http_request r;
    r.method = std::move(method);
    r.url = o.url;
    for (const auto& [name, value] : o.headers)
      r.headers.add(name, value.reveal());
    if (!dialect_.version.empty())
      r.headers.add("MCP-Protocol-Version", dialect_.version);
    std::lock_guard lock{state_->mutex};
    if (!dialect_.modern && !state_->session.empty())
      r.headers.add("Mcp-Session-Id", state_->session);
    r.tls_verify = o.tls_verify;
    r.proxy = o.proxy;
    return r;
  }

  net::http_request to_http(mcp_outgoing& m, exchange& e) {
    auto r = base(e.listens ? "GET" : "POST");
    e.had_session = r.headers.contains("mcp-session-id");
    r.headers.add("Accept", e.listens ? "text/event-stream"
                                      : "application/json, text/event-stream");
    if (!m.last_event_id.empty())
      r.headers.add("Last-Event-ID", m.last_event_id);
    if (!e.listens)
      r.headers.add("Content-Type", "application/json");
    if (dialect_.modern) {
      r.headers.add("Mcp-Method", m.method);
      if (!m.tool.empty())
        r.headers.add("Mcp-Name", header_value(m.tool));
      for (const auto& [name, value] : m.arguments)
        r.headers.add(name, value);
    }
    r.body = std::move(m.body);
    r.timeout = m.timeout;
    r.connect_timeout = std::min(r.connect_timeout, m.timeout);
    // A stream brings more than the one message that is bounded: its events are, one by one.
    constexpr std::size_t messages = 16;
    r.response_size_max = state_->options.response_size_max * messages;
    r.repeatable = m.repeatable;
    r.fresh_connection = !m.repeatable;
    return r;
  }

  void say_farewell() {
    {
      std::lock_guard lock{state_->mutex};
      if (dialect_.modern || state_->session.empty())
        return;
    }
    auto r = base("DELETE");
    r.timeout = farewell_timeout;
    transport_.send(std::move(r), [](const net::http_response_or_error&) {});
  }

  std::shared_ptr<http_state> state_;
  net::http_transport& transport_;
  mcp_dialect dialect_;
  std::uint64_t generation_ = 0;
};

} // namespace

std::unique_ptr<mcp_transport> make_mcp_http(const mcp_options& options,
                                             net::http_transport& transport,
                                             const time_source& clock) {
  return std::make_unique<http_mcp>(options, transport, clock);
}

} // namespace troupe
