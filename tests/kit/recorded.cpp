#include "tests/kit/recorded.hpp"

#include "runtime/journal/stored_journal.hpp"
#include "tests/kit/stage.hpp"

#include <fmt/format.h>

#include <fstream>
#include <ostream>
#include <sstream>

namespace troupe::kit {
namespace {

/// Of arguments in a report; a difference within them is shown on its own.
constexpr std::size_t arguments_shown_max = 400;

std::string shown(const std::string& json) {
  if (json.size() <= arguments_shown_max)
    return json;
  return fmt::format("{}... ({} bytes)", json.substr(0, arguments_shown_max), json.size());
}

std::string places_of(const difference& d) {
  std::string out;
  auto side = [](const std::string& s) { return s.empty() ? std::string{"nothing"} : s; };
  for (const auto& p : d.places)
    out += fmt::format("    {}: the code has {}, the record {}\n",
                       p.path.empty() ? "(all of it)" : p.path, side(p.left), side(p.right));
  return out;
}

std::string answer_text(const std::optional<result<std::string>>& a) {
  if (!a)
    return "none";
  return *a ? **a : to_string(a->error());
}

bool equal(const std::optional<result<std::string>>& a,
           const std::optional<result<std::string>>& b) {
  if (!a || !b)
    return a.has_value() == b.has_value();
  if (a->has_value() != b->has_value())
    return false;
  return *a ? json_differences(**a, **b, 1).empty() : a->error() == b->error();
}

} // namespace

result<recorded> recorded::load(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    return error{errc::not_found, fmt::format("{}: cannot be read", file.string())};
  return parse(text.str(), file.string());
}

result<recorded> recorded::parse(std::string_view text, std::string_view name) {
  auto read = journal::read_export(text, name);
  if (!read)
    return std::move(read).error();
  return recorded{std::move(*read)};
}

result<recorded> recorded::of(stage& on, const std::string& id, std::string agent_class) {
  auto& store = on.log().store();
  auto no = store::invocation_number(store.tag(), id);
  if (!no)
    return error{errc::not_found, fmt::format("no invocation \"{}\" on this stage", id)};
  auto read = load_exported(store, *no, std::move(agent_class));
  if (!read)
    return std::move(read).error();
  return recorded{std::move(*read)};
}

std::string step_side::text() const {
  auto out = kind;
  if (!name.empty())
    out += fmt::format(" \"{}\"", name);
  if (!at.empty())
    out += " at " + at;
  if (!key.empty())
    out += fmt::format(" under the key \"{}\"", key);
  if (!arguments.empty())
    out += " " + shown(arguments);
  return out;
}

bool replay_report::same() const {
  return !first && drifts.empty() && equal(answer, answer_recorded);
}

std::string replay_report::text() const {
  auto out = fmt::format("replay of {} with class {}: {} of {} steps\n", id, agent_class, steps,
                         steps_recorded);
  for (auto g : skipped)
    out += fmt::format("generation {} is not in the record any more\n", g);
  for (const auto& d : drifts)
    out += fmt::format("drift in generation {} at step {}: {}\n  the code asks for  {}\n"
                       "  the record holds   {}\n{}",
                       d.generation, d.step, d.what, d.code.text(), d.record.text(), places_of(d));
  if (first)
    out += fmt::format("the code leaves the record in generation {} at step {}: {}\n"
                       "  the code asks for  {}\n  the record holds   {}\n{}",
                       first->generation, first->step, first->what, first->code.text(),
                       first->record.text(), places_of(*first));
  for (const auto& b : beyond)
    out += fmt::format("past the record's end the code asks for {}\n", b.text());
  if (!equal(answer, answer_recorded) && !first)
    out += fmt::format("the answer is   {}\nand was         {}\n", answer_text(answer),
                       answer_text(answer_recorded));
  if (same())
    out += "the same commands, the same answer\n";
  return out;
}

std::ostream& operator<<(std::ostream& out, const replay_report& report) {
  return out << report.text();
}

} // namespace troupe::kit
