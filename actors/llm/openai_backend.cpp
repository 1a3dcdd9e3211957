#include "actors/llm/openai_backend.hpp"

#include "actors/llm/openai_wire.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace troupe {
namespace {

using std::chrono::milliseconds;

std::string completions_url(std::string base) {
  while (base.ends_with('/'))
    base.pop_back();
  return base + "/chat/completions";
}

// A request that is open: alive from `start` to its `done`, over all POSTs that it takes.
struct flight {
  model_request_id id = 0;
  model_request request;
  model_done done;
  steady_time until{};
  openai_dialect sent; ///< of the POST that is open
  // Guarded by the state's mutex.
  net::request_id post = 0;
  std::uint32_t posts = 0;
  bool cancelled = false;
};

} // namespace

struct openai_backend::state : std::enable_shared_from_this<state> {
  state(const endpoint_options& options, const time_source& time,
        std::shared_ptr<net::http_transport> carrier)
    : model(options.model), url(completions_url(options.base_url)), api_key(options.api_key),
      proxy(options.proxy), response_size_max(options.response_size_max),
      tls_verify(options.tls_verify), clock(time), transport(std::move(carrier)) {
    dialect.native_schema = options.native_schema;
  }

  void post(const std::shared_ptr<flight>& f);
  void on_response(const std::shared_ptr<flight>& f, net::http_response_or_error r);
  void cancel(const std::shared_ptr<flight>& f);
  bool said_otherwise(flight& f, const net::http_response_or_error& r);
  void finish(flight& f, result<model_answer> outcome);
  net::http_request http_request_of(const flight& f) const;
  error without_key(error e) const;

  const std::string model;
  const std::string url;
  const secret api_key;
  const std::string proxy;
  const std::size_t response_size_max;
  const bool tls_verify;
  const time_source& clock;
  const std::shared_ptr<net::http_transport> transport;

  std::mutex mutex;
  openai_dialect dialect;
  model_request_id last_id = 0;
  std::unordered_map<model_request_id, std::shared_ptr<flight>> open;
};

net::http_request openai_backend::state::http_request_of(const flight& f) const {
  net::http_request out;
  out.method = "POST";
  out.url = url;
  out.headers.add("content-type", "application/json").add("accept", "application/json");
  if (!api_key.empty())
    out.headers.add("authorization", "Bearer " + api_key.reveal());
  out.body = openai_body(f.request, model, f.sent);
  auto left = std::chrono::ceil<milliseconds>(f.until - clock.steady());
  out.timeout = std::max(left, milliseconds{1});
  out.response_size_max = response_size_max;
  out.tls_verify = tls_verify;
  out.proxy = proxy;
  out.repeatable = true; // it only reads: sent twice, it costs tokens and changes nothing
  return out;
}

void openai_backend::state::post(const std::shared_ptr<flight>& f) {
  std::uint32_t number = 0;
  {
    std::lock_guard lock{mutex};
    f->sent = dialect;
    number = ++f->posts;
    f->post = 0;
  }
  auto self = shared_from_this();
  auto id = transport->send(http_request_of(*f), [self, f](net::http_response_or_error r) {
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
bool openai_backend::state::said_otherwise(flight& f, const net::http_response_or_error& r) {
  std::lock_guard lock{mutex};
  return r && !f.cancelled && adapt(dialect, f.sent, *r, f.request);
}

void openai_backend::state::on_response(const std::shared_ptr<flight>& f,
                                        net::http_response_or_error r) {
  if (said_otherwise(*f, r)) {
    post(f);
    return;
  }
  auto outcome = r ? read_openai(*r, clock.now()) : std::move(r).error();
  if (!outcome)
    outcome = without_key(std::move(outcome).error());
  finish(*f, std::move(outcome));
}

void openai_backend::state::finish(flight& f, result<model_answer> outcome) {
  {
    std::lock_guard lock{mutex};
    open.erase(f.id);
  }
  f.done(std::move(outcome));
}

void openai_backend::state::cancel(const std::shared_ptr<flight>& f) {
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
error openai_backend::state::without_key(error e) const {
  constexpr std::string_view mask = "***";
  const auto& key = api_key.reveal();
  auto at = key.empty() ? std::string::npos : e.message.find(key);
  for (; at != std::string::npos; at = e.message.find(key, at + mask.size()))
    e.message.replace(at, key.size(), mask);
  return e;
}

openai_backend::openai_backend(const endpoint_options& options, const time_source& clock,
                               std::shared_ptr<net::http_transport> transport)
  : state_(std::make_shared<state>(options, clock, std::move(transport))) {}

openai_backend::~openai_backend() {
  decltype(state_->open) open;
  {
    std::lock_guard lock{state_->mutex};
    open = state_->open;
  }
  for (auto& [_, f] : open)
    state_->cancel(f);
}

model_request_id openai_backend::start(const model_request& request, model_done done) {
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

void openai_backend::cancel(model_request_id id) {
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
