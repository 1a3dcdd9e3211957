#include "actors/llm/script.hpp"

#include "runtime/core/json.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <initializer_list>
#include <sstream>

namespace troupe {
namespace {

using boost::json::object;
using boost::json::value;

constexpr std::size_t problems_shown_max = 10;           // then a person repairs these first
constexpr std::int64_t latency_ms_max = 10 * 60 * 1'000; // no model takes longer to answer

std::string_view view(boost::json::string_view s) {
  return {s.data(), s.size()};
}

constexpr std::array<std::pair<std::string_view, script_error>, 4> fault_words{
  {{"unavailable", script_error::unavailable},
   {"rate_limited", script_error::rate_limited},
   {"timed_out", script_error::timed_out},
   {"malformed", script_error::malformed}}};

// Walks the tree, and goes on after a mistake so that all are told at once.
class script_reader {
public:
  model_script read(const value& root) {
    model_script out;
    const auto* all
      = object_at("", root, {"latency_ms", "chunk_ms", "rules", "sequence", "otherwise", "faults"});
    if (all == nullptr)
      return out;
    if (const auto* v = all->if_contains("latency_ms"))
      read_latency(*v, out);
    if (const auto* v = all->if_contains("chunk_ms"))
      out.chunk = std::chrono::milliseconds{integer("/chunk_ms", *v, 0, latency_ms_max)};
    each("/rules", all->if_contains("rules"),
         [&](const std::string& at, const value& v) { out.rules.push_back(read_rule(at, v)); });
    each("/sequence", all->if_contains("sequence"),
         [&](const std::string& at, const value& v) { out.sequence.push_back(read_entry(at, v)); });
    if (const auto* v = all->if_contains("otherwise"))
      out.otherwise = read_entry("/otherwise", *v);
    each("/faults", all->if_contains("faults"),
         [&](const std::string& at, const value& v) { out.faults.push_back(read_fault(at, v)); });
    return out;
  }

  std::vector<std::string> take_problems() { return std::move(problems_); }

private:
  void wrong(const std::string& at, std::string_view what) {
    problems_.push_back(fmt::format("{}: {}", at.empty() ? "/" : at, what));
  }

  const object* object_at(const std::string& at, const value& v,
                          std::initializer_list<std::string_view> keys) {
    const auto* o = v.if_object();
    if (o == nullptr) {
      wrong(at, "expected an object");
      return nullptr;
    }
    for (const auto& m : *o)
      if (std::find(keys.begin(), keys.end(), view(m.key())) == keys.end())
        wrong(at + "/" + std::string{view(m.key())},
              fmt::format("unknown key; there are {}", fmt::join(keys, ", ")));
    return o;
  }

  template <class F>
  void each(const std::string& at, const value* v, F read_one) {
    if (v == nullptr)
      return;
    const auto* items = v->if_array();
    if (items == nullptr)
      return wrong(at, "expected an array");
    for (std::size_t i = 0; i < items->size(); ++i)
      read_one(fmt::format("{}/{}", at, i), (*items)[i]);
  }

  std::int64_t integer(const std::string& at, const value& v, std::int64_t min, std::int64_t max) {
    const auto* n = v.if_int64();
    if (n != nullptr && *n >= min && *n <= max)
      return *n;
    if (max == std::numeric_limits<std::int64_t>::max())
      wrong(at, fmt::format("expected an integer from {}", min));
    else
      wrong(at, fmt::format("expected an integer from {} to {}", min, max));
    return min;
  }
  std::int64_t count(const std::string& at, const value& v, std::int64_t min) {
    return integer(at, v, min, std::numeric_limits<std::int64_t>::max());
  }

  void read_latency(const value& v, model_script& out) {
    const auto* pair = v.if_array();
    if (pair != nullptr && pair->size() != 2)
      return wrong("/latency_ms", "expected a number of milliseconds, or [least, most]");
    auto least = pair != nullptr ? integer("/latency_ms/0", (*pair)[0], 0, latency_ms_max)
                                 : integer("/latency_ms", v, 0, latency_ms_max);
    auto most = pair != nullptr ? integer("/latency_ms/1", (*pair)[1], 0, latency_ms_max) : least;
    if (most < least)
      wrong("/latency_ms", "the second number is below the first");
    out.latency_min = std::chrono::milliseconds{least};
    out.latency_max = std::chrono::milliseconds{std::max(least, most)};
  }

  script_rule read_rule(const std::string& at, const value& v) {
    script_rule out;
    const auto* o = object_at(at, v, {"when", "answer", "tool_calls", "usage", "times"});
    if (o == nullptr)
      return out;
    if (const auto* when = o->if_contains("when"))
      read_condition(at + "/when", *when, out);
    else
      wrong(at + "/when", "is missing: what must the messages contain?");
    out.answer = read_answer(at, *o);
    if (const auto* times = o->if_contains("times"))
      out.times = static_cast<std::uint64_t>(count(at + "/times", *times, 1));
    return out;
  }

  void read_condition(const std::string& at, const value& v, script_rule& out) {
    const auto* o = object_at(at, v, {"contains", "last"});
    if (o == nullptr)
      return;
    auto before = problems_.size();
    read_texts(at + "/contains", o->if_contains("contains"), out.contains);
    read_texts(at + "/last", o->if_contains("last"), out.last);
    if (out.contains.empty() && out.last.empty() && problems_.size() == before)
      wrong(at + "/contains", "expected at least one text; \"otherwise\" is for all the rest");
  }

  void read_texts(const std::string& at, const value* v, std::vector<std::string>& out) {
    each(at, v, [&](const std::string& place, const value& t) {
      if (t.is_string() && !t.get_string().empty())
        out.push_back(lower_case(view(t.get_string())));
      else
        wrong(place, "expected a text that is not empty");
    });
  }

  void read_call(const std::string& at, const value& v, script_answer& out) {
    const auto* o = object_at(at, v, {"name", "arguments"});
    if (o == nullptr)
      return;
    const auto* name = o->if_contains("name");
    const auto* arguments = o->if_contains("arguments");
    if (name == nullptr || !name->is_string())
      return wrong(at + "/name", "expected a text");
    out.tool_calls.emplace_back(view(name->get_string()),
                                arguments == nullptr ? "{}" : spoken(*arguments));
  }

  script_answer read_answer(const std::string& at, const object& o) {
    script_answer out;
    each(at + "/tool_calls", o.if_contains("tool_calls"),
         [&](const std::string& place, const value& v) { read_call(place, v, out); });
    if (const auto* said = o.if_contains("answer"))
      out.text = spoken(*said);
    else if (!o.contains("tool_calls"))
      wrong(at + "/answer", "is missing");
    const auto* usage = o.if_contains("usage");
    const auto* u = usage == nullptr
                      ? nullptr
                      : object_at(at + "/usage", *usage, {"input_tokens", "output_tokens"});
    if (u == nullptr)
      return out;
    if (const auto* n = u->if_contains("input_tokens"))
      out.input_tokens = count(at + "/usage/input_tokens", *n, 0);
    if (const auto* n = u->if_contains("output_tokens"))
      out.output_tokens = count(at + "/usage/output_tokens", *n, 0);
    return out;
  }

  script_answer read_entry(const std::string& at, const value& v) {
    const auto* o = v.if_object();
    std::size_t known = 0;
    if (o != nullptr)
      for (auto key : {"answer", "tool_calls", "usage"})
        known += o->contains(key) ? 1 : 0;
    if (known > 0 && known == o->size() && (o->contains("answer") || o->contains("tool_calls")))
      return read_answer(at, *o);
    script_answer out;
    out.text = spoken(v);
    return out;
  }

  script_fault read_fault(const std::string& at, const value& v) {
    script_fault out;
    const auto* o = object_at(at, v, {"every", "error"});
    if (o == nullptr)
      return out;
    if (const auto* every = o->if_contains("every"))
      out.every = static_cast<std::uint64_t>(count(at + "/every", *every, 1));
    else
      wrong(at + "/every", "is missing: each how many requests?");
    const auto* word = o->if_contains("error");
    auto known = std::find_if(fault_words.begin(), fault_words.end(), [&](const auto& w) {
      return word != nullptr && word->is_string() && view(word->get_string()) == w.first;
    });
    if (known == fault_words.end())
      wrong(at + "/error", "expected unavailable, rate_limited, timed_out or malformed");
    else
      out.how = known->second;
    return out;
  }

  static std::string spoken(const value& v) {
    return v.is_string() ? std::string{view(v.get_string())} : to_json(v);
  }

  std::vector<std::string> problems_;
};

error refused(std::string_view name, std::vector<std::string> problems) {
  auto shown = std::min(problems.size(), problems_shown_max);
  auto text = fmt::format(
    "{}: {}", name,
    fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(shown), "; "));
  if (problems.size() > shown)
    text += fmt::format("; and {} more", problems.size() - shown);
  return error{errc::invalid_input, std::move(text)};
}

} // namespace

result<model_script> parse_script(std::string_view text, std::string_view name) {
  json_limits limits;
  limits.bytes_max = model_script::size_max;
  auto tree = parse_json(text, limits);
  if (!tree)
    return refused(name, {tree.error().message});
  script_reader reader;
  auto out = reader.read(*tree);
  if (auto problems = reader.take_problems(); !problems.empty())
    return refused(name, std::move(problems));
  return out;
}

result<model_script> load_script(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  if (in)
    text << in.rdbuf();
  if (!in)
    return error{errc::not_found, fmt::format("cannot read the model's script {}", file.string())};
  return parse_script(text.str(), file.filename().string());
}

std::string lower_case(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

} // namespace troupe
