#pragma once
// One request on its way through libcurl. Private to http_client.cpp.

#include "runtime/net/http_client.hpp"

#include <curl/curl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

namespace troupe::net::detail {

struct easy_deleter {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using easy_handle = std::unique_ptr<CURL, easy_deleter>;

struct list_deleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using header_list = std::unique_ptr<curl_slist, list_deleter>;

/// A handle with what it was last set to: setting it anew, and finding the peer in its URL, costs as
/// much as the request itself. Empty: as new.
struct kept_easy {
  easy_handle easy;
  std::string url{};
  std::string method{};
  std::string ca_file{};
  std::optional<std::string> proxy{};
  bool tls_verify = true;
  bool fresh_connection = false;
  bool carries = false; ///< a body
  bool own_agent = false; ///< the request says `User-Agent` itself
  std::string peer{};

  bool serves(const http_request& r) const;
};

/// Owns what libcurl points to while the request is open, so it never moves. Lives on the client's
/// thread.
class transfer {
public:
  transfer(request_id id, http_request request, http_done done);
  transfer(const transfer&) = delete;
  transfer& operator=(const transfer&) = delete;

  /// Gives the request to `easy`, which must be as new or serve it. After an error nothing was
  /// started.
  result<void> prepare(kept_easy easy, const http_client_options& options);

  CURL* easy() const noexcept { return easy_.easy.get(); }
  /// For the next one; without what points into this.
  kept_easy release_easy();
  const http_request& request() const noexcept { return request_; }
  request_id id() const noexcept { return id_; }
  /// Whether bytes of the request may have left.
  bool sent() const noexcept { return sent_; }

  /// What libcurl's verdict means. Takes the response.
  http_response_or_error outcome(CURLcode code);
  /// Hands the outcome to the caller.
  void finish(http_response_or_error outcome);

private:
  result<void> set_target(const http_client_options& options);
  void set_method();
  void set_callbacks();
  result<void> set_headers();
  void set_request();
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
  kept_easy easy_;
  header_list headers_;
  http_response response_;
  std::size_t received_ = 0;
  bool sent_ = false;
  bool resend_refused_ = false;
  bool too_large_ = false;
  bool chunk_refused_ = false;
  std::array<char, CURL_ERROR_SIZE> text_{};
};

} // namespace troupe::net::detail
