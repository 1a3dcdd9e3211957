// What a person asks of a running troupe: ps, show, journal, agents.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {
namespace {

/// A page of the server's list; longer lists are asked for page by page.
constexpr std::uint32_t page_max = 1'000;

std::string list_path(const list_options& o, std::uint32_t limit, const std::string& before) {
  auto path = fmt::format("/v1/invocations?limit={}", limit);
  if (!o.agent.empty())
    path += "&agent=" + escape(o.agent);
  if (o.open || !o.status.empty())
    path += "&status=" + escape(o.open ? "open" : o.status);
  if (!o.since.empty())
    path += "&since=" + escape(o.since);
  if (!before.empty())
    path += "&before=" + escape(before);
  return path;
}

void show_problem(const boost::json::value& e, const char* title) {
  if (e.is_object())
    say(fmt::format("{:<12}{}: {}", title, text_of(e, "code"), printable(text_of(e, "message"))));
}

void show_field(const boost::json::value& v, std::string_view name, std::string_view title) {
  if (auto text = text_of(v, name); !text.empty())
    say(fmt::format("{:<12}{}", title, printable(short_time(text))));
}

void show_json(const boost::json::object& o, const char* name, const char* title) {
  if (const auto* value = o.if_contains(name))
    say(fmt::format("{:<12}{}", title, pretty(*value, 12)));
}

void show_parked(const boost::json::value& p) {
  say(fmt::format("parked      {} at {}", text_of(p, "effect"), text_of(p, "at")));
  say(fmt::format("  since     {}", short_time(text_of(p, "since"))));
  say(fmt::format("  why       {}", printable(text_of(p, "why"))));
  if (auto arguments = text_of(p, "arguments"); !arguments.empty())
    say(fmt::format("  arguments {}", printable(arguments)));
  say("  settle it with one of");
  for (const auto& command : array_of(p, "settle"))
    say(fmt::format("    {}",
                    std::string_view{command.as_string().data(), command.as_string().size()}));
}

void show_story(const boost::json::value& v) {
  const auto& o = v.as_object();
  say(fmt::format("{}  {}  {}", text_of(v, "id"), text_of(v, "agent"), text_of(v, "status")));
  show_field(v, "key", "key");
  show_field(v, "idempotency_key", "idem. key");
  show_field(v, "created", "created");
  show_field(v, "updated", "updated");
  show_field(v, "deadline", "deadline");
  show_field(v, "wakes", "wakes");
  show_field(v, "parent", "parent");
  say(fmt::format("{:<12}{} (run {}, generation {})", "steps", text_of(v, "steps"),
                  text_of(v, "run"), text_of(v, "generation")));
  show_json(o, "input", "input");
  for (const auto& w : array_of(v, "waits_for"))
    say(fmt::format("{:<12}{} {} at {} {}", "waits for", text_of(w, "kind"), text_of(w, "name"),
                    text_of(w, "at"),
                    w.as_object().contains("until") ? "until " + short_time(text_of(w, "until"))
                                                    : "since " + short_time(text_of(w, "since"))));
  if (const auto* p = o.if_contains("parked"))
    show_parked(*p);
  if (const auto* p = o.if_contains("paused")) {
    say(fmt::format("paused      {}", printable(text_of(*p, "why"))));
    say(fmt::format("  go on     troupe retry {}", text_of(v, "id")));
  }
  for (const auto& d : array_of(v, "deaths"))
    say(fmt::format("{:<12}{} at {}, {}", "died", printable(text_of(d, "what")), text_of(d, "at"),
                    short_time(text_of(d, "when"))));
  show_json(o, "result", "result");
  if (const auto* e = o.if_contains("error"))
    show_problem(*e, "error");
  if (const auto* e = o.if_contains("problem"))
    show_problem(*e, "problem");
}

void show_entry(const boost::json::value& v) {
  std::string rest;
  for (const auto& [name, value] : v.as_object()) {
    auto key = std::string_view{name.data(), name.size()};
    if (key == "lsn" || key == "run" || key == "generation" || key == "entry" || key == "at")
      continue;
    rest += fmt::format(" {}={}", key, printable(text_of(v, key)));
  }
  say(fmt::format("{:>8} {:>5} {:<17} {:<8}{}", text_of(v, "lsn"),
                  v.as_object().contains("run") ? text_of(v, "run") + "/" + text_of(v, "generation")
                                                : "",
                  text_of(v, "entry"), text_of(v, "at"), rest));
}

} // namespace

int list(const list_options& o) {
  client c{o.client};
  auto rows = table{{"ID", "AGENT", "STATUS", "CREATED", "UPDATED", "KEY"}};
  boost::json::array all;
  std::string before;
  for (auto left = o.limit; left > 0;) {
    auto answer = c.get(list_path(o, std::min(left, page_max), before));
    if (auto code = explain(c, answer); code != exit_ok)
      return code;
    auto body = body_of(*answer);
    const auto& page = array_of(body, "invocations");
    for (const auto& i : page) {
      all.push_back(i);
      auto key = text_of(i, "key");
      rows.add({text_of(i, "id"), text_of(i, "agent"), text_of(i, "status"),
                short_time(text_of(i, "created")), short_time(text_of(i, "updated")),
                printable(key.empty() ? text_of(i, "idempotency_key") : key)});
    }
    left -= std::min<std::uint32_t>(left, static_cast<std::uint32_t>(page.size()));
    before = text_of(body, "next");
    if (before.empty())
      break;
  }
  if (o.client.json)
    say(pretty(all));
  else
    rows.print();
  return exit_ok;
}

int show(const subject_options& o) {
  client c{o.client};
  auto answer = c.get("/v1/invocations/" + escape(o.id));
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  if (o.client.json)
    say(pretty(body));
  else
    show_story(body);
  return exit_ok;
}

int journal(const subject_options& o) {
  if (o.export_file)
    return export_journal(o);
  client c{o.client};
  auto answer = c.get("/v1/invocations/" + escape(o.id) + "/journal");
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  if (!body.is_array())
    return exit_failed;
  if (o.client.json) {
    say(pretty(body));
    return exit_ok;
  }
  for (const auto& entry : body.get_array())
    show_entry(entry);
  return exit_ok;
}

int agents(const client_options& o) {
  client c{o};
  auto answer = c.get("/v1/agents");
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  if (o.json) {
    say(pretty(body));
    return exit_ok;
  }
  auto rows = table{{"AGENT", "CLASS", "VERSION", "KEY"}};
  for (const auto& a : array_of(body, "agents"))
    rows.add({text_of(a, "name"), text_of(a, "class"), text_of(a, "version"), text_of(a, "key")});
  rows.print();
  return exit_ok;
}

} // namespace troupe::cli
