#include "runtime/net/http_client.hpp"

#include "runtime/net/curl_sockets.hpp"
#include "runtime/net/curl_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

namespace troupe::net {
namespace {

using detail::curl_sockets;
using detail::kept_easy;
using detail::transfer;

/// Handles kept to save libcurl's set-up of some microseconds.
constexpr std::size_t spare_handles_max = 64;

void init_curl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (once != CURLE_OK)
    throw std::runtime_error("libcurl cannot be initialised");
}

struct multi_deleter {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

} // namespace

/// The client's thread and what it shares with callers. Kept alive by both, so that the client may
/// be destroyed inside a callback.
class http_client::loop {
public:
  explicit loop(http_client_options options) : options_(std::move(options)) {
    init_curl();
    multi_.reset(curl_multi_init());
    if (!multi_)
      throw std::bad_alloc{};
    sockets_.attach(multi_.get());
    auto keep = static_cast<long>(options_.idle_connections_max);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, keep);
    auto per_host = static_cast<long>(options_.connections_per_host_max);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAX_HOST_CONNECTIONS, per_host);
  }

  static void start(const std::shared_ptr<loop>& self) {
    self->thread_ = std::thread{[self] { self->run(); }};
  }

  request_id send(http_request request, http_done done) {
    auto id = next_id_.fetch_add(1, std::memory_order_relaxed);
    auto next = std::make_unique<transfer>(id, std::move(request), std::move(done));
    std::unique_lock lock{mutex_};
    auto reason = stopping_                                ? errc::shutting_down
                  : open_.size() >= options_.in_flight_max ? errc::overloaded
                                                           : errc::none;
    if (reason == errc::none)
      open_.insert(id);
    push(command{std::move(next), 0, reason}, std::move(lock));
    return id;
  }

  void cancel(request_id id) {
    std::unique_lock lock{mutex_};
    if (open_.contains(id))
      push(command{nullptr, id, errc::cancelled}, std::move(lock));
  }

  void stop() {
    {
      std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    sockets_.wake();
    if (thread_.get_id() == std::this_thread::get_id())
      thread_.detach();
    else
      thread_.join();
  }

  std::size_t in_flight() const {
    std::lock_guard lock{mutex_};
    return open_.size();
  }

private:
  /// A request to start (`reason` none), to refuse, or the id of one to cancel.
  struct command {
    std::unique_ptr<transfer> request;
    request_id id;
    errc reason;
  };

  /// The thread is woken only where it sleeps, and without the lock, which it would wait for.
  void push(command next, std::unique_lock<std::mutex> lock) {
    inbox_.push_back(std::move(next));
    bool sleeps = std::exchange(sleeps_, false);
    lock.unlock();
    if (sleeps)
      sockets_.wake();
  }

  /// Before it waits. False where there is something to do first.
  bool may_sleep() {
    std::lock_guard lock{mutex_};
    sleeps_ = inbox_.empty() && !stopping_;
    return sleeps_;
  }

  void run() {
    while (take_commands()) {
      sockets_.run_due();
      if (finish_done())
        continue; // a callback may have sent the next request: do not sleep on it
      if (may_sleep())
        sockets_.wait();
    }
  }

  /// False when the client has ended and nobody waits any more.
  bool take_commands() {
    std::vector<command> taken;
    bool stopping = false;
    {
      std::lock_guard lock{mutex_};
      taken.swap(inbox_);
      sleeps_ = false;
      stopping = stopping_;
    }
    for (auto& c : taken) {
      if (!c.request)
        end(c.id, c.reason);
      else if (c.reason != errc::none)
        refuse(*c.request, c.reason);
      else
        begin(std::move(c.request));
    }
    if (!stopping)
      return true;
    while (!live_.empty())
      end(live_.begin()->first, errc::shutting_down);
    return !taken.empty(); // the callbacks may have sent more
  }

  void refuse(transfer& t, errc reason) {
    if (reason == errc::overloaded)
      t.finish(error{reason, fmt::format("{} HTTP requests are open already (in_flight_max)",
                                         options_.in_flight_max)});
    else
      t.finish(error{reason, "the HTTP client ends"});
  }

  void begin(std::unique_ptr<transfer> t) {
    if (auto ready = t->prepare(take_easy(t->request()), options_); !ready)
      return close(std::move(t), std::move(ready).error());
    auto code = curl_multi_add_handle(multi_.get(), t->easy());
    if (code != CURLM_OK)
      return close(std::move(t), error{errc::internal, curl_multi_strerror(code)});
    auto id = t->id();
    live_.emplace(id, std::move(t));
  }

  /// Ends a request before its time; closes its connection.
  void end(request_id id, errc reason) {
    auto found = live_.find(id);
    if (found == live_.end())
      return;
    auto t = std::move(found->second);
    live_.erase(found);
    curl_multi_remove_handle(multi_.get(), t->easy());
    error why{reason,
              reason == errc::cancelled ? "the request was cancelled" : "the HTTP client ends"};
    if (t->sent())
      why.outcome = certainty::unknown;
    close(std::move(t), std::move(why));
  }

  bool finish_done() {
    bool any = false;
    int left = 0;
    while (auto* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE)
        continue;
      auto code = message->data.result;
      transfer* which = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &which);
      auto found = live_.find(which->id());
      auto t = std::move(found->second);
      live_.erase(found);
      curl_multi_remove_handle(multi_.get(), t->easy());
      auto outcome = t->outcome(code);
      close(std::move(t), std::move(outcome));
      any = true;
    }
    return any;
  }

  void close(std::unique_ptr<transfer> t, http_response_or_error outcome) {
    keep_easy(t->release_easy());
    {
      std::lock_guard lock{mutex_};
      open_.erase(t->id());
    }
    t->finish(std::move(outcome));
  }

  /// One that did the same before, where there is such a one.
  kept_easy take_easy(const http_request& r) {
    if (spare_.empty()) {
      kept_easy fresh{detail::easy_handle{curl_easy_init()}};
      if (!fresh.easy)
        throw std::bad_alloc{};
      sockets_.adopt(fresh.easy.get());
      return fresh;
    }
    auto same = std::find_if(spare_.rbegin(), spare_.rend(),
                             [&](const kept_easy& k) { return k.serves(r); });
    if (same != spare_.rend())
      std::swap(*same, spare_.back());
    auto out = std::move(spare_.back());
    spare_.pop_back();
    if (same == spare_.rend() && !out.url.empty()) {
      curl_easy_reset(out.easy.get());
      out = kept_easy{std::move(out.easy)};
      sockets_.adopt(out.easy.get());
    }
    return out;
  }

  void keep_easy(kept_easy easy) {
    if (easy.easy && spare_.size() < spare_handles_max)
      spare_.push_back(std::move(easy));
  }

  const http_client_options options_;
  curl_sockets sockets_; ///< outlives the multi handle
  std::unique_ptr<CURLM, multi_deleter> multi_;
  std::atomic<request_id> next_id_{1};

  mutable std::mutex mutex_;
  std::vector<command> inbox_;
  std::unordered_set<request_id> open_; ///< accepted, and `done` not called yet
  bool stopping_ = false;
  bool sleeps_ = false; ///< waits for its sockets, or is about to: nobody has woken it yet

  // The thread's own. Handles go before the multi handle.
  std::vector<kept_easy> spare_;
  std::map<request_id, std::unique_ptr<transfer>> live_;
  std::thread thread_;
};

http_client::http_client(http_client_options options)
  : loop_(std::make_shared<loop>(std::move(options))) {
  loop::start(loop_);
}

http_client::~http_client() {
  loop_->stop();
}

request_id http_client::send(http_request request, http_done done) {
  return loop_->send(std::move(request), std::move(done));
}

void http_client::cancel(request_id id) {
  loop_->cancel(id);
}

std::size_t http_client::in_flight() const {
  return loop_->in_flight();
}

} // namespace troupe::net
