#include "actors/llm/answer.hpp"

#include "actors/llm/json_mend.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <optional>

namespace troupe {
namespace {

constexpr std::string_view blanks = " \t\r\n";

// What stands between the first fence (```json and the like) and the next one or the end; empty
// where there is none.
std::string_view fenced(std::string_view text) {
  constexpr std::string_view fence = "```";
  auto open = text.find(fence);
  if (open == std::string_view::npos)
    return {};
  auto line_end = text.find('\n', open);
  if (line_end == std::string_view::npos)
    return {};
  auto inside = text.substr(line_end + 1);
  return trimmed(inside.substr(0, inside.find(fence)));
}

// The value that begins at the beginning of `text`, as it is spelled.
result<std::string_view> value_at(std::string_view text) {
  json_reader in{text};
  if (in.skip())
    return trimmed(text.substr(0, in.position()));
  return std::move(in).take_error();
}

// The value where there is nothing else; else empty.
std::string_view whole(std::string_view text) {
  auto value = value_at(text);
  return value && value->size() == text.size() ? *value : std::string_view{};
}

// Whether the bracket at the beginning is meant as JSON, not as punctuation: `{"`, `[1`, `{'`.
bool meant_as_json(std::string_view text) {
  auto next = text.find_first_not_of(blanks, 1);
  if (next == std::string_view::npos)
    return true;
  auto begins = std::string_view{text.front() == '{' ? "\"'}" : "\"'{[]-0123456789"};
  return begins.find(text[next]) != std::string_view::npos;
}

class search {
public:
  explicit search(const schema_validator& schema) : schema_(schema) {}

  // Whether `candidate` is the answer.
  bool accept(std::string_view candidate) {
    if (candidate.empty())
      return false;
    auto fits = schema_.validate_text(candidate);
    if (!fits)
      reject(std::move(fits).error());
    return fits.has_value();
  }

  // The first complaint is the one that the model hears.
  void reject(error why) {
    if (!wrong_)
      wrong_ = error{errc::schema_mismatch, std::move(why.message)};
  }

  // The same of a value that is not JSON as it stands.
  std::optional<std::string> accept_mended(std::string_view candidate) const {
    auto mended = candidate.empty() ? std::nullopt : mend_json(candidate);
    if (mended && mended->changed && schema_.validate_text(mended->text))
      return std::move(mended->text);
    return std::nullopt;
  }

  error wrong() && {
    return wrong_ ? std::move(*wrong_)
                  : error{errc::schema_mismatch, "there is no JSON value in it"};
  }

private:
  const schema_validator& schema_;
  std::optional<error> wrong_;
};

} // namespace

result<std::string> find_answer(std::string_view text, const schema_validator& schema) {
  search look{schema};
  text = trimmed(text);
  for (auto candidate : {whole(text), whole(fenced(text))})
    if (look.accept(candidate))
      return std::string{candidate};
  std::size_t at = 0;
  for (std::size_t tried = 0; tried < answer_candidates_max; ++tried) {
    at = text.find_first_of("{[", at);
    if (at == std::string_view::npos)
      break;
    auto rest = text.substr(at);
    auto candidate = value_at(rest);
    if (!candidate)
      if (auto mended = look.accept_mended(rest))
        return std::move(*mended);
    if (!candidate && meant_as_json(rest)) {
      // A piece of a broken value may fit by chance, and would be a wrong answer.
      look.reject(std::move(candidate).error());
      break;
    }
    if (candidate && look.accept(*candidate))
      return std::string{*candidate};
    at += candidate ? candidate->size() : 1;
  }
  return std::move(look).wrong();
}

std::string_view trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

std::string complaint(const error& wrong) {
  return fmt::format(
    "Your answer does not fit the JSON Schema that was asked for: {}. Answer again "
    "with one JSON value that fits it, and nothing else.",
    wrong.message);
}

std::string head_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max)
    return std::string{text};
  // Back to where a character begins.
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0U) == 0x80U)
    --bytes_max;
  return std::string{text.substr(0, bytes_max)} + "..";
}

} // namespace troupe
