// Dead letters: messages that were set aside, until a person decides. See dead_letter_messages.hpp.
#include "actors/flow/dispatcher.hpp"

#include "actors/supervision/dead_letter_messages.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

/// Of a call's arguments: enough to see what it was about.
constexpr std::size_t body_max = 1'024;

/// Letters about expired calls that are filed a second. An overload makes thousands, all alike; their
/// callers have been told, and events count them.
constexpr std::uint32_t expired_max = 100;

/// Letters whose calls services are told to refuse when the process starts: as many as one keeps.
constexpr std::uint32_t told_at_start = 1'000;

command_reply no_letter(lsn id) {
  return command_reply{error{errc::not_found, fmt::format("no dead letter {}", id)}};
}

} // namespace

void dispatcher::on_file_letter(file_letter& f) {
  auto now = setup_.env.clock.steady();
  if (f.what.kind == store::letter_kind::expired) {
    if (now - expired_since_ >= std::chrono::seconds{1}) {
      expired_since_ = now;
      expired_filed_ = 0;
    }
    if (++expired_filed_ > expired_max)
      return;
  }
  f.what.invocation
    = store::invocation_number(setup_.log.store().tag(), f.invocation).value_or(0);
  if (f.what.body.size() > body_max)
    f.what.body.resize(body_max);
  store::unit u;
  u.invocation = f.what.invocation;
  u.beside = std::make_shared<store::aside>();
  setup_.env.events.write({level::warning, "dead_letter.filed", f.invocation, {}, f.what.subject,
                           std::string{to_string(f.what.kind)}, 0, {},
                           {{"key", to_json(f.what.key)}}});
  u.beside->letters.push_back(std::move(f.what));
  append(std::move(u));
}

void dispatcher::on_letter(letter_request& r, caf::response_promise promise) {
  request(setup_.reader, std::chrono::seconds{30}, list_letters{r.id + 1, 1})
    .then(
      [this, r, promise](listed_letters& found) mutable {
        if (!found.what)
          promise.deliver(command_reply{found.what.error()});
        else if (found.what->empty() || found.what->front().id != r.id)
          promise.deliver(no_letter(r.id));
        else if (r.retry)
          retry_letter(found.what->front(), promise);
        else
          drop_letter(found.what->front(), promise);
      },
      [promise](const caf::error&) mutable {
        promise.deliver(
          command_reply{error{errc::unavailable, "the store's reader does not answer"}});
      });
}

void dispatcher::retry_letter(const store::letter& l, caf::response_promise promise) {
  if (l.kind == store::letter_kind::poisoned)
    if (auto service = setup_.env.services.find(l.subject))
      send(service->handle, forgive_call{l.key});
  auto* s = l.invocation == 0 ? nullptr : find(l.invocation);
  bool over = l.kind != store::letter_kind::poisoned || s == nullptr || may_retry(*s);
  if (l.invocation == 0 || !over) { // it will make the call again by itself, or nobody will
    forget_letter(l.id, promise);
    return;
  }
  retry_request again{id_of(l.invocation)};
  on_retry(again, promise);
}

void dispatcher::drop_letter(const store::letter& l, caf::response_promise promise) {
  auto* s = l.invocation == 0 ? nullptr : find(l.invocation);
  if (l.kind == store::letter_kind::quarantined && s != nullptr
      && s->state == store::status::quarantined)
    cancel(*s, journal::cancel_reason::requested, &promise);
  else
    forget_letter(l.id, promise);
}

void dispatcher::forget_letter(lsn id, caf::response_promise promise) {
  store::unit u;
  u.beside = std::make_shared<store::aside>();
  u.beside->dropped.push_back(id);
  auto at = append(std::move(u));
  if (at == 0)
    promise.deliver(command_reply{error{errc::store_failed, setup_.log.why().message}});
  else
    letter_replies_.emplace(at, promise);
}

// The services of an earlier process knew which calls they refuse.
void dispatcher::tell_services() {
  request(setup_.reader, std::chrono::seconds{60}, list_letters{0, told_at_start})
    .then(
      [this](const listed_letters& found) {
        if (!found.what)
          return;
        for (const auto& l : *found.what)
          if (l.kind == store::letter_kind::poisoned)
            if (auto service = setup_.env.services.find(l.subject))
              send(service->handle, set_aside{l.key});
      },
      [](const caf::error&) {}); // then the call is tried once more
}

} // namespace troupe
