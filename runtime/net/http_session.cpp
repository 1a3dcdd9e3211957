#include "runtime/net/http_session.hpp"

#include "runtime/net/problem.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace troupe::net::detail {
namespace {

namespace http = boost::beast::http;

/// Holds the headers of all but browsers; an idle connection costs little more.
constexpr std::size_t buffer_initial = 4U << 10U;
/// For bodies, so that 8 MiB take 128 reads.
constexpr std::size_t buffer_for_bodies = 64U << 10U;
/// A buffer that grew past this for one large answer is given back.
constexpr std::size_t kept_output_max = 64U << 10U;
/// A body announced as large is still allocated as it comes.
constexpr std::uint64_t body_reserve_max = 1U << 20U;
/// For the client to read our last answer before the connection is reset.
constexpr std::chrono::seconds linger_time{2};

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

} // namespace

request_parser::request_parser(const http_server_options& options) {
  eager(true);
  header_limit(options.header_max);
  body_limit(options.body_max);
}

void request_parser::on_request_impl(http::verb, text method, text target, int version, code&) {
  request.method = view(method);
  request.target = view(target);
  request.headers.reserve(8);
  http_1_1 = version >= 11;
}

void request_parser::on_field_impl(http::field, text name, text value, code&) {
  request.headers.add(std::string{view(name)}, std::string{view(value)});
}

void request_parser::on_body_init_impl(const chunk_length& length, code&) {
  if (length)
    request.body.reserve(static_cast<std::size_t>(std::min(*length, body_reserve_max)));
}

std::size_t request_parser::on_body_impl(text body, code&) {
  request.body += view(body);
  return body.size();
}

std::size_t request_parser::on_chunk_body_impl(std::uint64_t, text body, code&) {
  request.body += view(body);
  return body.size();
}

http_session::http_session(tcp_socket socket, server_shared& shared)
  : shared_(shared), socket_(std::move(socket)),
    link_(std::make_shared<connection_link>(shared.box)), buffer_(buffer_initial) {}

void http_session::start() {
  link_->owner = this;
  enter(phase::idle);
  read();
}

void http_session::enter(phase next) {
  phase_ = next;
  const auto& o = shared_.options;
  switch (next) {
  case phase::idle:
    deadline_ = shared_.now + o.idle_timeout;
    break;
  case phase::header:
    deadline_ = shared_.now + o.header_timeout;
    break;
  case phase::body:
    deadline_ = shared_.now + o.body_timeout;
    break;
  case phase::lingering:
    deadline_ = shared_.now + linger_time;
    break;
  case phase::handling:
  case phase::streaming:
  case phase::closed:
    deadline_ = time_point::max();
  }
}

// -- reading

void http_session::read() {
  if (reading_ || peer_ended_ || phase_ == phase::closed || !make_room())
    return;
  reading_ = true;
  socket_.async_read_some(
    boost::asio::buffer(buffer_.data() + end_, buffer_.size() - end_),
    [self = shared_from_this()](const auto& ec, std::size_t bytes) { self->on_read(ec, bytes); });
}

bool http_session::make_room() {
  if (begin_ == end_)
    begin_ = end_ = 0;
  if (end_ < buffer_.size())
    return true;
  if (begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.end(),
              buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  if (phase_ == phase::handling || phase_ == phase::streaming)
    return false; // further requests wait in the socket
  // Headers must lie in one piece; the parser refuses them at `header_max`.
  buffer_.resize(buffer_.size() * 2);
  return true;
}

void http_session::on_read(const boost::system::error_code& ec, std::size_t bytes) {
  reading_ = false;
  if (phase_ == phase::closed)
    return;
  if (ec == boost::asio::error::eof)
    return on_eof();
  if (ec)
    return close();
  if (phase_ == phase::lingering) {
    begin_ = end_ = 0;
    return read();
  }
  end_ += bytes;
  parse();
  read();
}

/// A client that has sent its request may end its side and still wait for the answer; one that
/// reads a stream has no reason to.
void http_session::on_eof() {
  peer_ended_ = true;
  if (phase_ == phase::handling)
    return link_->end();
  if (phase_ != phase::lingering || (writing_.empty() && pending_.empty()))
    close();
}

void http_session::parse() {
  while (begin_ < end_ && phase_ <= phase::body) {
    if (phase_ == phase::idle) {
      parser_.emplace(shared_.options);
      enter(phase::header);
    }
    if (!feed())
      return;
  }
}

/// Gives the parser what is there. False when it wants more, or the request was refused.
bool http_session::feed() {
  boost::beast::error_code ec;
  auto used = parser_->put(boost::asio::const_buffer{buffer_.data() + begin_, end_ - begin_}, ec);
  begin_ += used;
  if (ec && ec != http::error::need_more) {
    reject(ec);
    return false;
  }
  if (phase_ == phase::header && parser_->is_header_done() && !on_headers())
    return false;
  auto body = parser_->request.body.size();
  shared_.bodies += body - counted_body_;
  counted_body_ = body;
  if (shared_.bodies > shared_.options.bodies_max) {
    refuse(503, error{errc::overloaded, "too many request bodies at once (bodies_max)"});
    return false;
  }
  if (parser_->is_done()) {
    dispatch();
    return true;
  }
  if (used == 0 && end_ - begin_ > shared_.options.header_max + buffer_initial)
    reject(http::error::header_limit); // a chunk's extensions have no end
  return used > 0;
}

bool http_session::on_headers() {
  enter(phase::body);
  http_1_1_ = parser_->http_1_1;
  const auto& headers = parser_->request.headers;
  if (http_1_1_ && !headers.contains("host")) {
    refuse(400, error{errc::invalid_input, "the request has no Host field"});
    return false;
  }
  if (parser_->is_done())
    return true;
  if (buffer_.size() < buffer_for_bodies
      && parser_->content_length_remaining().value_or(0) > buffer_.size())
    buffer_.resize(buffer_for_bodies);
  if (http_1_1_ && equal_ignoring_case(headers.value_or("expect", ""), "100-continue")) {
    pending_ += "HTTP/1.1 100 Continue\r\n\r\n";
    flush();
  }
  return phase_ == phase::body;
}

void http_session::dispatch() {
  keep_alive_ = parser_->keep_alive();
  head_only_ = parser_->request.method == "HEAD";
  auto request = std::move(parser_->request);
  drop_parser();
  enter(phase::handling);
  try {
    shared_.handler(std::move(request), responder{link_});
  } catch (...) {
    // Its responder has been destroyed by now, and that has answered 500.
  }
}

void http_session::drop_parser() {
  shared_.bodies -= counted_body_;
  counted_body_ = 0;
  parser_.reset();
}

void http_session::reject(const boost::beast::error_code& ec) {
  const auto& o = shared_.options;
  if (ec == http::error::body_limit)
    return refuse(413,
                  error{errc::invalid_input,
                        fmt::format("the body is larger than {} bytes (body_max)", o.body_max)});
  if (ec == http::error::header_limit)
    return refuse(
      431, error{errc::invalid_input,
                 fmt::format("the headers are larger than {} bytes (header_max)", o.header_max)});
  refuse(400, error{errc::invalid_input, "the request is not HTTP/1.1: " + ec.message()});
}

/// Answers here, and gives the connection up: where the next request begins is unknown.
void http_session::refuse(int status, const error& why) {
  drop_parser();
  keep_alive_ = false;
  head_only_ = false;
  auto body = problem_json(status, why.code, why.message);
  auto headers = problem_headers().add("Content-Length", std::to_string(body.size()));
  outgoing step{nullptr, outgoing::step::answer, format_head(status, headers), std::move(body)};
  append_head(step);
  pending_ += step.body;
  begin_ = end_ = 0;
  complete();
}

// -- answering

void http_session::on_step(outgoing& step) {
  switch (step.what) {
  case outgoing::step::answer:
    append_head(step);
    if (!head_only_)
      pending_ += step.body;
    return complete();
  case outgoing::step::begin:
    enter(phase::streaming);
    keep_alive_ = keep_alive_ && http_1_1_; // else only the end of the connection ends the body
    if (http_1_1_)
      step.head += "Transfer-Encoding: chunked\r\n";
    append_head(step);
    if (peer_ended_)
      return close();
    return flush();
  case outgoing::step::chunk:
    append_chunk(step);
    return flush();
  case outgoing::step::end:
    if (http_1_1_ && !head_only_)
      pending_ += "0\r\n\r\n";
    return complete();
  case outgoing::step::cut:
    return close();
  }
}

void http_session::append_head(outgoing& step) {
  keep_alive_ = keep_alive_ && !shared_.draining;
  pending_ += step.head;
  pending_ += shared_.date;
  if (!keep_alive_)
    pending_ += "Connection: close\r\n";
  else if (!http_1_1_)
    pending_ += "Connection: keep-alive\r\n";
  pending_ += "\r\n";
}

void http_session::append_chunk(outgoing& step) {
  if (head_only_) {
    link_->buffered -= step.body.size();
    return;
  }
  if (http_1_1_)
    fmt::format_to(std::back_inserter(pending_), FMT_COMPILE("{:x}\r\n"), step.body.size());
  pending_ += step.body;
  if (http_1_1_)
    pending_ += "\r\n";
  pending_stream_bytes_ += step.body.size();
}

/// The answer is whole: on to the next request, or to the end.
void http_session::complete() {
  closing_ = !keep_alive_ || shared_.draining || (peer_ended_ && begin_ == end_);
  enter(closing_ ? phase::lingering : phase::idle);
  flush();
  if (phase_ != phase::idle)
    return;
  parse(); // what came while we were busy
  read();
  if (peer_ended_ && phase_ <= phase::body)
    close(); // half a request, and no more will come
}

/// Writes at once what the socket takes, which is nearly always everything.
void http_session::flush() {
  while (!write_waits_ && phase_ != phase::closed) {
    if (written_ == writing_.size()) {
      link_->buffered -= std::exchange(writing_stream_bytes_, 0);
      writing_.clear();
      written_ = 0;
      if (writing_.capacity() > kept_output_max)
        std::string{}.swap(writing_);
      if (pending_.empty())
        return on_flushed();
      writing_.swap(pending_);
      std::swap(writing_stream_bytes_, pending_stream_bytes_);
    }
    boost::system::error_code ec;
    written_ += socket_.write_some(
      boost::asio::buffer(writing_.data() + written_, writing_.size() - written_), ec);
    if (ec == boost::asio::error::would_block)
      flush_later();
    else if (ec)
      close();
  }
}

void http_session::flush_later() {
  write_waits_ = true;
  write_deadline_ = shared_.now + shared_.options.write_timeout;
  socket_.async_wait(tcp_socket::wait_write, [self = shared_from_this()](const auto& ec) {
    self->write_waits_ = false;
    self->write_deadline_ = time_point::max();
    if (self->phase_ == phase::closed)
      return;
    if (ec)
      return self->close();
    self->flush();
  });
}

void http_session::on_flushed() {
  if (!closing_)
    return;
  boost::system::error_code ignored;
  socket_.shutdown(tcp_socket::shutdown_send, ignored);
  if (peer_ended_)
    return close();
  enter(phase::lingering);
  read();
}

// -- ending

void http_session::on_tick() {
  if (shared_.now >= write_deadline_)
    return close();
  if (shared_.now < deadline_)
    return;
  if (phase_ == phase::header || phase_ == phase::body)
    return refuse(408, error{errc::timed_out, phase_ == phase::header
                                                ? "the headers took too long (header_timeout)"
                                                : "the body took too long (body_timeout)"});
  if (phase_ != phase::lingering || !write_waits_)
    close();
}

void http_session::on_drain() {
  if (phase_ != phase::idle)
    return;
  closing_ = true;
  if (writing_.empty() && pending_.empty())
    close();
}

void http_session::close() {
  if (phase_ == phase::closed)
    return;
  auto self = shared_from_this();
  drop_parser();
  enter(phase::closed);
  boost::system::error_code ignored;
  socket_.close(ignored);
  link_->owner = nullptr;
  link_->gone = true;
  auto& all = shared_.sessions;
  all.erase(std::find(all.begin(), all.end(), self));
  {
    std::lock_guard lock{shared_.mutex};
    shared_.open = all.size();
  }
  if (all.empty())
    shared_.none_open.notify_all();
  link_->end();
}

} // namespace troupe::net::detail
