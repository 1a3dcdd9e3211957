// `troupe events ID`: what an invocation has said, and with -f what it says from now on.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <thread>

namespace troupe::cli {
namespace {

/// Between two tries when the stream was cut.
constexpr std::chrono::milliseconds again_after{500};

/// Tries without a single event in between, before it gives up: half a minute.
constexpr int tries_max = 60;

/// Takes a text/event-stream apart and prints its events.
class printer {
public:
  explicit printer(bool json) : json_(json) {}

  bool take(std::string_view chunk) {
    buffer_ += chunk;
    for (auto end = buffer_.find("\n\n"); end != std::string::npos; end = buffer_.find("\n\n")) {
      event(std::string_view{buffer_}.substr(0, end));
      buffer_.erase(0, end + 2);
    }
    return true;
  }
  void again() { buffer_.clear(); }
  bool ended() const noexcept { return ended_; }
  const std::string& last_id() const noexcept { return last_id_; }
  std::size_t count() const noexcept { return count_; }

private:
  void event(std::string_view text) {
    std::string name;
    std::string data;
    while (!text.empty()) {
      auto line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (line.starts_with("id: "))
        last_id_ = line.substr(4);
      else if (line.starts_with("event: "))
        name = line.substr(7);
      else if (line.starts_with("data: "))
        (data += data.empty() ? "" : "\n") += line.substr(6);
    }
    if (name.empty())
      return; // a comment: the stream lives
    ++count_;
    ended_ = name == "ended";
    if (json_)
      say(
        fmt::format(R"({{"id":{},"event":{},"data":{}}})", to_json(last_id_), to_json(name), data));
    else
      say(fmt::format("{:<7} {}", name, printable(data)));
  }

  bool json_;
  bool ended_ = false;
  std::size_t count_ = 0;
  std::string last_id_;
  std::string buffer_;
};

} // namespace

int events(const subject_options& o) {
  client c{o.client};
  printer out{o.client.json};
  auto path = "/v1/invocations/" + escape(o.id) + "/events" + (o.follow ? "" : "?follow=false");
  for (int tries = 0;; ++tries) {
    net::http_headers headers;
    headers.add("Accept", "text/event-stream");
    if (!out.last_id().empty())
      headers.add("Last-Event-ID", out.last_id());
    auto seen = out.count();
    auto answer = c.stream(path, std::move(headers),
                           [&out](std::string_view chunk) { return out.take(chunk); });
    bool refused = answer && exit_of(answer->status) != exit_ok;
    if (out.count() > seen)
      tries = 0;
    if (refused || (!answer && (!o.follow || tries >= tries_max)))
      return explain(c, answer);
    if (!o.follow || out.ended())
      return exit_ok;
    out.again();
    std::this_thread::sleep_for(again_after);
  }
}

} // namespace troupe::cli
