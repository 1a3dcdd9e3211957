#include "runtime/net/curl_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace troupe::net::detail {
namespace {

struct url_deleter {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
    return {};
  std::string copy{text};
  curl_free(text);
  return copy;
}

/// Scheme, host and port, without what may be secret; the error names no more than the reason.
result<std::string> peer_of(const std::string& text) {
  std::unique_ptr<CURLU, url_deleter> url{curl_url()};
  auto code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
  if (code != CURLUE_OK || text.find('\0') != std::string::npos)
    return error{errc::invalid_input,
                 fmt::format("URL that cannot be used: {}", curl_url_strerror(code))};
  auto scheme = url_part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return error{errc::invalid_input,
                 fmt::format("URL of scheme `{}`: only http and https are allowed", scheme)};
  return fmt::format("{}://{}:{}", scheme, url_part(url.get(), CURLUPART_HOST),
                     url_part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

bool carries_body(const http_request& r) {
  return !r.body.empty() || r.method == "POST" || r.method == "PUT" || r.method == "PATCH";
}

bool harmless(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

void append(header_list& list, const std::string& line) {
  auto* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr)
    throw std::bad_alloc{};
  (void)list.release(); // the same list, or its new head
  list.reset(longer);
}

std::chrono::microseconds duration_of(CURL* easy, CURLINFO what) {
  curl_off_t micros = 0;
  curl_easy_getinfo(easy, what, &micros);
  return std::chrono::microseconds{micros};
}

} // namespace

transfer::transfer(request_id id, http_request request, http_done done)
  : id_(id), request_(std::move(request)), done_(std::move(done)) {}

bool kept_easy::serves(const http_request& r) const {
  return url == r.url && method == r.method && tls_verify == r.tls_verify
         && fresh_connection == r.fresh_connection && carries == carries_body(r)
         && ca_file == r.ca_file && proxy == r.proxy
         && own_agent == r.headers.contains("user-agent");
}

result<void> transfer::prepare(kept_easy easy, const http_client_options& options) {
  easy_ = std::move(easy);
  if (easy_.url.empty() || !easy_.serves(request_)) {
    if (!is_token(request_.method))
      return error{errc::invalid_input, "the method is not a token"};
    if (auto ok = set_target(options); !ok)
      return ok;
    set_method();
    set_callbacks();
    easy_.url = request_.url; // only now does it serve another
  }
  if (auto ok = set_headers(); !ok)
    return ok;
  set_request();
  return {};
}

kept_easy transfer::release_easy() {
  if (auto* c = easy()) {
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, nullptr);
    if (easy_.carries) // says POST, too
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, nullptr);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, nullptr);
  }
  return std::move(easy_);
}

// -- what stays for the next request of its kind -------------------------------------------------

result<void> transfer::set_target(const http_client_options& options) {
  auto peer = peer_of(request_.url);
  if (!peer)
    return std::move(peer).error();
  easy_.peer = *std::move(peer);
  auto* c = easy();
  curl_easy_setopt(c, CURLOPT_URL, request_.url.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(c, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  easy_.fresh_connection = request_.fresh_connection;
  curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, request_.fresh_connection ? 1L : 0L);
  easy_.tls_verify = request_.tls_verify;
  curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, request_.tls_verify ? 1L : 0L);
  curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, request_.tls_verify ? 2L : 0L);
  easy_.ca_file = request_.ca_file;
  const auto& authorities = request_.ca_file.empty() ? options.ca_file : request_.ca_file;
  if (!authorities.empty())
    curl_easy_setopt(c, CURLOPT_CAINFO, authorities.c_str());
  easy_.proxy = request_.proxy;
  if (request_.proxy)
    curl_easy_setopt(c, CURLOPT_PROXY, request_.proxy->c_str());
  curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  easy_.own_agent = request_.headers.contains("user-agent");
  if (!easy_.own_agent && !options.user_agent.empty())
    curl_easy_setopt(c, CURLOPT_USERAGENT, options.user_agent.c_str());
  return {};
}

void transfer::set_method() {
  auto* c = easy();
  const auto& method = easy_.method = request_.method;
  easy_.carries = carries_body(request_);
  if (easy_.carries)
    curl_easy_setopt(c, CURLOPT_POST, 1L);
  else if (method == "HEAD")
    curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  else
    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
  if (method != "HEAD" && method != (easy_.carries ? "POST" : "GET"))
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method.c_str());
}

void transfer::set_callbacks() {
  auto* c = easy();
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L); // else libcurl raises signals in a process of threads
  curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, &transfer::on_send);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &transfer::on_header);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &transfer::on_body);
}

// -- what is this request's own ------------------------------------------------------------------

result<void> transfer::set_headers() {
  for (const auto& [name, value] : request_.headers) {
    if (!is_token(name) || !is_field_value(value))
      return error{errc::invalid_input, fmt::format("header `{}` holds characters that must not "
                                                    "stand there",
                                                    is_token(name) ? name : "?")};
    // libcurl takes "Name:" as "leave it out"; "Name;" is how it sends an empty one.
    append(headers_, value.empty() ? name + ';' : name + ": " + value);
  }
  // Neither a guessed media type nor a second of waiting for "100 Continue".
  if (!request_.headers.contains("content-type"))
    append(headers_, "Content-Type:");
  if (!request_.headers.contains("expect"))
    append(headers_, "Expect:");
  curl_easy_setopt(easy(), CURLOPT_HTTPHEADER, headers_.get());
  return {};
}

void transfer::set_request() {
  auto* c = easy();
  if (easy_.carries) {
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, request_.body.c_str());
  }
  // Zero would mean "no bound" and "5 minutes".
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max<std::int64_t>(request_.timeout.count(), 1)));
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::max<std::int64_t>(request_.connect_timeout.count(), 1)));
  curl_easy_setopt(c, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text_.data());
  curl_easy_setopt(c, CURLOPT_PRIVATE, this);
}

// -- what libcurl says ---------------------------------------------------------------------------

/// libcurl is about to send the request. A second time, it lost a kept connection and starts again,
/// without asking and whatever the method: stopped here, unless a repeat does no harm.
int transfer::on_send(void* self, char*, char*, int, int) {
  auto& t = *static_cast<transfer*>(self);
  if (t.sent_ && !t.request_.repeatable && !harmless(t.request_.method)) {
    t.resend_refused_ = true;
    return CURL_PREREQFUNC_ABORT;
  }
  t.sent_ = true;
  return CURL_PREREQFUNC_OK;
}

bool transfer::count(std::size_t bytes) {
  received_ += bytes;
  too_large_ = too_large_ || received_ > request_.response_size_max;
  return !too_large_;
}

std::size_t transfer::on_header(char* data, std::size_t, std::size_t size, void* self) {
  auto& t = *static_cast<transfer*>(self);
  if (!t.count(size))
    return 0;
  std::string_view line{data, size};
  if (line.substr(0, 5) == "HTTP/") { // also begins what follows a "100 Continue"
    t.response_.headers.clear();
    return size;
  }
  auto colon = line.find(':');
  if (colon == std::string_view::npos)
    return size;
  auto value = line.substr(colon + 1);
  auto first = value.find_first_not_of(" \t\r\n");
  auto last = value.find_last_not_of(" \t\r\n");
  value
    = first == std::string_view::npos ? std::string_view{} : value.substr(first, last - first + 1);
  t.response_.headers.add(std::string{line.substr(0, colon)}, std::string{value});
  return size;
}

std::size_t transfer::on_body(char* data, std::size_t, std::size_t size, void* self) {
  auto& t = *static_cast<transfer*>(self);
  if (!t.count(size))
    return 0;
  if (!t.request_.on_chunk) {
    t.response_.body.append(data, size);
    return size;
  }
  long status = 0;
  curl_easy_getinfo(t.easy(), CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status > 299) {
    t.response_.body.append(data, size);
    return size;
  }
  t.tell_head();
  t.chunk_refused_ = !t.request_.on_chunk({data, size});
  return t.chunk_refused_ ? 0 : size;
}

void transfer::tell_head() {
  if (auto on_head = std::exchange(request_.on_head, nullptr))
    on_head(response_.headers);
}

http_timings transfer::timings() const {
  auto* c = easy();
  http_timings took;
  took.name_lookup = duration_of(c, CURLINFO_NAMELOOKUP_TIME_T);
  took.connect = duration_of(c, CURLINFO_CONNECT_TIME_T);
  took.tls = duration_of(c, CURLINFO_APPCONNECT_TIME_T);
  took.first_byte = duration_of(c, CURLINFO_STARTTRANSFER_TIME_T);
  took.total = duration_of(c, CURLINFO_TOTAL_TIME_T);
  long connects = 0;
  curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &connects);
  took.reused = connects == 0;
  return took;
}

error transfer::failure(CURLcode code) const {
  if (too_large_)
    return error{errc::output_too_large,
                 fmt::format("the answer of {} is larger than {} bytes (response_size_max)",
                             easy_.peer, request_.response_size_max),
                 certainty::unknown};
  if (chunk_refused_)
    return error{errc::cancelled, "the reader of the stream ended it", certainty::unknown};
  if (resend_refused_)
    return error{errc::unavailable,
                 fmt::format("{} closed a kept connection without an answer", easy_.peer),
                 certainty::unknown};
  std::string_view why = text_[0] != 0 ? text_.data() : curl_easy_strerror(code);
  if (!sent_)
    return error{errc::unavailable, fmt::format("no connection to {}: {}", easy_.peer, why)};
  if (code == CURLE_OPERATION_TIMEDOUT)
    return error{errc::timed_out,
                 fmt::format("no answer from {} within {} ms", easy_.peer, request_.timeout.count()),
                 certainty::unknown};
  return error{errc::unavailable, fmt::format("connection to {} broke: {}", easy_.peer, why),
               certainty::unknown};
}

http_response_or_error transfer::outcome(CURLcode code) {
  if (code != CURLE_OK)
    return failure(code);
  long status = 0;
  curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  response_.timings = timings();
  return std::move(response_);
}

void transfer::finish(http_response_or_error outcome) {
  auto done = std::move(done_);
  request_ = {}; // what the callbacks hold goes before the answer arrives
  done(std::move(outcome));
}

} // namespace troupe::net::detail
