#include "actors/llm/wire_backend.hpp"

#include "actors/llm/limit_headers.hpp"
#include "actors/llm/streamed_answer.hpp"
#include "actors/llm/wire_text.hpp"
#include "runtime/core/json.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace troupe {
namespace {

using std::chrono::milliseconds;

std::string base_url_of(const endpoint_options& o) {
  return o.base_url.empty() ? default_base_url(o.kind) : o.base_url;
}

std::string without_slash(std::string base) {
  while (base.ends_with('/'))
    base.pop_back();
  return base;
}

// A request that is open: alive from `start` to its `done`, over all POSTs that it takes.
struct flight {
  model_request_id id = 0;
  model_request request;
  model_done done;
  steady_time until{};
  wire_dialect sent; ///< of the POST that is open
  // Of the transport's thread alone.
  std::shared_ptr<streamed_answer> stream; ///< of the POST that is open, where it streams
  // Guarded by the state's mutex.
  net::request_id post = 0;
  std::uint32_t posts = 0;
  bool cancelled = false;
  bool ended = false; ///< `done` was called
};

} // namespace

struct wire_backend::state : std::enable_shared_from_this<state> {
  state(const endpoint_options& options, std::unique_ptr<model_wire> spoken,
        const time_source& time, event_sink& sink, std::shared_ptr<net::http_transport> carrier)
    : service("llm:" + options.name), wire(std::move(spoken)), model(options.model),
      url(wire->url(without_slash(base_url_of(options)))), keys(options.keys()),
      proxy(options.proxy), response_size_max(options.response_size_max),
      tls_verify(options.tls_verify), clock(time), events(sink),
      transport(std::move(carrier)) {
    dialect.native_schema = options.native_schema;
  }

  void post(const std::shared_ptr<flight>& f);
  void on_response(const std::shared_ptr<flight>& f, net::http_response_or_error r);
  void cancel(const std::shared_ptr<flight>& f);
  bool said_otherwise(flight& f, const net::http_response_or_error& r);
  void tell_limits(flight& f, const net::http_response& r);
  void finish(flight& f, result<model_answer> outcome);
  net::http_request http_request_of(const std::shared_ptr<flight>& f);
  bool on_chunk(const std::shared_ptr<flight>& f, std::string_view piece);
  error without_key(error e) const;

  const std::string service;
  const std::unique_ptr<model_wire> wire;
  const std::string model;
  const std::string url;
  const std::vector<secret> keys;
  const std::string proxy;
  const std::size_t response_size_max;
  const bool tls_verify;
  const time_source& clock;
  event_sink& events;
  const std::shared_ptr<net::http_transport> transport;

  std::mutex mutex;
  wire_dialect dialect;
  model_request_id last_id = 0;
  std::unordered_map<model_request_id, std::shared_ptr<flight>> open;
};

net::http_request wire_backend::state::http_request_of(const std::shared_ptr<flight>& f) {
  net::http_request out;
  out.method = "POST";
  out.url = url;
  bool streams = f->request.on_delta != nullptr;
  out.headers.add("content-type", "application/json")
    .add("accept", streams ? "text/event-stream, application/json" : "application/json");
  wire->add_headers(out.headers, keys[f->request.key % keys.size()]);
  out.body = wire->body(f->request, model, f->sent);
  if (streams) {
    // Before the first piece: at the end of a stream its turn is over, and nobody listens.
    out.on_head = [self = shared_from_this(), f](const net::http_headers& fields) {
      net::http_response head;
      head.status = 200;
      head.headers = fields;
      self->tell_limits(*f, head);
    };
    out.on_chunk = [self = shared_from_this(), f, stream = f->stream](std::string_view piece) {
      return f->stream != stream || self->on_chunk(f, piece);
    };
  }
  auto left = std::chrono::ceil<milliseconds>(f->until - clock.steady());
  out.timeout = std::max(left, milliseconds{1});
  out.response_size_max = response_size_max;
  out.tls_verify = tls_verify;
  out.proxy = proxy;
  out.repeatable = false; // it only reads, but sent twice it costs twice: the endpoint counts attempts
  return out;
}

void wire_backend::state::post(const std::shared_ptr<flight>& f) {
  std::uint32_t number = 0;
  {
    std::lock_guard lock{mutex};
    f->sent = dialect;
    number = ++f->posts;
    f->post = 0;
  }
  if (f->request.on_delta)
    f->stream = std::make_shared<streamed_answer>(*wire, f->request.on_delta);
  auto self = shared_from_this();
  auto id = transport->send(http_request_of(f), [self, f](net::http_response_or_error r) {
    self->on_response(f, std::move(r));
  });
  bool stop = false;
  {
    std::lock_guard lock{mutex};
    if (f->posts == number) {
      f->post = id;
      stop = f->cancelled;
    }
  }
  if (stop)
    transport->cancel(id);
}

// Whether the server refused something that can be left out. On the transport's thread.
bool wire_backend::state::said_otherwise(flight& f, const net::http_response_or_error& r) {
  if (!r || (r->status != 400 && r->status != 422))
    return false;
  std::string left_out;
  {
    std::lock_guard lock{mutex};
    auto before = dialect;
    if (f.cancelled || !wire->adapt(dialect, f.sent, *r, f.request))
      return false;
    left_out = taken_away(before, dialect);
  }
  if (left_out.empty()) // another request was told the same
    return true;
  event e;
  e.name = "llm.dialect";
  e.lvl = level::warning;
  e.service = service;
  e.fields.emplace_back("left_out", to_json(left_out));
  events.write(e);
  return true;
}

void wire_backend::state::tell_limits(flight& f, const net::http_response& r) {
  if (auto tell = std::exchange(f.request.on_limits, nullptr))
    tell(limits_of(r, clock.now()));
}

void wire_backend::state::on_response(const std::shared_ptr<flight>& f,
                                        net::http_response_or_error r) {
  if (said_otherwise(*f, r)) {
    post(f);
    return;
  }
  if (r)
    tell_limits(*f, *r);
  result<model_answer> outcome;
  if (f->stream && f->stream->why())
    outcome = *f->stream->why(); // we closed the connection
  else if (!r)
    outcome = std::move(r).error();
  else if (f->stream && r->status >= 200 && r->status <= 299)
    outcome = std::move(*f->stream).finish(std::move(*r), clock.now());
  else
    outcome = wire->read(*r, clock.now());
  finish(*f, std::move(outcome));
}

// The answer is given as soon as it is whole: some servers leave the connection open after it.
bool wire_backend::state::on_chunk(const std::shared_ptr<flight>& f, std::string_view piece) {
  if (f->ended)
    return true;
  if (!f->stream->add(piece))
    return false;
  if (f->stream->complete())
    finish(*f, std::move(*f->stream).finish({}, clock.now()));
  return true;
}

void wire_backend::state::finish(flight& f, result<model_answer> outcome) {
  {
    std::lock_guard lock{mutex};
    if (std::exchange(f.ended, true))
      return;
    open.erase(f.id);
  }
  if (!outcome)
    outcome = without_key(std::move(outcome).error());
  f.done(std::move(outcome));
}

void wire_backend::state::cancel(const std::shared_ptr<flight>& f) {
  net::request_id post = 0;
  {
    std::lock_guard lock{mutex};
    f->cancelled = true;
    post = f->post;
  }
  if (post != 0) // else `post()` sees the mark
    transport->cancel(post);
}

// A server may repeat what it was sent.
error wire_backend::state::without_key(error e) const {
  constexpr std::string_view mask = "***";
  for (const auto& one : keys) {
    const auto& key = one.reveal();
    auto at = key.empty() ? std::string::npos : e.message.find(key);
    for (; at != std::string::npos; at = e.message.find(key, at + mask.size()))
      e.message.replace(at, key.size(), mask);
  }
  return e;
}

std::unique_ptr<model_wire> make_model_wire(endpoint_kind kind) {
  switch (kind) {
    case endpoint_kind::openai:
      return make_chat_wire();
    case endpoint_kind::openai_responses:
      return make_responses_wire();
    case endpoint_kind::anthropic:
      return make_anthropic_wire();
    case endpoint_kind::scripted:
    case endpoint_kind::automatic:
      break;
  }
  return nullptr;
}

wire_backend::wire_backend(const endpoint_options& options, std::unique_ptr<model_wire> wire,
                           const time_source& clock, event_sink& events,
                           std::shared_ptr<net::http_transport> transport)
  : state_(std::make_shared<state>(options, std::move(wire), clock, events,
                                   std::move(transport))) {}

wire_backend::~wire_backend() {
  decltype(state_->open) open;
  {
    std::lock_guard lock{state_->mutex};
    open = state_->open;
  }
  for (auto& [_, f] : open)
    state_->cancel(f);
}

model_request_id wire_backend::start(const model_request& request, model_done done) {
  auto f = std::make_shared<flight>();
  f->request = request;
  f->done = std::move(done);
  f->until = state_->clock.steady() + request.timeout + timeout_margin;
  {
    std::lock_guard lock{state_->mutex};
    f->id = ++state_->last_id;
    state_->open.emplace(f->id, f);
  }
  state_->post(f);
  return f->id;
}

void wire_backend::cancel(model_request_id id) {
  std::shared_ptr<flight> f;
  {
    std::lock_guard lock{state_->mutex};
    if (auto found = state_->open.find(id); found != state_->open.end())
      f = found->second;
  }
  if (f)
    state_->cancel(f);
}

} // namespace troupe
