// Messages that were set aside: `troupe deadletters`.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"

#include <fmt/format.h>

namespace troupe::cli {
namespace {

int post(const letters_options& o, std::string_view what) {
  client c{o.client};
  auto answer = c.post(fmt::format("/v1/deadletters/{}/{}", escape(o.id), what), {});
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  if (o.client.json)
    say(answer->body);
  return exit_ok;
}

void field(const boost::json::value& v, const char* name, const char* title) {
  if (auto text = text_of(v, name); !text.empty())
    say(fmt::format("{:<12}{}", title, printable(text)));
}

} // namespace

int list_letters(const letters_options& o) {
  client c{o.client};
  auto answer = c.get(fmt::format("/v1/deadletters?limit={}", o.limit));
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  if (o.client.json) {
    say(pretty(body));
    return exit_ok;
  }
  auto rows = table{{"ID", "KIND", "WHEN", "SUBJECT", "INVOCATION", "WHY"}};
  const auto* found = body.is_object() ? body.get_object().if_contains("letters") : nullptr;
  if (found != nullptr && found->is_array())
    for (const auto& l : found->get_array())
      rows.add({text_of(l, "id"), text_of(l, "kind"), short_time(text_of(l, "when")),
                printable(text_of(l, "subject")), text_of(l, "invocation"),
                printable(text_of(l, "why"))});
  rows.print();
  return exit_ok;
}

int show_letter(const letters_options& o) {
  client c{o.client};
  auto answer = c.get("/v1/deadletters/" + escape(o.id));
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  auto body = body_of(*answer);
  if (o.client.json) {
    say(pretty(body));
    return exit_ok;
  }
  say(fmt::format("{}  {}", text_of(body, "id"), text_of(body, "kind")));
  field(body, "subject", "of");
  field(body, "invocation", "invocation");
  say(fmt::format("{:<12}{}", "when", short_time(text_of(body, "when"))));
  field(body, "why", "why");
  field(body, "deaths", "deaths");
  field(body, "key", "key");
  field(body, "body", "arguments");
  say("  settle it with one of");
  say("    troupe deadletters retry " + o.id);
  say("    troupe deadletters drop " + o.id);
  return exit_ok;
}

int retry_letter(const letters_options& o) {
  return post(o, "retry");
}

int drop_letter(const letters_options& o) {
  return post(o, "drop");
}

} // namespace troupe::cli
