#pragma once
// `async<T>`: the coroutine for guards, tools and gateways.
//
// Service actors wait for other actors all the time; nested `.then` lambdas make that unreadable.
// `async` awaits CAF requests and pauses, is never replayed, and cannot be awaited in a `task`.
//
//   troupe::async<void> serve(call_request r) {
//     auto reply = co_await ask<call_reply>(this, backend_, 3s, std::move(r));
//     ...
//   }
//   scope_.spawn(serve(std::move(r)));
//
// Lifecycle: lazy; a `scope` of the actor owns the frames and runs them. When the actor ends, the
// scope destroys what is suspended, leaf first, and late replies find nothing (handlers hold an id,
// never a frame). Keep the scope the last member. Threads: the actor's.
//
// Parameters by value only: a reference would dangle over the first await.

#include "runtime/core/result.hpp"

#include <caf/actor.hpp>
#include <caf/error.hpp>
#include <caf/sec.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace troupe {

template <class T>
class async;
class scope;

namespace detail {

struct async_frame;

/// One chain of frames in a scope.
struct async_driver {
  scope* home = nullptr;
  std::coroutine_handle<> next{};
  async_frame* leaf = nullptr;
  std::uint64_t id = 0;
  bool finished = false;
};

struct async_frame {
  async_driver* on = nullptr;
  async_frame* caller = nullptr;
  std::coroutine_handle<> self{};
  std::coroutine_handle<>* owner = nullptr;
  std::exception_ptr thrown{};

  std::suspend_always initial_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
      async_frame& frame = h.promise();
      frame.on->leaf = frame.caller;
      if (frame.caller != nullptr)
        frame.on->next = frame.caller->self;
      else
        frame.on->finished = true;
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }
};

template <class T>
struct async_state : async_frame {
  std::optional<T> value{};
  template <class U>
    requires std::is_convertible_v<U, T>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
};
template <>
struct async_state<void> : async_frame {
  void return_void() const noexcept {}
};

} // namespace detail

/// A coroutine of a service actor that yields a `T`. Exceptions pass to whoever awaits it.
template <class T>
class [[nodiscard]] async {
public:
  struct promise_type : detail::async_state<T> {
    async get_return_object() {
      auto h = std::coroutine_handle<promise_type>::from_promise(*this);
      this->self = h;
      return async{h};
    }
  };

  async(async&& other) noexcept : handle_(std::exchange(other.handle_, {})) { adopt(); }
  async& operator=(async&&) = delete;
  ~async() {
    if (handle_)
      handle_.destroy();
  }

  // Awaited by another async of the same actor.
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) {
    start_on(*h.promise().on, &h.promise());
  }
  T await_resume() {
    auto& p = promise();
    if (p.thrown)
      std::rethrow_exception(p.thrown);
    if constexpr (!std::is_void_v<T>)
      return std::move(*p.value);
  }

  void start_on(detail::async_driver& d, detail::async_frame* caller) {
    auto& p = promise();
    p.on = &d;
    p.caller = caller;
    d.leaf = &p;
    d.next = handle_;
  }

private:
  friend class scope;
  explicit async(std::coroutine_handle<promise_type> h) : handle_(h) { adopt(); }
  promise_type& promise() const {
    return std::coroutine_handle<promise_type>::from_address(handle_.address()).promise();
  }
  void adopt() noexcept {
    if (handle_)
      promise().owner = &handle_;
  }

  std::coroutine_handle<> handle_{};
};

/// Owns the running coroutines of one actor. Not thread-safe: only its actor touches it.
class scope {
public:
  scope() = default;
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  ~scope() { clear(); }

  /// Runs `a` until it waits; keeps it until it ends. An exception out of it reaches `on_throw`,
  /// or the caller when none is set.
  void spawn(async<void> a);

  /// Destroys everything that is suspended.
  void clear() noexcept;

  std::size_t size() const noexcept { return running_.size(); }

  /// Called with what escaped from a coroutine, in the actor's handler.
  std::function<void(std::exception_ptr)> on_throw;

  /// Goes on with the chain `id`; nothing when it is gone. The awaiters' business.
  void resume(std::uint64_t id);
  bool alive(std::uint64_t id) const { return running_.contains(id); }

private:
  struct running {
    detail::async_driver driver;
    async<void> root;
  };
  void run(running& r);

  std::unordered_map<std::uint64_t, std::unique_ptr<running>> running_;
  std::uint64_t next_id_ = 1;
};

namespace detail {

/// Turns what CAF says about a request into what troupe says.
error request_failed(const caf::error& why);

template <class Reply, class Self, class Msg>
class ask_awaiter {
public:
  ask_awaiter(Self* self, caf::actor to, std::chrono::milliseconds timeout, Msg m)
    : self_(self), to_(std::move(to)), timeout_(timeout), message_(std::move(m)) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) {
    auto* driver = h.promise().on;
    auto* home = driver->home;
    auto id = driver->id;
    // The slot outlives a frame that dies while it waits.
    auto slot = std::make_shared<result<Reply>>();
    slot_ = slot;
    self_->request(to_, timeout_, std::move(message_))
      .then(
        [home, id, slot](Reply& r) {
          if (slot.use_count() > 1) {
            *slot = std::move(r);
            home->resume(id);
          }
        },
        [home, id, slot](const caf::error& why) {
          if (slot.use_count() > 1) {
            *slot = request_failed(why);
            home->resume(id);
          }
        });
  }
  result<Reply> await_resume() { return std::move(*slot_); }

private:
  Self* self_;
  caf::actor to_;
  std::chrono::milliseconds timeout_;
  Msg message_;
  std::shared_ptr<result<Reply>> slot_;
};

} // namespace detail

/// Asks another actor and yields a `result<Reply>`: `timed_out` (unknown) after `timeout`,
/// `unavailable` when it is down.
template <class Reply, class Self, class Msg>
auto ask(Self* self, caf::actor to, std::chrono::milliseconds timeout, Msg message) {
  return detail::ask_awaiter<Reply, Self, Msg>{self, std::move(to), timeout, std::move(message)};
}

} // namespace troupe
