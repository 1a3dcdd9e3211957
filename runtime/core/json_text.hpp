#pragma once
// JSON as text: what the typed layer in json.hpp is made of.
//
// Payloads are read once, straight into the struct that the agent works on, so there is no tree
// between text and struct: a reader that pulls values off the text, and functions that append to a
// string. Boost.JSON 1.81 is not used for reading because its doubles can be off by one in the last
// place, and a replay must see the number that the first run saw.

#include "runtime/core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// Bounds on what is read. Past `bytes_max` the error is `output_too_large`.
struct json_limits {
  /// Levels of arrays and objects: the reader recurses, and 64 fit in any actor's stack.
  std::size_t depth_max = 64;
  /// Bytes of text: larger payloads belong into blobs; decoded, they may need twelve times that.
  std::size_t bytes_max = 16U << 20U;
};

/// What a value is, judged by its first character. `none`: no value begins here.
enum class json_kind : std::uint8_t { null, boolean, number, string, array, object, none };

/// `object`, as it stands in error messages.
std::string_view to_string(json_kind kind) noexcept;

class json_reader;

/// How one member of a described struct is written and read.
struct json_member {
  std::string_view name;
  void (*write)(std::string& out, const void* owner);
  bool (*read)(json_reader& in, void* owner);
  void (*absent)(void* owner); ///< null where the member must be there
};

/// The members of one struct; points to static tables.
struct json_members {
  static constexpr std::size_t count_max = 256; ///< a bit for each is kept on the stack
  const json_member* first = nullptr;
  std::size_t count = 0;
};

/// Pulls values off a JSON text (RFC 8259, strict; UTF-8 is checked). Every operation returns false
/// after a failure, which stays; containers put their key or index before its path on the way out.
/// The text must outlive the reader. Not thread-safe.
class json_reader {
public:
  using item_reader = bool (*)(json_reader& in, void* into);
  using entry_reader = bool (*)(json_reader& in, std::string_view key, void* into);

  explicit json_reader(std::string_view text, json_limits limits = {});

  json_kind peek() noexcept;
  bool null();
  bool boolean(bool& out);
  /// `3.0` and `3e0` are integers too, as they are to JSON Schema.
  bool integer(std::int64_t& out, std::int64_t min, std::int64_t max);
  bool natural(std::uint64_t& out, std::uint64_t max);
  /// The nearest value; too large is an error, too small is zero.
  bool real(double& out);
  bool real(float& out);
  bool string(std::string& out);
  /// A number as it is spelled; a view into the text.
  bool number(std::string_view& out);
  bool array(item_reader item, void* into);
  bool object(entry_reader entry, void* into);
  /// Into a struct: keys that it does not have are skipped, of a repeated key the last counts.
  bool object(json_members members, void* owner);
  /// Any value, checked and forgotten.
  bool skip();
  /// Any value, checked, as it is spelled.
  bool raw(std::string& out);
  /// True where only white space is left.
  bool end();

  /// Where the reader stands in the text, in bytes.
  std::size_t position() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  /// Fails with `what`; always false.
  bool fail(std::string what, errc code = errc::schema_mismatch);
  /// Fails with "expected .., found ..", naming what stands here; always false.
  bool mismatch(std::string_view expected);
  /// Puts `/key` before the path of the failure; always false.
  bool within(std::string_view key);
  /// The failure: `/items/0/n: expected integer, found string`.
  error take_error() &&;

private:
  bool literal(std::string_view word);
  bool malformed(std::string_view expected);
  bool key(std::string_view& out, std::string& scratch);
  bool escaped(std::string& out);
  bool escape(std::string& out);
  bool enter(char open);
  bool next(char close, bool first, bool& more);
  template <class Real>
  bool parse_real(Real& out);

  const char* begin_;
  const char* at_;
  const char* end_;
  std::size_t depth_left_;
  std::string path_;
  std::string what_;
  errc code_ = errc::none;
};

/// Quoted and escaped. Bytes that are not UTF-8 become U+FFFD: what is written can always be read.
void append_string(std::string& out, std::string_view text);
void append_integer(std::string& out, std::int64_t value);
void append_natural(std::string& out, std::uint64_t value);
/// The shortest text that reads back as the same number; NaN and infinities are `null`.
void append_real(std::string& out, double value);
void append_real(std::string& out, float value);
void append_object(std::string& out, json_members members, const void* owner);

} // namespace troupe
