#pragma once
// A value or the reason why there is none.
//
// `std::expected` is C++23. This is the part of it that agents need, with constructors that g++ 12
// compiles correctly in one statement with `co_await`.

#include "runtime/core/error.hpp"

#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace troupe {

/// Thrown by `result::value()` on an error: the caller said that this cannot fail, so it is a bug.
class bad_result : public std::runtime_error {
public:
  explicit bad_result(const error& e) : std::runtime_error("result holds " + to_string(e)) {}
};

/// A value that says nothing but "done".
using unit = std::monostate;

/// Either a `T` or an `error`. Moving from it leaves it in a valid, unspecified state.
template <class T>
class [[nodiscard]] result {
public:
  using value_type = T;

  result() : state_(std::in_place_index<1>, errc::internal, "no result") {}
  result(const T& value) : state_(std::in_place_index<0>, value) {}
  result(T&& value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(troupe::error e) : state_(std::in_place_index<1>, std::move(e)) {}
  result(errc code) : state_(std::in_place_index<1>, code) {}

  /// From a result of something convertible, e.g. `const char*` to `std::string`.
  template <class U>
    requires(std::is_convertible_v<U, T> && !std::is_same_v<std::decay_t<U>, result>
             && !std::is_same_v<std::decay_t<U>, T> && !std::is_same_v<std::decay_t<U>, troupe::error>
             && !std::is_same_v<std::decay_t<U>, errc>)
  result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; throws `bad_result` on an error.
  T& value() & {
    require();
    return std::get<0>(state_);
  }
  const T& value() const& {
    require();
    return std::get<0>(state_);
  }
  T&& value() && {
    require();
    return std::get<0>(std::move(state_));
  }

  /// The value, unchecked in release builds: test the result first.
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

  template <class U>
  T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }
  template <class U>
  T value_or(U&& other) && {
    return has_value() ? std::move(**this) : static_cast<T>(std::forward<U>(other));
  }

  /// The failure; must not be called on a value.
  const troupe::error& error() const& { return std::get<1>(state_); }
  troupe::error&& error() && { return std::get<1>(std::move(state_)); }

private:
  void require() const {
    if (!has_value())
      throw bad_result(std::get<1>(state_));
  }

  std::variant<T, troupe::error> state_;
};

/// Done, or the reason why not.
template <>
class [[nodiscard]] result<void> {
public:
  using value_type = void;

  result() = default;
  result(troupe::error e) : error_(std::move(e)) {}
  result(errc code) : error_(troupe::error{code}) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  /// Throws `bad_result` on an error.
  void value() const {
    if (error_)
      throw bad_result(*error_);
  }

  const troupe::error& error() const& { return *error_; }
  troupe::error&& error() && { return std::move(*error_); }

private:
  std::optional<troupe::error> error_;
};

template <class T>
inline constexpr bool is_result_v = false;
template <class T>
inline constexpr bool is_result_v<result<T>> = true;

} // namespace troupe
