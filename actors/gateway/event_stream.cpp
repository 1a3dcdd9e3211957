#include "actors/gateway/event_stream.hpp"

#include "actors/gateway/journal_json.hpp"
#include "actors/gateway/json_out.hpp"

#include <fmt/format.h>

namespace troupe::gateway {
namespace {

/// Which events an entry makes.
struct events_of {
  std::vector<stream_event>& all;
  const journal::row& row;
  std::size_t place = 0;

  std::string place_id() const { return fmt::format("{}.{}", row.at, place); }

  void status(std::string_view word, std::string_view why = {}) {
    stream_event e{place_id(), "status", {}};
    {
      json_object_out o{e.data};
      o.text("status", word);
      o.some("why", why);
    }
    all.push_back(std::move(e));
  }

  void operator()(const journal::started&) { status("queued"); }
  void operator()(const journal::local& e) {
    if (e.kind != journal::effect_kind::emit)
      return;
    auto path = e.at.path.empty() ? std::string_view{"-"} : std::string_view{e.at.path};
    stream_event out{
      fmt::format("{}/{}/{}/{}", row.run, row.generation, path, e.at.seq), "emit", {}};
    append_payload(out.data, e.value);
    all.push_back(std::move(out));
  }
  void operator()(const journal::note& e) {
    if (e.name == "paused")
      status("paused", e.detail.text);
  }
  void operator()(const journal::run_began&) { status("running"); }
  void operator()(const journal::parked& e) { status("parked", e.why); }
  void operator()(const journal::resolved&) { status("running"); }
  void operator()(const journal::cancel_asked& e) { status("cancelling", to_string(e.reason)); }
  void operator()(const journal::died& e) { status("died", e.what); }
  void operator()(const journal::ended& e) {
    stream_event out{place_id(), "ended", {}};
    {
      json_object_out o{out.data};
      bool cancelled
        = !e.ok && (e.failure.code == errc::cancelled || e.failure.code == errc::deadline_exceeded);
      o.text("status", e.ok ? "completed" : cancelled ? "cancelled" : "failed");
      if (e.ok)
        append_payload(o.field("result"), e.value);
      else
        append_error(o.field("error"), e.failure);
    }
    all.push_back(std::move(out));
  }
  void operator()(const journal::command&) {}
  void operator()(const journal::completion&) {}
  void operator()(const journal::signalled&) {}
  void operator()(const journal::cancel_delivered&) {}
  void operator()(const journal::generation_began&) {}
  void operator()(const journal::state_loaded&) {}
  void operator()(const journal::compensated&) {}
  void operator()(const journal::answered_by&) {}
};

} // namespace

std::vector<stream_event> stream_events(const std::vector<journal::row>& rows) {
  std::vector<stream_event> all;
  for (const auto& row : rows) {
    events_of make{all, row};
    for (const auto& e : row.entries) {
      std::visit(make, e);
      ++make.place;
    }
  }
  return all;
}

std::size_t first_after(const std::vector<stream_event>& all, std::string_view last_id) {
  for (auto i = all.size(); i-- > 0;)
    if (all[i].id == last_id)
      return i + 1;
  return 0;
}

void append_sse(std::string& out, const stream_event& e) {
  out += "id: ";
  out += e.id;
  out += "\nevent: ";
  out += e.name;
  std::string_view data = e.data;
  for (;;) { // JSON may hold line ends between its parts; one line of data each
    auto end = data.find('\n');
    out += "\ndata: ";
    out += data.substr(0, end);
    if (end == std::string_view::npos)
      break;
    data.remove_prefix(end + 1);
  }
  out += "\n\n";
}

void append_words(std::string& out, const stream_chunk& c, const stream_child* of) {
  bool reset = c.what == stream_kind::reset;
  out += reset ? "event: reset\ndata: " : "event: delta\ndata: ";
  {
    json_object_out o{out};
    if (of != nullptr) {
      o.text("invocation", of->invocation);
      o.text("agent", of->agent);
    }
    o.text("stream", c.stream);
    o.number("attempt", c.attempt);
    if (!reset) {
      o.number("seq", c.seq);
      o.text("kind", to_string(c.what));
    }
    if (c.what == stream_kind::tool_call)
      o.number("call", c.call);
    if (c.what == stream_kind::end) {
      o.some("error", c.text);
      if (!c.whole) // it is in the result
        o.flag("whole", false);
    } else if (!reset) {
      o.text("text", c.text);
    }
  }
  out += "\n\n";
}

} // namespace troupe::gateway
