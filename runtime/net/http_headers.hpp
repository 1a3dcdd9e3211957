#pragma once
// Header fields of one HTTP message.

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::net {

/// Fields in the order in which they came; names are compared without regard to case.
class http_headers {
public:
  using field = std::pair<std::string, std::string>;

  http_headers() = default;
  http_headers(std::initializer_list<field> fields) : fields_(fields) {}

  http_headers& add(std::string name, std::string value) & {
    fields_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  http_headers&& add(std::string name, std::string value) && {
    return std::move(add(std::move(name), std::move(value)));
  }

  /// The first value under `name`; null when there is none.
  const std::string* find(std::string_view name) const noexcept;
  /// The same, with a text for "none".
  std::string_view value_or(std::string_view name, std::string_view otherwise) const noexcept {
    const auto* found = find(name);
    return found != nullptr ? std::string_view{*found} : otherwise;
  }
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

  void reserve(std::size_t fields) { fields_.reserve(fields); }
  void clear() noexcept { fields_.clear(); }
  bool empty() const noexcept { return fields_.empty(); }
  std::size_t size() const noexcept { return fields_.size(); }
  auto begin() const noexcept { return fields_.begin(); }
  auto end() const noexcept { return fields_.end(); }

private:
  std::vector<field> fields_;
};

/// ASCII letters only; the locale has no say.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// True for a method or a field name: letters, digits and a few signs (RFC 9110, 5.6.2).
bool is_token(std::string_view text) noexcept;

/// True where a field value holds nothing that would end it: no CR, LF or NUL.
bool is_field_value(std::string_view text) noexcept;

/// `404` gives `Not Found`.
std::string_view reason_phrase(int status) noexcept;

} // namespace troupe::net
