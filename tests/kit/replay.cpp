#include "tests/kit/replay_walk.hpp"

namespace troupe::kit {
namespace detail {

/// Cuts the rows where generations begin; each part is what a store held at the end of that
/// generation.
std::vector<stretch> stretches_of(const journal::exported& what) {
  std::vector<stretch> all;
  std::vector<journal::row> rows;
  for (const auto& row : what.rows) {
    for (const auto& e : row.entries)
      if (const auto* began = std::get_if<journal::generation_began>(&e)) {
        auto& done = all.emplace_back(stretch{journal::replay{rows}, began->state.text, {}});
        done.whole = row.generation == done.record.generation() + 1;
        for (const auto& other : row.entries)
          if (const auto* state = std::get_if<journal::state_loaded>(&other))
            done.saved = state->state.text;
      }
    rows.push_back(row);
  }
  all.push_back(stretch{journal::replay{std::move(rows)}, {}, {}, true});
  return all;
}

step_side side_of_end(std::string kind, const result<std::string>& how) {
  return {std::move(kind), {}, {}, how ? *how : to_string(how.error()), {}};
}

step_side walk::side_of_command(const journal::command& c) const {
  step_side s{std::string{to_string(c.kind)}, c.name, to_string(c.at), c.detail.text, c.key};
  if (c.detail.stored)
    s.arguments = from_.messages(c.detail.hash);
  return s;
}

step_side walk::recorded_side() const {
  if (record().at_end()) {
    if (!part_->last)
      return side_of_end("continue_as", *part_->continued);
    const auto& end = record().end();
    if (!end)
      return {"nothing", {}, {}, "(the run was still open)", {}};
    return side_of_end("end", end->ok ? result<std::string>{end->value.text}
                                 : result<std::string>{end->failure});
  }
  const auto& next = record().peek();
  if (const auto* c = std::get_if<journal::command>(&next))
    return side_of_command(*c);
  if (const auto* l = std::get_if<journal::local>(&next))
    return {std::string{to_string(l->kind)}, {}, to_string(l->at), l->value.text, {}};
  if (const auto* d = std::get_if<journal::completion>(&next))
    return {"answer", {}, to_string(d->at), d->ok ? d->value.text : to_string(d->failure), {}};
  return {std::string{name_of(next)}, {}, {}, {}, {}};
}

difference walk::made(std::string what, step_side code, step_side record_side) const {
  difference d;
  d.what = std::move(what);
  d.generation = generation_;
  d.step = record().position() + 1;
  bool comparable = code.kind == record_side.kind && code.name == record_side.name
                    && code.arguments != record_side.arguments;
  if (comparable)
    d.places = json_differences(code.arguments, record_side.arguments);
  d.code = std::move(code);
  d.record = std::move(record_side);
  return d;
}

void walk::stop(std::string what, step_side code, step_side record_side) {
  if (stopped_)
    return;
  stopped_ = true;
  report_.first = made(std::move(what), std::move(code), std::move(record_side));
}

void walk::drift(std::string what, step_side code, step_side record_side) {
  report_.drifts.push_back(made(std::move(what), std::move(code), std::move(record_side)));
}

void walk::tell(std::string_view what) {
  ++report_.steps;
  if (options_.on_step)
    options_.on_step(generation_, record().position() + 1, what);
}

} // namespace detail

replay_report replay(const recorded& run, const replay_options& options) {
  const auto& from = run.what();
  replay_report report;
  report.id = from.id;
  report.agent_class = !options.agent_class.empty() ? options.agent_class
                       : from.agent_class.empty()   ? from.agent
                                                    : from.agent_class;
  auto parts = detail::stretches_of(from);
  if (const auto& end = parts.back().record.end())
    report.answer_recorded
      = end->ok ? result<std::string>{end->value.text} : result<std::string>{end->failure};
  const auto* cls = find_agent(report.agent_class);
  if (cls == nullptr) {
    report.first = difference{"no such class is linked into this program (TROUPE_AGENT)",
                              0, 0, {"nothing", {}, {}, {}, {}},
                              {"class", report.agent_class, {}, {}, {}}, {}};
    return report;
  }
  for (auto& part : parts) {
    detail::walk one{from, *cls, options, report};
    bool gone = !part.last && !part.whole;
    if (!gone && !one.go(part))
      break;
    if (gone || one.was_trimmed())
      report.skipped.push_back(part.record.generation());
  }
  return report;
}

} // namespace troupe::kit
