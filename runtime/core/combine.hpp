#pragma once
// `when_all`, `when_any`, `with_timeout`: several lines of control within one invocation.
//
// Each alternative runs on a branch of its own, started by index, 0 first. Branches interleave only
// at awaits, and in the order in which their effects complete, which the journal records; so a race
// that was won once is won by the same branch on every replay. Losers are destroyed when the
// winner is taken: what they had in flight is cancelled.

#include "runtime/core/effects.hpp"

#include <memory>
#include <tuple>
#include <vector>

namespace troupe {

template <class T>
class timed;

namespace detail {

// `task<void>` cannot fail (a coroutine cannot both fall off its end and return a value), but a
// timer can, by cancellation: as a branch it yields `unit`.
template <class T>
using branch_value = std::conditional_t<std::is_void_v<T>, unit, T>;

/// An effect as a task, so that combinators have one kind of branch.
template <journaled E>
task<branch_value<typename E::value_type>> lift(E e) {
  if constexpr (std::is_void_v<typename E::value_type>) {
    auto done = co_await std::move(e);
    if (!done)
      co_return std::move(done).error();
    co_return unit{};
  } else {
    co_return co_await std::move(e);
  }
}
template <class T>
task<T> lift(task<T> t) {
  return t;
}

/// `with_timeout` as an alternative of another combinator.
template <class T>
task<T> lift(timed<T> t);

template <class A>
using lifted = typename decltype(lift(std::declval<A>()))::value_type;

/// The branches of one combinator.
class branch_set : public branch_group {
public:
  /// How many ends it takes to go on.
  enum class need : std::uint8_t { all, first };

  explicit branch_set(need n) : need_(n) {}
  branch_set(branch_set&&) = delete;

  /// Opens branch `index` under `parent`; the caller starts its task on it.
  branch& open(branch& parent, std::uint32_t seq, std::uint32_t index);

  /// Runs what was opened. @returns true when nothing is left to wait for.
  bool start(branch& parent);

  branch* on_end(branch& ended) override;

  std::uint32_t winner() const noexcept { return winner_; }
  /// Destroys every branch; losers' effects are abandoned here.
  void close() noexcept;

private:
  bool satisfied() const noexcept {
    return need_ == need::first ? ended_ > 0 : ended_ == branches_.size();
  }

  need need_;
  bool starting_ = false;
  std::uint32_t ended_ = 0;
  std::uint32_t winner_ = 0;
  branch* parent_ = nullptr;
  std::vector<std::unique_ptr<branch>> branches_;
};

} // namespace detail

/// Waits for all; see `when_all`.
template <class... Ts>
class all_of {
public:
  using is_combinator = void;
  using value_type = std::tuple<result<Ts>...>;

  explicit all_of(task<Ts>... tasks) : tasks_(std::move(tasks)...) {}
  all_of(all_of&& other) noexcept : tasks_(std::move(other.tasks_)) {}

  bool start(detail::branch& parent) {
    set_ = std::make_unique<detail::branch_set>(detail::branch_set::need::all);
    auto seq = parent.take_seq();
    std::uint32_t i = 0;
    std::apply([&](auto&... t) { (t.start_on(set_->open(parent, seq, i++), nullptr), ...); },
               tasks_);
    return set_->start(parent);
  }
  value_type take() {
    return std::apply([](auto&... t) { return value_type{t.take()...}; }, tasks_);
  }

private:
  std::tuple<task<Ts>...> tasks_;
  std::unique_ptr<detail::branch_set> set_; // last: dies first, while the tasks are alive
};

/// Waits for all of a list; see `when_all`.
template <class T>
class all_in {
public:
  using is_combinator = void;
  using value_type = std::vector<result<T>>;

  explicit all_in(std::vector<task<T>> tasks) : tasks_(std::move(tasks)) {}
  all_in(all_in&& other) noexcept : tasks_(std::move(other.tasks_)) {}

  bool start(detail::branch& parent) {
    set_ = std::make_unique<detail::branch_set>(detail::branch_set::need::all);
    auto seq = parent.take_seq();
    for (std::uint32_t i = 0; i < tasks_.size(); ++i)
      tasks_[i].start_on(set_->open(parent, seq, i), nullptr);
    return set_->start(parent);
  }
  value_type take() {
    value_type all;
    all.reserve(tasks_.size());
    for (auto& t : tasks_)
      all.push_back(t.take());
    return all;
  }

private:
  std::vector<task<T>> tasks_;
  std::unique_ptr<detail::branch_set> set_;
};

/// Which alternative of a race was first, and its outcome.
template <class T>
struct race {
  std::uint32_t index = 0;
  result<T> value;
};

/// Waits for the first; see `when_any`.
template <class T>
class any_in {
public:
  using is_combinator = void;

  explicit any_in(std::vector<task<T>> tasks) : tasks_(std::move(tasks)) {}
  any_in(any_in&& other) noexcept : tasks_(std::move(other.tasks_)) {}

  bool start(detail::branch& parent) {
    set_ = std::make_unique<detail::branch_set>(detail::branch_set::need::first);
    auto seq = parent.take_seq();
    for (std::uint32_t i = 0; i < tasks_.size(); ++i)
      tasks_[i].start_on(set_->open(parent, seq, i), nullptr);
    return set_->start(parent);
  }
  race<T> take() {
    race<T> out;
    if (tasks_.empty()) {
      out.value = error{errc::invalid_input, "when_any of nothing has no winner"};
      return out;
    }
    out.index = set_->winner();
    out.value = tasks_[out.index].take();
    set_->close();
    return out;
  }

private:
  std::vector<task<T>> tasks_;
  std::unique_ptr<detail::branch_set> set_;
};

/// A task or a timer, whichever is first; see `with_timeout`.
template <class T>
class timed {
public:
  using is_combinator = void;
  using value_type = T;

  timed(task<T> body, task<unit> timer, std::chrono::microseconds limit)
    : body_(std::move(body)), timer_(std::move(timer)), limit_(limit) {}
  timed(timed&& other) noexcept
    : body_(std::move(other.body_)), timer_(std::move(other.timer_)), limit_(other.limit_) {}

  bool start(detail::branch& parent) {
    set_ = std::make_unique<detail::branch_set>(detail::branch_set::need::first);
    auto seq = parent.take_seq();
    body_.start_on(set_->open(parent, seq, 0), nullptr);
    timer_.start_on(set_->open(parent, seq, 1), nullptr);
    return set_->start(parent);
  }
  result<T> take() {
    if (set_->winner() == 0) {
      auto value = body_.take();
      set_->close();
      return value;
    }
    auto rang = timer_.take();
    set_->close();
    if (!rang) // the timer itself was cancelled
      return std::move(rang).error();
    return error{errc::timed_out,
                 "not done within " + std::to_string(limit_.count() / 1000) + " ms"};
  }

private:
  task<T> body_;
  task<unit> timer_;
  std::chrono::microseconds limit_;
  std::unique_ptr<detail::branch_set> set_;
};

template <class T>
task<T> detail::lift(timed<T> t) {
  co_return co_await std::move(t);
}

/// Runs all of them side by side and yields a tuple of their results, in order.
template <class... As>
auto when_all(As... alternatives) {
  return all_of<detail::lifted<As>...>{detail::lift(std::move(alternatives))...};
}

/// Runs all of a list side by side and yields their results, in order.
template <class T>
all_in<T> when_all(std::vector<task<T>> tasks) {
  return all_in<T>{std::move(tasks)};
}

/// Runs all of a list side by side and yields the first that ends; the others are cancelled.
/// An empty list yields `invalid_input`.
template <class T>
any_in<T> when_any(std::vector<task<T>> tasks) {
  return any_in<T>{std::move(tasks)};
}

/// The same for two or more alternatives that yield the same type.
template <class A, class... As>
auto when_any(A first, As... others) {
  std::vector<task<detail::lifted<A>>> tasks;
  tasks.reserve(1 + sizeof...(As));
  tasks.push_back(detail::lift(std::move(first)));
  (tasks.push_back(detail::lift(std::move(others))), ...);
  return any_in<detail::lifted<A>>{std::move(tasks)};
}

/// Gives a task or an effect so much time; `errc::timed_out` when it takes longer. The timer is
/// durable: it goes on over a restart.
template <class Rep, class Period, class A>
auto with_timeout(std::chrono::duration<Rep, Period> limit, A body) {
  auto us = std::chrono::ceil<std::chrono::microseconds>(limit);
  return timed<detail::lifted<A>>{detail::lift(std::move(body)),
                                       detail::lift(sleep_effect{us}), us};
}

} // namespace troupe
