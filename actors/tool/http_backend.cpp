#include "actors/tool/http_backend.hpp"

#include "actors/tool/http_outcome.hpp"
#include "actors/tool/text_template.hpp"
#include "runtime/core/json.hpp"

#include <boost/json/value.hpp>

#include <algorithm>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace troupe {
namespace {

/// Shorter texts hide nothing, and would be found in every sentence.
constexpr std::size_t secret_min = 4;

/// Headers that can be shown; all others may carry credentials.
bool is_harmless(std::string_view name) {
  return net::equal_ignoring_case(name, "content-type") || net::equal_ignoring_case(name, "accept")
         || net::equal_ignoring_case(name, "user-agent");
}

struct path_shape {
  std::size_t dots = 0;  ///< segments `.` and `..`
  std::size_t empty = 0; ///< segments of nothing

  bool operator==(const path_shape&) const = default;
};

path_shape shape_of(std::string_view url) {
  path_shape shape;
  auto begin = url.find("://");
  begin = begin == url.npos ? 0 : url.find('/', begin + 3);
  if (begin == url.npos)
    return shape;
  auto path = url.substr(begin, url.find_first_of("?#", begin) - begin);
  while (!path.empty()) {
    path.remove_prefix(1); // the slash
    auto segment = path.substr(0, path.find('/'));
    shape.dots += segment == "." || segment == ".." ? 1 : 0;
    shape.empty += segment.empty() ? 1 : 0;
    path.remove_prefix(segment.size());
  }
  return shape;
}

/// The shape of what a template's own text makes, with a letter for each field.
path_shape shape_of_template(std::string_view url) {
  std::string sample{url};
  for (const auto& name : placeholders(url)) {
    auto mark = "{" + name + "}";
    sample.replace(sample.find(mark), mark.size(), "x");
  }
  return shape_of(sample);
}

/// Which request of the transport serves which attempt; shared with its callbacks.
class open_requests {
public:
  void add(attempt_id attempt, net::request_id request) {
    std::lock_guard lock{mutex_};
    if (!ended_early_.erase(attempt))
      open_[attempt] = request;
  }
  /// May come before `add`.
  void remove(attempt_id attempt) {
    std::lock_guard lock{mutex_};
    if (!open_.erase(attempt))
      ended_early_.insert(attempt);
  }
  std::optional<net::request_id> find(attempt_id attempt) {
    std::lock_guard lock{mutex_};
    auto i = open_.find(attempt);
    return i == open_.end() ? std::nullopt : std::optional{i->second};
  }

private:
  std::mutex mutex_;
  std::unordered_map<attempt_id, net::request_id> open_;
  std::unordered_set<attempt_id> ended_early_;
};

/// What the callback of a request needs; outlives the backend if it must.
struct shared_state {
  http_tool_options options;
  reconcile_options reconcile;
  bool reconciles = false;
  const time_source& clock;
  std::vector<std::string_view> secrets; ///< views into `options`
  open_requests open;

  shared_state(http_tool_options o, const time_source& c) : options(std::move(o)), clock(c) {
    for (const auto& [name, value] : options.headers) {
      std::string_view text = value.reveal();
      if (is_harmless(name) || text.size() < secret_min)
        continue;
      secrets.push_back(text);
      auto token = text.substr(text.rfind(' ') + 1); // what follows `Bearer`
      if (token.size() >= secret_min && token.size() < text.size())
        secrets.push_back(token);
    }
  }

  bool success(int status) const {
    return std::ranges::any_of(options.success, [&](const status_range& range) {
      return status >= range.first && status <= range.last;
    });
  }

  result<std::string> outcome(net::http_response_or_error answer) const {
    if (!answer)
      return std::move(answer).error();
    auto good = success(answer->status);
    auto says = good ? http_accepts(*answer, options.success_if, secrets) : result<void>{};
    // Looking a call up may be another endpoint, one that has no such field.
    if (!says && !(reconciles && says.error().code == errc::schema_mismatch))
      return std::move(says).error();
    if (reconciles)
      return http_reconciled(*answer, good, reconcile.result, clock.now(), secrets);
    if (!good)
      return http_failure(*answer, clock.now(), secrets);
    return http_result(*answer, options.result);
  }
};

class http_backend final : public tool_backend {
public:
  http_backend(std::shared_ptr<shared_state> state, net::http_transport& transport)
    : state_(std::move(state)),
      transport_(transport),
      method_(state_->reconciles ? state_->reconcile.method : state_->options.method),
      url_(state_->reconciles ? state_->reconcile.url : state_->options.url),
      shape_(shape_of_template(state_->reconciles ? state_->reconcile.url : state_->options.url)),
      body_(state_->options.body) {}

  void start(attempt_request request, attempt_done done) override {
    auto http = to_http(request);
    if (!http) {
      done(std::move(http).error());
      return;
    }
    auto id = request.id;
    auto sent = transport_.send(std::move(*http),
                                [state = state_, id, done](net::http_response_or_error answer) {
                                  state->open.remove(id);
                                  done(state->outcome(std::move(answer)));
                                });
    state_->open.add(id, sent);
  }

  void cancel(attempt_id id) override {
    if (auto request = state_->open.find(id))
      transport_.cancel(*request);
  }

  std::chrono::milliseconds grace() const override { return std::chrono::milliseconds{500}; }

private:
  bool has_body() const {
    return !state_->reconciles && method_ != "GET" && method_ != "HEAD"
           && state_->options.body != "none";
  }

  result<net::http_request> to_http(const attempt_request& request) const {
    auto arguments = parse_json(request.body);
    if (!arguments)
      return error{errc::invalid_input, "arguments: " + arguments.error().message};
    template_values values{*arguments, request.key};
    auto url = url_.fill(values, template_encoding::percent);
    if (!url)
      return std::move(url).error();
    // `..` would lead the request out of the path that the template gives it, and nothing at all
    // would make DELETE /tickets/{id} a DELETE of all tickets.
    if (shape_of(*url) != shape_)
      return error{errc::invalid_input, "an argument is empty, '.' or '..' where the URL's path "
                                        "needs a value"};
    net::http_request http;
    http.method = method_;
    http.url = std::move(*url);
    if (has_body()) {
      auto body = state_->options.body == "json" ? result<std::string>{request.body}
                                                 : body_.fill(values, template_encoding::json);
      if (!body)
        return std::move(body).error();
      http.body = std::move(*body);
    }
    add_headers(request, http);
    set_limits(request, http);
    return http;
  }

  void add_headers(const attempt_request& request, net::http_request& http) const {
    const auto& o = state_->options;
    for (const auto& [name, value] : o.headers)
      http.headers.add(name, value.reveal());
    if (!http.headers.contains("accept"))
      http.headers.add("Accept", "application/json");
    if (has_body() && !http.headers.contains("content-type"))
      http.headers.add("Content-Type", "application/json");
    auto keyed = request.cls != effect_class::pure && request.cls != effect_class::read;
    if (keyed && !state_->reconciles && !o.idempotency_header.empty() && !request.key.empty())
      http.headers.add(o.idempotency_header, request.key);
  }

  void set_limits(const attempt_request& request, net::http_request& http) const {
    const auto& o = state_->options;
    http.timeout = request.timeout;
    http.connect_timeout = std::min(http.connect_timeout, request.timeout);
    http.response_size_max = o.response_size_max;
    http.tls_verify = o.tls_verify;
    http.ca_file = o.tls_ca.string();
    http.proxy = o.proxy;
    http.repeatable = repeatable(request.cls);
    http.fresh_connection = !http.repeatable;
  }

  std::shared_ptr<shared_state> state_;
  net::http_transport& transport_;
  std::string method_;
  text_template url_;
  path_shape shape_;
  text_template body_;
};

} // namespace

std::shared_ptr<tool_backend> make_http_backend(const http_tool_options& options,
                                                net::http_transport& transport,
                                                const time_source& clock) {
  return std::make_shared<http_backend>(std::make_shared<shared_state>(options, clock), transport);
}

std::shared_ptr<tool_backend> make_http_reconciler(const reconcile_options& reconcile,
                                                   const http_tool_options& options,
                                                   net::http_transport& transport,
                                                   const time_source& clock) {
  auto state = std::make_shared<shared_state>(options, clock);
  state->reconcile = reconcile;
  state->reconciles = true;
  return std::make_shared<http_backend>(std::move(state), transport);
}

} // namespace troupe
