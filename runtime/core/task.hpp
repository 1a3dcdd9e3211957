#pragma once
// `task<T>`: the durable coroutine that agents are written in.
//
// A coroutine that is replayed must see the same world twice, so it may only wait for what stands
// in the journal. Here that is a matter of types: `co_await` in a `task` takes journaled effects,
// other tasks and their combinators, and nothing else compiles.
//
// Lifecycle: a task is lazy and runs when it is awaited. Its frame belongs to the `task` object,
// and while it is suspended to the branch it runs on, which destroys a chain leaf first. The call
// stack stays flat over any number of awaits: nobody resumes anybody directly, a frame names its
// successor and the branch's run loop resumes that one.
//
// Threads: all coroutines of one invocation run one at a time, on whatever thread runs its actor.

#include "runtime/core/result.hpp"

#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace troupe {

class context;
class effect_base;
template <class T>
class task;
template <class T>
class async;

namespace detail {

struct frame_base;
class branch_group;

/// One line of control within an invocation: the root, or one alternative of a combinator. Owns
/// the suspended chain of frames on it.
class branch {
public:
  branch(context& ctx, std::string path) : ctx_(ctx), path_(std::move(path)) {}
  branch(const branch&) = delete;
  branch& operator=(const branch&) = delete;
  ~branch() { destroy(); }

  context& ctx() const noexcept { return ctx_; }
  const std::string& path() const noexcept { return path_; }

  /// The next address on this branch.
  std::uint32_t take_seq() noexcept { return seq_++; }
  std::uint32_t seq() const noexcept { return seq_; }

  /// Starts or continues: resumes frames until none is runnable.
  void run();

  /// Destroys what is suspended on it, innermost frame first.
  void destroy() noexcept;

  bool finished() const noexcept { return finished_; }

  std::coroutine_handle<> next{}; ///< the frame that the run loop resumes
  frame_base* leaf = nullptr;     ///< innermost frame of the chain
  branch_group* group = nullptr;  ///< the combinator that it belongs to; null for the root
  std::uint32_t index = 0;        ///< its place in the group
  bool finished_ = false;

private:
  context& ctx_;
  std::string path_;
  std::uint32_t seq_ = 0;
};

/// What `when_all` and `when_any` are told when one of their branches ends.
class branch_group {
public:
  virtual ~branch_group() = default;
  /// @returns the branch to continue with, or null while there is more to wait for
  virtual branch* on_end(branch& ended) = 0;
};

/// Runs `b`, and then whatever its end makes runnable.
void run_branch(branch* b);

/// The part of a frame that does not depend on its type.
struct frame_base {
  branch* on = nullptr;
  frame_base* caller = nullptr;
  std::coroutine_handle<> self{};
  std::coroutine_handle<>* owner = nullptr; ///< the handle in the `task` object
  std::exception_ptr thrown{};

  std::suspend_always initial_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
      frame_base& frame = h.promise();
      frame.on->leaf = frame.caller;
      if (frame.caller != nullptr)
        frame.on->next = frame.caller->self;
      else
        frame.on->finished_ = true;
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }
};

} // namespace detail

/// What `co_return continue_as(state)` hands over: the agent's next generation begins with it.
class continuation {
public:
  explicit continuation(std::string state) : state_(std::move(state)) {}
  std::string take() && { return std::move(state_); }

private:
  std::string state_;
};

namespace detail {

/// How a task ended, before anybody asked.
template <class T>
struct task_state : frame_base {
  std::optional<result<T>> value{};
  std::optional<std::string> continued{};

  void return_value(T v) { value.emplace(std::move(v)); }
  void return_value(result<T> r) { value.emplace(std::move(r)); }
  void return_value(error e) { value.emplace(std::move(e)); }
  void return_value(errc c) { value.emplace(error{c}); }
  void return_value(continuation c) { continued.emplace(std::move(c).take()); }
  template <class U>
    requires(std::is_convertible_v<U, T> && !std::is_same_v<std::decay_t<U>, T>)
  void return_value(U&& v) {
    value.emplace(static_cast<T>(std::forward<U>(v)));
  }
};

template <>
struct task_state<void> : frame_base {
  std::optional<result<void>> value{};
  std::optional<std::string> continued{};

  void return_void() { value.emplace(); }
};

template <class E>
concept journaled = std::is_base_of_v<effect_base, E>;

template <class E>
concept combinator = requires { typename E::is_combinator; };

template <class T>
inline constexpr bool is_task_v = false;
template <class T>
inline constexpr bool is_task_v<task<T>> = true;

/// Stands in for the result of an await that must not compile, so that exactly one message appears.
struct forbidden {
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  struct anything {
    template <class T>
    operator T() const; // NOLINT: never defined, never called
  };
  anything await_resume() const noexcept { return {}; }
};

/// Awaits an effect that lives in the awaiting frame.
template <class E>
struct effect_awaiter {
  E* effect;
  branch* on;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) {
    h.promise().on->leaf = &h.promise();
    return !effect->issue(*on);
  }
  decltype(auto) await_resume() { return effect->take(); }
};

/// Awaits a task that lives in the awaiting frame.
template <class T>
struct task_awaiter {
  task<T>* child;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) {
    child->start_on(*h.promise().on, &h.promise());
  }
  result<T> await_resume() { return child->take(); }
};

template <class C>
struct combinator_awaiter {
  C* what;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) {
    auto& frame = h.promise();
    frame.on->leaf = &frame;
    // Where every branch ended at once, the run loop goes on with the awaiting frame itself.
    if (what->start(*frame.on))
      frame.on->next = frame.self;
  }
  decltype(auto) await_resume() { return what->take(); }
};

} // namespace detail

/// A durable coroutine that yields a `result<T>` to whoever awaits it. Move-only.
/// `co_return` takes a `T`, an `error`, an `errc`, and in an agent's `run` a `continue_as(state)`.
template <class T>
class [[nodiscard]] task {
public:
  using value_type = T;

  struct promise_type : detail::task_state<T> {
    task get_return_object() {
      auto h = std::coroutine_handle<promise_type>::from_promise(*this);
      this->self = h;
      return task{h};
    }

    template <class A>
    auto await_transform(A&& what) {
      using plain = std::remove_cvref_t<A>;
      if constexpr (detail::journaled<plain>) {
        return detail::effect_awaiter<plain>{&what, this->on};
      } else if constexpr (detail::is_task_v<plain>) {
        return detail::task_awaiter<typename plain::value_type>{&what};
      } else if constexpr (detail::combinator<plain>) {
        return detail::combinator_awaiter<plain>{&what};
      } else {
        static_assert(detail::journaled<plain>,
                      "troupe: only journaled effects, tasks and their combinators can be awaited "
                      "in a task<T>, because it is replayed after a crash. Do the I/O in a tool, "
                      "or wrap it: co_await run(\"name\", effect_class::read, fn)");
        return detail::forbidden{};
      }
    }
  };

  task() = default;
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) { adopt(); }
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
      adopt();
    }
    return *this;
  }
  ~task() { reset(); }

  /// Makes it the next to run on `b`; `caller` goes on after it. The runtime's business.
  void start_on(detail::branch& b, detail::frame_base* caller) {
    auto& p = promise();
    p.on = &b;
    p.caller = caller;
    b.leaf = &p;
    b.next = handle_;
  }

  /// What it returned; throws what it threw. Only after its end.
  result<T> take() {
    auto& p = promise();
    if (p.thrown)
      std::rethrow_exception(p.thrown);
    if (!p.value)
      return error{errc::internal, "continue_as is only for an agent's run"};
    return std::move(*p.value);
  }

  /// The state given to `continue_as`, if that is how it ended.
  std::optional<std::string>& continued() { return promise().continued; }

  explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

private:
  explicit task(std::coroutine_handle<promise_type> h) : handle_(h) { adopt(); }

  promise_type& promise() const {
    return std::coroutine_handle<promise_type>::from_address(handle_.address()).promise();
  }
  void adopt() noexcept {
    if (handle_)
      promise().owner = &handle_;
  }
  void reset() noexcept {
    if (handle_)
      std::exchange(handle_, {}).destroy();
  }

  std::coroutine_handle<> handle_{};
};

} // namespace troupe
