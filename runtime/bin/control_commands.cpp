// What a person tells a running troupe: signal, cancel, retry, resolve.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/json_text.hpp"

#include <fmt/format.h>

namespace troupe::cli {
namespace {

int post(const client_options& o, const std::string& id, std::string_view what, std::string body) {
  client c{o};
  auto answer = c.post(fmt::format("/v1/invocations/{}/{}", escape(id), what), std::move(body));
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  if (o.json)
    say(answer->body);
  return exit_ok;
}

bool is_json(std::string_view text) {
  json_reader in{text};
  return in.skip() && in.end();
}

} // namespace

int signal(const signal_options& o) {
  if (!is_json(o.value)) {
    complain("--value is not JSON; a text needs its quotes: --value '\"yes\"'");
    return exit_usage;
  }
  return post(o.client, o.id, "signals/" + escape(o.name), o.value);
}

int approve(const approve_options& o) {
  std::string body = o.deny ? R"({"approved":false)" : R"({"approved":true)";
  for (const auto& [name, text] : {std::pair{"reason", &o.reason}, std::pair{"call", &o.call}})
    if (!text->empty())
      body += fmt::format(R"(,"{}":{})", name, to_json(*text));
  return post(o.client, o.id, "signals/approve", body + "}");
}

int cancel(const subject_options& o) {
  return post(o.client, o.id, "cancel", {});
}

int retry(const subject_options& o) {
  return post(o.client, o.id, "retry", {});
}

int resolve(const resolve_options& o) {
  if (int{o.done.has_value()} + int{o.not_done} + int{o.abort} != 1) {
    complain("say one of --done JSON, --not-done, --abort");
    return exit_usage;
  }
  if (o.done && !is_json(*o.done)) {
    complain("--done is not JSON; a text needs its quotes: --done '\"DESK-1\"'");
    return exit_usage;
  }
  auto body = o.done       ? "{\"done\":" + *o.done
              : o.not_done ? std::string{"{\"not_done\":true"}
                           : std::string{"{\"abort\":true"};
  if (!o.at.empty()) {
    body += ",\"at\":";
    append_string(body, o.at);
  }
  body += '}';
  return post(o.client, o.id, "resolve", std::move(body));
}

} // namespace troupe::cli
