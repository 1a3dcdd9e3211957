#pragma once
// One request on its way through libcurl. Private to http_client.cpp.

#include "runtime/net/http_client.hpp"

#include <curl/curl.h>

#include <array>
#include <memory>

namespace troupe::net::detail {

struct easy_deleter {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using easy_handle = std::unique_ptr<CURL, easy_deleter>;

struct list_deleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using header_list = std::unique_ptr<curl_slist, list_deleter>;

/// Owns what libcurl points to while the request is open, so it never moves. Lives on the client's
/// thread.
class transfer {
public:
  transfer(request_id id, http_request request, http_done done);
  transfer(const transfer&) = delete;
  transfer& operator=(const transfer&) = delete;

  /// Gives the request to `easy`, which must be as new. After an error nothing was started.
  result<void> prepare(easy_handle easy, const http_client_options& options);

  CURL* easy() const noexcept { return easy_.get(); }
  easy_handle release_easy() noexcept { return std::move(easy_); }
  request_id id() const noexcept { return id_; }
  /// Whether bytes of the request may have left.
  bool sent() const noexcept { return sent_; }

  /// What libcurl's verdict means. Takes the response.
  http_response_or_error outcome(CURLcode code);
  /// Hands the outcome to the caller.
  void finish(http_response_or_error outcome);

private:
  result<void> set_target(const http_client_options& options);
  result<void> set_headers(const http_client_options& options);
  void set_body();
  void set_limits();
  error failure(CURLcode code) const;
  http_timings timings() const;
  bool count(std::size_t bytes);

  static int on_send(void* self, char*, char*, int, int);
  static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self);
  void tell_head();
  static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self);

  request_id id_;
  http_request request_;
  http_done done_;
  easy_handle easy_;
  header_list headers_;
  std::string peer_; ///< scheme, host and port: all of the URL that errors may show
  http_response response_;
  std::size_t received_ = 0;
  bool sent_ = false;
  bool resend_refused_ = false;
  bool too_large_ = false;
  bool chunk_refused_ = false;
  std::array<char, CURL_ERROR_SIZE> text_{};
};

} // namespace troupe::net::detail
