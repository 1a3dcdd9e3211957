// A chat's tools: which there are, calling them side by side, approvals, loops. See chat_agent.hpp.
#include "actors/flow/chat_agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace troupe::chat {
namespace {

bool is_pattern(const std::string& tool) {
  return tool.ends_with(".*");
}

catalog_entry described(const tool_catalog& catalog, const std::string& name) {
  auto found = catalog.find(name);
  if (!found.empty())
    return std::move(found.front());
  catalog_entry bare;
  bare.name = name;
  return bare;
}

} // namespace

// What a server's tools are called is only known once it was asked, and may be different after a
// restart; so the names stand in the journal. What they are for is only told to the model.
task<unit> chat_agent::name_tools() {
  std::vector<std::string> names;
  if (std::any_of(setup_->tools.begin(), setup_->tools.end(), is_pattern)) {
    auto look = troupe::run("tools", effect_class::pure, [this] {
      std::vector<std::string> all;
      for (const auto& tool : setup_->tools)
        if (is_pattern(tool))
          for (auto& entry : setup_->catalog->find(tool))
            all.push_back(std::move(entry.name));
        else
          all.push_back(tool);
      return all;
    });
    auto found = co_await std::move(look);
    if (!found)
      co_return std::move(found).error();
    names = std::move(*found);
  } else {
    names = setup_->tools;
  }
  tools_ = spellings(names);
  co_return unit{};
}

std::string chat_agent::offers() const {
  std::string out;
  for (const auto& [spelling, name] : tools_)
    out += (out.empty() ? "" : ",") + offer(spelling, described(*setup_->catalog, name));
  // Where none of them may be called they are shown all the same if there are no others: what was
  // said before may hold calls of them, and some providers refuse that without the tools.
  if (!in_.tools || (!callers_tools_wanted() && !tools_.empty()))
    return out;
  for (const auto& t : *in_.tools) {
    catalog_entry entry;
    entry.description = t.description.value_or("");
    entry.parameters = t.parameters ? t.parameters->text : "";
    if (!tools_.contains(t.name))
      out += (out.empty() ? "" : ",") + offer(t.name, entry);
  }
  return out;
}

bool chat_agent::is_callers(std::string_view name) const {
  if (!in_.tools || !callers_tools_wanted() || tools_.contains(std::string{name}))
    return false;
  return std::any_of(in_.tools->begin(), in_.tools->end(),
                     [&](const chat_tool& t) { return t.name == name; });
}

bool chat_agent::needs_approval(std::string_view tool) const {
  return std::any_of(options_.approve.begin(), options_.approve.end(),
                     [&](const std::string& p) { return names_tool(p, tool); });
}

// @returns whether it is the caller's turn: the model wants tools of the caller
task<bool> chat_agent::do_calls(reply said) {
  auto& wanted = *said.tool_calls;
  auto dropped = tidy(wanted);
  prepare(wanted);
  if (wants_callers_tools(wanted)) {
    hand_over(wanted, std::move(said.text));
    co_await go(turn_state::awaiting_input);
    co_return true;
  }
  co_await go(turn_state::processing_tools);
  auto waiting = choose();
  tail_.push_back(assistant_message(said.text, wanted));
  std::vector<task<unit>> lines;
  for (std::size_t i = 0; i < std::min<std::size_t>(options_.parallel, ready_.size()); ++i)
    lines.push_back(work());
  if (!waiting.empty())
    lines.push_back(approvals(std::move(waiting)));
  if (!lines.empty()) {
    auto all = when_all(std::move(lines));
    auto ends = co_await std::move(all);
    for (auto& end : ends)
      if (!end)
        co_return std::move(end).error();
  }
  if (auto fine = notice_loops(); !fine)
    co_return std::move(fine).error();
  tell_results(dropped);
  if (std::any_of(calls_.begin(), calls_.end(), [](const pending& p) { return p.failed; }))
    co_await go(turn_state::error_recovery);
  co_await go(turn_state::streaming_response);
  co_return false;
}

// Which of them are done, and of these, which wait for a person.
std::vector<std::size_t> chat_agent::choose() {
  ready_.clear();
  next_ = 0;
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    auto& p = calls_[i];
    if (!p.words.empty() || p.same_as)
      continue;
    if (out_.tool_calls_made >= options_.tool_calls_max) {
      no_more_calls_ = true;
      p.refuse("No more calls are possible in this turn, so nothing was done. Answer with what you "
               "have.");
      continue;
    }
    ++out_.tool_calls_made;
    (needs_approval(p.tool) ? waiting : ready_).push_back(i);
  }
  return waiting;
}

void chat_agent::tell_results(std::size_t dropped) {
  for (const auto& c : calls_)
    tail_.push_back(tool_message(
      c.id, c.same_as ? repeated_words(calls_[*c.same_as].words) : c.words));
  if (dropped > 0)
    tail_.push_back(text_message("user", dropped_words(calls_.size(), dropped)));
}

// One of `parallel` lines: takes the next call as long as there is one.
task<unit> chat_agent::work() {
  while (next_ < ready_.size()) {
    auto done = co_await carry_out(ready_[next_++]);
    if (!done)
      co_return std::move(done).error();
  }
  co_return unit{};
}

task<unit> chat_agent::carry_out(std::size_t i) {
  auto& c = calls_[i];
  chat_tool_started begin;
  begin.call = c.id;
  begin.tool = c.tool;
  co_await emit(begin);
  auto arguments = raw_json{c.arguments};
  auto call = tool(c.tool).args(arguments).call<raw_json>();
  auto got = co_await std::move(call);
  chat_tool_finished end;
  end.call = c.id;
  end.tool = c.tool;
  if (got) {
    c.words = result_words(got->text, options_.tool_result_max);
  } else {
    c.words = failure_words(got.error());
    c.failed = true;
    end.result = to_string(got.error().code);
  }
  co_await emit(end);
  if (!got && got.error().code == errc::cancelled)
    co_return std::move(got).error();
  co_return unit{};
}

// Asks for all at once and takes the answers as they come. What is approved is done one by one:
// these are the calls that somebody wants to watch.
task<unit> chat_agent::approvals(std::vector<std::size_t> waiting) {
  for (auto i : waiting) {
    chat_approval_wanted e;
    e.call = calls_[i].id;
    e.tool = calls_[i].tool;
    e.arguments.text = calls_[i].arguments;
    co_await emit(e);
  }
  while (!waiting.empty()) {
    auto wait = with_timeout(options_.approve_timeout, signal<chat_approval>("approve"));
    auto said = co_await std::move(wait);
    if (!said && said.error().code == errc::timed_out) {
      auto denied = co_await nobody_decided(std::move(waiting));
      co_return denied;
    }
    if (!said && is_ending(said.error()))
      co_return std::move(said).error();
    auto which = said ? meant(waiting, *said) : waiting.size();
    if (which == waiting.size())
      continue; // no approval, or of something else
    auto i = waiting[which];
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(which));
    auto step = decided(i, std::move(*said));
    auto done = co_await std::move(step);
    if (!done)
      co_return std::move(done).error();
  }
  co_return unit{};
}

std::size_t chat_agent::meant(const std::vector<std::size_t>& waiting,
                              const chat_approval& how) const {
  if (!how.call)
    return 0;
  auto one = std::find_if(waiting.begin(), waiting.end(),
                          [&](std::size_t i) { return calls_[i].id == *how.call; });
  return static_cast<std::size_t>(one - waiting.begin());
}

task<unit> chat_agent::decided(std::size_t i, chat_approval how) {
  if (how.approved) {
    auto done = co_await carry_out(i);
    co_return done;
  }
  calls_[i].words = denied_words(how.reason, true);
  calls_[i].failed = true;
  chat_tool_finished end;
  end.call = calls_[i].id;
  end.tool = calls_[i].tool;
  end.result = "denied";
  co_await emit(end);
  co_return unit{};
}

task<unit> chat_agent::nobody_decided(std::vector<std::size_t> waiting) {
  for (auto i : waiting) {
    calls_[i].words = denied_words(std::nullopt, false);
    calls_[i].failed = true;
    chat_tool_finished end;
    end.call = calls_[i].id;
    end.tool = calls_[i].tool;
    end.result = to_string(errc::timed_out);
    co_await emit(end);
  }
  co_return unit{};
}

// The same call with the same answer, in one message after another: it is told once, then it is over.
result<void> chat_agent::notice_loops() {
  std::set<std::string> now;
  for (auto& c : calls_) {
    auto what = fmt::format("{} {} {}", c.tool, c.arguments, c.words);
    if (c.same_as || !now.insert(what).second)
      continue;
    auto times = ++seen_[what];
    if (times > options_.repeats_max)
      return error{errc::failed, fmt::format("the model goes round in a loop: {} has been called {} "
                                             "times with the same arguments and the same answer",
                                             c.tool.empty() ? "a tool that is not there" : c.tool,
                                             times)};
    if (times == options_.repeats_max)
      c.words += loop_words(times);
  }
  return {};
}

} // namespace troupe::chat
