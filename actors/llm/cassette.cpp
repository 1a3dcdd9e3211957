#include "actors/llm/cassette.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/json_set_members.hpp"
#include "runtime/core/sealed_lines.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace troupe {

// How these stand in a cassette; nobody else writes them as they are.
BOOST_DESCRIBE_STRUCT(model_tool_call, (), (id, name, arguments))
BOOST_DESCRIBE_STRUCT(model_answer, (),
                      (text, input_tokens, output_tokens, finish_reason, model, tool_calls,
                       reasoning, cached_tokens))

namespace {

struct header_line {
  std::uint32_t troupe_cassette = cassette_version;
  std::optional<std::string> model;
};
BOOST_DESCRIBE_STRUCT(header_line, (), (troupe_cassette, model))

struct refusal_line {
  std::string code;
  std::string message;
};
BOOST_DESCRIBE_STRUCT(refusal_line, (), (code, message))

struct answer_line {
  raw_json request;
  std::string hash;
  std::uint64_t nth = 1;
  std::optional<model_answer> answer;
  std::optional<refusal_line> refusal;
};
BOOST_DESCRIBE_STRUCT(answer_line, (), (request, hash, nth, answer, refusal))

struct message_parts {
  std::string role;
  std::string content;
  std::optional<std::vector<std::string>> images;
  std::optional<std::vector<model_tool_call>> tool_calls;
  std::optional<std::string> tool_call_id;
};
BOOST_DESCRIBE_STRUCT(message_parts, (), (role, content, images, tool_calls, tool_call_id))

struct tool_parts {
  std::string name;
  std::string description;
  raw_json parameters;
};
BOOST_DESCRIBE_STRUCT(tool_parts, (), (name, description, parameters))

struct request_parts {
  std::vector<raw_json> messages;
  std::optional<raw_json> schema;
  std::optional<std::vector<tool_parts>> tools;
  std::optional<std::string> tool_choice;
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens;
};
BOOST_DESCRIBE_STRUCT(request_parts, (),
                      (messages, schema, tools, tool_choice, temperature, max_tokens))

template <class T>
std::optional<T> some(const T& value) {
  return value == T{} ? std::nullopt : std::optional<T>{value};
}

raw_json json_or_text(const std::string& text) {
  json_reader in{text};
  return raw_json{in.skip() && in.end() ? text : to_json(text)};
}

raw_json parts_of(const model_message& m) {
  const auto& [role, content, images, tool_calls, tool_call_id] = m;
  message_parts out{role, content, std::nullopt, some(tool_calls), some(tool_call_id)};
  if (!images.empty()) {
    auto& urls = out.images.emplace();
    for (const auto& image : images)
      urls.push_back(image.url);
  }
  std::string text;
  append_set_members(text, out);
  return raw_json{std::move(text)};
}

class cassette_reader {
public:
  cassette_reader(std::string_view text, std::string_view name) : name_(name), lines_(text, name) {}

  result<cassette> all() {
    std::string_view line;
    if (!lines_.next(line) || !line.starts_with("{\"troupe_cassette\":"))
      return error{errc::invalid_input,
                   fmt::format("{}:1: this is no cassette; record = \"{}\" writes one", name_,
                               name_)};
    if (auto fine = read_header(line); !fine)
      return std::move(fine).error();
    while (lines_.next(line))
      if (auto fine = read_answer(line); !fine)
        return std::move(fine).error();
    if (!lines_.state())
      return lines_.state().error();
    out_.size = lines_.position();
    out_.sum = lines_.sum();
    return std::move(out_);
  }

private:
  result<void> read_header(std::string_view line) {
    auto h = from_json<header_line>(line);
    if (!h)
      return lines_.at_line(h.error().message, errc::invalid_input);
    if (h->troupe_cassette != cassette_version)
      return lines_.at_line(fmt::format("version {} of cassettes is not known here, which is {}",
                                        h->troupe_cassette, cassette_version),
                            errc::invalid_input);
    out_.model = h->model.value_or("");
    return {};
  }

  result<void> read_answer(std::string_view line) {
    auto l = from_json<answer_line>(line, {.bytes_max = cassette_size_max});
    if (!l)
      return lines_.at_line(l.error().message, errc::invalid_input);
    if (l->answer.has_value() == l->refusal.has_value())
      return lines_.at_line("expected an answer or a refusal", errc::invalid_input);
    taped_answer a;
    a.request.hash = sha256(l->request.text);
    a.request.text = std::move(l->request.text);
    a.nth = l->nth;
    a.line = lines_.line();
    if (l->answer)
      a.answer = std::move(*l->answer);
    else
      a.answer = error{errc_from(l->refusal->code), std::move(l->refusal->message)};
    out_.answers.push_back(std::move(a));
    return {};
  }

  std::string_view name_;
  sealed_reader lines_;
  cassette out_;
};

} // namespace

taped_request taped(const model_request& request) {
  // A field that is added does not compile until somebody has decided whether it is part of what a
  // request asks for.
  const auto& [messages, schema, tools, tool_choice, temperature, max_tokens, whole, key, on_limits,
               timeout, on_delta]
    = request;
  request_parts out;
  for (const auto& m : messages)
    out.messages.push_back(parts_of(m));
  if (!schema.empty())
    out.schema = json_or_text(schema);
  if (!tools.empty()) {
    auto& all = out.tools.emplace();
    for (const auto& [name, description, parameters] : tools)
      all.push_back({name, description, json_or_text(parameters)});
  }
  out.tool_choice = some(tool_choice);
  out.temperature = temperature;
  out.max_tokens = some(max_tokens);
  std::string text;
  append_set_members(text, out);
  taped_request t;
  t.text = canonical(text).value_or(text);
  t.hash = sha256(t.text);
  return t;
}

result<cassette> read_cassette(std::string_view text, std::string_view name) {
  return cassette_reader{text, name}.all();
}

result<cassette> load_cassette(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    return error{errc::not_found, fmt::format("{}: cannot be read", file.string())};
  return read_cassette(text.str(), file.string());
}

std::string cassette_header(std::string_view model) {
  header_line h;
  h.model = some(std::string{model});
  std::string out;
  append_set_members(out, h);
  return out;
}

std::string cassette_line(const taped_answer& a) {
  answer_line l;
  l.request = raw_json{a.request.text};
  l.hash = to_hex(a.request.hash);
  l.nth = a.nth;
  if (a.answer)
    l.answer = *a.answer;
  else
    l.refusal = refusal_line{std::string{to_string(a.answer.error().code)},
                             a.answer.error().message};
  std::string out;
  append_set_members(out, l);
  return out;
}

} // namespace troupe
