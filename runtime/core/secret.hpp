#pragma once
// A text that must not be printed.
//
// API keys leak through the log line that somebody added in a hurry. This type makes the leak a
// deliberate act: every way of printing it gives `***`, and the text comes out through `reveal()`
// only, which a reviewer can search for.

#include <fmt/core.h>

#include <ostream>
#include <string>
#include <utility>

namespace troupe {

/// A key, token or password. Copies freely, prints as `***`.
class secret {
public:
  secret() = default;
  explicit secret(std::string text) noexcept : text_(std::move(text)) {}

  /// The text itself: hand it to a header or an environment, never to a message.
  const std::string& reveal() const noexcept { return text_; }

  bool empty() const noexcept { return text_.empty(); }
  bool operator==(const secret&) const = default;

  friend std::ostream& operator<<(std::ostream& out, const secret&) { return out << "***"; }

private:
  std::string text_;
};

} // namespace troupe

template <>
struct fmt::formatter<troupe::secret> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const troupe::secret&, Context& ctx) const {
    return fmt::formatter<std::string_view>::format("***", ctx);
  }
};
