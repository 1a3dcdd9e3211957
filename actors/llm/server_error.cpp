#include "actors/llm/server_error.hpp"

#include "runtime/core/json.hpp"

#include <algorithm>

namespace troupe {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void append(std::string& out, std::string_view words) {
  if (!out.empty())
    out += ": ";
  out += words;
}

bool read_words(json_reader& in, server_error& e);

bool read_code(json_reader& in, server_error& e, std::string& text) {
  if (in.peek() == json_kind::string)
    return in.string(text);
  double number = 0; // servers write codes as texts, numbers or null
  if (in.peek() != json_kind::number || !in.real(number))
    return in.skip();
  if (number >= 400 && number < 600)
    e.status = static_cast<int>(number);
  return true;
}

bool read_type(json_reader& in, std::string& out) {
  std::string said;
  if (in.peek() != json_kind::string)
    return in.skip();
  if (!in.string(said))
    return false;
  if (said != "error") // Anthropic's events are of this type; what kind of error stands inside
    out = std::move(said);
  return true;
}

bool read_place(json_reader& in, std::string& out) {
  std::string said;
  if (!(in.peek() == json_kind::string ? in.string(said) : in.raw(said)))
    return false;
  if (said != "null")
    append(out, said);
  return true;
}

// OpenRouter: `{"raw":"what the server behind it said"}`.
bool read_metadata(json_reader& in, std::string_view key, void* into) {
  return key == "raw" ? read_words(in, *static_cast<server_error*>(into)) : in.skip();
}

bool read_entry(json_reader& in, std::string_view key, void* into) {
  auto& e = *static_cast<server_error*>(into);
  if (key == "message" || key == "msg" || key == "detail" || key == "error")
    return read_words(in, e);
  if (key == "type")
    return read_type(in, e.type);
  if (key == "param" || key == "loc")
    return read_place(in, e.param);
  if (key == "code")
    return read_code(in, e, e.code);
  if (key == "status") // Google's word for the type; elsewhere a number
    return read_code(in, e, e.type);
  if (key == "metadata" && in.peek() == json_kind::object)
    return in.object(read_metadata, into);
  return in.skip();
}

bool read_item(json_reader& in, void* into) {
  return read_words(in, *static_cast<server_error*>(into));
}

// Words, or something that has them inside.
bool read_words(json_reader& in, server_error& e) {
  switch (in.peek()) {
    case json_kind::object:
      return in.object(read_entry, &e);
    case json_kind::array:
      return in.array(read_item, &e);
    case json_kind::string: {
      std::string said;
      if (!in.string(said))
        return false;
      if (!has(e.message, said))
        append(e.message, said);
      return true;
    }
    default:
      return in.skip();
  }
}

} // namespace

bool server_error::mentions(std::initializer_list<std::string_view> words) const {
  // vLLM prints what it found wrong together with the whole request, which names everything.
  auto said = lower(std::string_view{message}.substr(0, message.find("'input':")));
  auto where = lower(param);
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return has(said, word) || has(where, word);
  });
}

server_error read_server_error(std::string_view json) {
  server_error out;
  json_reader in{json};
  read_words(in, out);
  return out;
}

} // namespace troupe
