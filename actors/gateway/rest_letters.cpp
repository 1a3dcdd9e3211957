// Dead letters: listed, shown, retried, dropped.
#include "actors/gateway/rest_helper.hpp"

#include "actors/gateway/json_out.hpp"
#include "actors/supervision/dead_letter_messages.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::gateway {
namespace {

constexpr std::chrono::milliseconds question_timeout{30'000};
constexpr std::uint32_t page = 100;

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t n = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (failed != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return n;
}

void append_letter(std::string& out, std::string_view tag, const store::letter& l) {
  json_object_out o{out};
  o.text("id", std::to_string(l.id));
  o.text("kind", to_string(l.kind));
  o.some("when", l.when);
  o.text("subject", l.subject);
  if (l.invocation != 0)
    o.text("invocation", store::invocation_id(tag, l.invocation));
  o.some("key", l.key);
  o.text("why", l.why);
  if (l.deaths != 0)
    o.number("deaths", l.deaths);
  o.some("body", l.body);
}

} // namespace

async<void> rest_helper::letters(exchange_ptr x) {
  bool all = x->at.which == route::letters;
  auto query = x->in.query();
  auto before = query_value(query, "before").value_or("0");
  auto limit = query_value(query, "limit").value_or(std::to_string(page));
  auto from = number_in(all ? before : x->at.subject);
  auto most = all ? number_in(limit) : std::optional<std::uint64_t>{1};
  if (!from || !most || *most == 0 || *most > store::list_max) {
    x->out.problem(*world_, error{all ? errc::invalid_input : errc::not_found,
                                  all ? fmt::format("before: expected an id; limit: 1 to {}",
                                                    store::list_max)
                                      : fmt::format("no dead letter \"{}\"", x->at.subject)});
    co_return;
  }
  if (x->at.which == route::letter_retry || x->at.which == route::letter_drop) {
    co_await letter_command(x, *from);
    co_return;
  }
  auto question = list_letters{all ? *from : *from + 1, static_cast<std::uint32_t>(*most)};
  auto got = co_await ask<listed_letters>(this, world_->reader, question_timeout,
                                          std::move(question));
  if (!got || !got->what) {
    x->out.problem(*world_, got ? got->what.error() : got.error());
    co_return;
  }
  const auto& found = *got->what;
  std::string body;
  if (!all && (found.empty() || found.front().id != *from)) {
    x->out.problem(*world_, error{errc::not_found, fmt::format("no dead letter {}", *from)});
    co_return;
  }
  if (!all) {
    append_letter(body, world_->tag, found.front());
    x->out.json(*world_, 200, std::move(body));
    co_return;
  }
  body = "{\"letters\":[";
  for (const auto& l : found) {
    if (body.back() != '[')
      body += ',';
    append_letter(body, world_->tag, l);
  }
  body += found.size() == *most ? fmt::format("],\"next\":\"{}\"}}", found.back().id)
                                : std::string{"],\"next\":null}"};
  x->out.json(*world_, 200, std::move(body));
}

async<void> rest_helper::letter_command(exchange_ptr x, lsn id) {
  auto m = letter_request{id, x->at.which == route::letter_retry};
  auto got
    = co_await ask<command_reply>(this, world_->dispatcher, question_timeout, std::move(m));
  if (!got || !got->done) {
    x->out.problem(*world_, got ? got->done.error() : got.error());
    co_return;
  }
  std::string body;
  {
    json_object_out o{body};
    o.text("id", x->at.subject);
    o.text("done", x->at.which == route::letter_retry ? "retry" : "drop");
  }
  x->out.json(*world_, 200, std::move(body));
}

} // namespace troupe::gateway
