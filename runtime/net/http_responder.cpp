#include "runtime/net/http_link.hpp"
#include "runtime/net/problem.hpp"

#include <boost/asio/post.hpp>
#include <fmt/compile.h>
#include <fmt/format.h>

#include <iterator>

namespace troupe::net {
namespace detail {
namespace {

/// What would end the field or the head becomes a space: values come from users.
void append_field_text(std::string& out, std::string_view text) {
  auto from = out.size();
  out += text;
  if (is_field_value(text))
    return;
  for (auto i = from; i < out.size(); ++i)
    if (out[i] == '\r' || out[i] == '\n' || out[i] == '\0')
      out[i] = ' ';
}

} // namespace

std::string format_head(int status, const http_headers& headers) {
  std::string out;
  out.reserve(192);
  fmt::format_to(std::back_inserter(out), FMT_COMPILE("HTTP/1.1 {} {}\r\n"), status,
                 reason_phrase(status));
  for (const auto& [name, value] : headers) {
    append_field_text(out, name);
    out += ": ";
    append_field_text(out, value);
    out += "\r\n";
  }
  return out;
}

http_headers problem_headers() {
  return http_headers{{"Content-Type", std::string{problem_content_type}}};
}

void outbox::push(outgoing step) {
  std::lock_guard lock{mutex_};
  if (io_ == nullptr)
    return;
  waiting_.push_back(std::move(step));
  if (waiting_.size() == 1)
    boost::asio::post(*io_, [this] { on_ready(); });
}

void outbox::take(std::vector<outgoing>& into) {
  std::lock_guard lock{mutex_};
  into.swap(waiting_);
}

void outbox::close() {
  std::vector<outgoing> dropped; // destroyed outside the lock
  std::lock_guard lock{mutex_};
  io_ = nullptr;
  dropped.swap(waiting_);
}

void connection_link::end() {
  std::function<void()> told;
  {
    std::lock_guard lock{mutex};
    ended = true;
    told.swap(on_close);
  }
  if (told)
    told();
}

} // namespace detail

using detail::outgoing;

responder::responder(std::shared_ptr<detail::connection_link> link) : link_(std::move(link)) {}

responder& responder::operator=(responder&& other) noexcept {
  if (this != &other) {
    abandon();
    link_ = std::move(other.link_);
    streaming_ = other.streaming_;
  }
  return *this;
}

responder::~responder() {
  abandon();
}

void responder::abandon() {
  if (!link_)
    return;
  if (!streaming_)
    return respond(error{errc::internal, "the request was dropped without an answer"});
  auto link = std::move(link_);
  link->out->push({link, outgoing::step::cut, {}, {}});
}

void responder::respond(int status, http_headers headers, std::string body) {
  if (!link_ || streaming_)
    return;
  auto link = std::move(link_);
  auto head = detail::format_head(status, headers);
  auto has_body = status >= 200 && status != 204 && status != 304;
  if (has_body)
    fmt::format_to(std::back_inserter(head), FMT_COMPILE("Content-Length: {}\r\n"), body.size());
  else
    body.clear();
  std::function<void()> told; // no longer of interest, and destroyed outside the lock
  {
    std::lock_guard lock{link->mutex};
    told.swap(link->on_close);
  }
  auto& out = *link->out;
  out.push({std::move(link), outgoing::step::answer, std::move(head), std::move(body)});
}

void responder::respond(const error& problem, std::string_view instance) {
  auto headers = detail::problem_headers();
  if (problem.retry_after) {
    auto seconds = std::chrono::ceil<std::chrono::seconds>(*problem.retry_after);
    headers.add("Retry-After", std::to_string(seconds.count()));
  }
  respond(http_status(problem.code), std::move(headers), problem_json(problem, instance));
}

void responder::start_stream(http_headers headers) {
  if (!link_ || streaming_)
    return;
  streaming_ = true;
  link_->out->push({link_, outgoing::step::begin, detail::format_head(200, headers), {}});
}

result<void> responder::write_chunk(std::string bytes) {
  if (!link_ || !streaming_)
    return error{errc::conflict, "no stream is open"};
  if (link_->ended)
    return error{errc::cancelled, "the client has closed the connection"};
  if (bytes.empty()) // an empty chunk would end the stream
    return {};
  auto waiting = link_->buffered.fetch_add(bytes.size()) + bytes.size();
  if (waiting > link_->out->stream_buffer_max) {
    link_->ended = true;
    link_->out->push({link_, outgoing::step::cut, {}, {}});
    return error{
      errc::overloaded,
      fmt::format("{} bytes wait for a slow reader (stream_buffer_max); it was dropped", waiting)};
  }
  link_->out->push({link_, outgoing::step::chunk, {}, std::move(bytes)});
  return {};
}

std::size_t responder::waiting() const noexcept {
  return link_ ? link_->buffered.load() : 0;
}

void responder::finish() {
  if (!link_ || !streaming_)
    return;
  auto link = std::move(link_);
  std::function<void()> told;
  {
    std::lock_guard lock{link->mutex};
    told.swap(link->on_close);
  }
  link->out->push({link, outgoing::step::end, {}, {}});
}

bool responder::closed() const {
  return !link_ || link_->ended;
}

bool responder::gone() const {
  return !link_ || link_->gone;
}

void responder::on_close(std::function<void()> f) {
  if (!link_)
    return;
  {
    std::lock_guard lock{link_->mutex};
    if (!link_->ended) {
      link_->on_close = std::move(f);
      return;
    }
  }
  f();
}

} // namespace troupe::net
