// An MCP server as a process: a message is a line.

#include "actors/tool/mcp_transports.hpp"

#include "runtime/net/line_process.hpp"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <set>

namespace troupe {
namespace {

/// Signals that wait for the client. Above the first, lines for people are dropped; above the
/// second, the server writes faster than a client can read, and is ended.
constexpr int unread_chatter_max = 1'000;
constexpr int unread_max = 10'000;

/// Variables whose values are no secrets.
const std::set<std::string, std::less<>> open_variables{"PATH", "HOME", "LANG", "LC_ALL", "TZ",
                                                        "TMPDIR", "USER", "SHELL", "TERM",
                                                        "NODE_ENV", "NODE_PATH", "PWD"};
/// Shorter values hide nothing, and would be found in every sentence.
constexpr std::size_t secret_min = 6;

/// The id in one end of a message that was too long to be read; 0 where it is not there.
std::uint64_t id_in(std::string_view text) {
  constexpr std::string_view key = "\"id\":";
  auto at = text.rfind(key);
  if (at == text.npos)
    return 0;
  text.remove_prefix(at + key.size());
  std::uint64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id);
  return id;
}

/// What a process's thread shares with the client's.
struct stdio_state {
  std::uint64_t generation = 0;
  mcp_sink sink;
  std::string program;
  std::size_t line_max = 0;
  std::vector<std::string> secrets;
  std::atomic<int> unread{0};
  std::atomic<bool> flooded{false};

  /// False when the client cannot keep up.
  bool tell(mcp_signal s) {
    s.generation = generation;
    auto waiting = unread.load(std::memory_order_relaxed);
    if (s.what == mcp_signal::kind::log && waiting > unread_chatter_max)
      return true;
    if (s.what != mcp_signal::kind::closed && waiting > unread_max)
      return false;
    unread.fetch_add(1, std::memory_order_relaxed);
    sink(std::move(s));
    return true;
  }

  void on_line(net::text_line line) {
    mcp_signal s;
    s.text = std::move(line.text);
    if (line.too_long) {
      // The id stands at one of the ends, as servers write it.
      s.request = id_in(line.tail);
      if (s.request == 0)
        s.request = id_in(s.text);
      s.what = mcp_signal::kind::failed;
      s.why = error{errc::output_too_large,
                    fmt::format("its answer is longer than {} bytes (response_size_max)", line_max),
                    certainty::unknown};
      s.text.clear();
    } else if (s.text.find_first_not_of(" \t") == s.text.npos) {
      return;
    } else if (s.text.front() != '{' && s.text.front() != '[') {
      hide(s.text); // it is not ours, and may be anything
    }
    if (!tell(std::move(s)))
      flooded.store(true, std::memory_order_relaxed);
  }

  void on_error_line(net::text_line line) {
    mcp_signal s;
    s.what = mcp_signal::kind::log;
    s.text = std::move(line.text);
    hide(s.text);
    (void)tell(std::move(s));
  }

  void on_end(const net::line_process_end& how) {
    mcp_signal s;
    s.what = mcp_signal::kind::closed;
    s.why = error{errc::unavailable,
                  flooded ? fmt::format("`{}` wrote faster than it could be read", program)
                          : fmt::format("`{}` ended: {}", program, how.describe()),
                  certainty::unknown};
    (void)tell(std::move(s));
  }

  void hide(std::string& text) const {
    constexpr std::string_view hidden = "***";
    for (const auto& secret : secrets)
      for (auto at = text.find(secret); at != text.npos;
           at = text.find(secret, at + hidden.size()))
        text.replace(at, secret.size(), hidden);
  }
};

class stdio_transport final : public mcp_transport {
public:
  explicit stdio_transport(const mcp_options& options) : options_(options) {}

  result<void> open(std::uint64_t generation, mcp_sink sink) override {
    process_.reset();
    state_ = std::make_shared<stdio_state>();
    state_->generation = generation;
    state_->sink = std::move(sink);
    state_->program = options_.argv.front();
    state_->line_max = options_.response_size_max;
    net::child_spec spec;
    spec.argv = options_.argv;
    spec.working_dir = options_.cwd.string();
    spec.env_allow = options_.env;
    for (const auto& name : options_.env)
      if (const char* value = std::getenv(name.c_str()); value != nullptr)
        if (std::string_view{value}.size() >= secret_min && !open_variables.contains(name))
          state_->secrets.emplace_back(value);
    net::line_process_options how;
    how.line_max = options_.response_size_max;
    auto s = state_;
    auto started = net::line_process::start(
      std::move(spec), how,
      {[s](net::text_line l) { s->on_line(std::move(l)); },
       [s](net::text_line l) { s->on_error_line(std::move(l)); },
       [s](const net::line_process_end& e) { s->on_end(e); }});
    if (!started)
      return std::move(started).error();
    process_ = std::move(*started);
    return {};
  }

  result<void> send(mcp_outgoing message) override {
    if (!process_)
      return error{errc::unavailable, "the server is not running"};
    return process_->write(message.body);
  }

  void drop(std::uint64_t) override {} // one channel for all: there is nothing to close
  void speak(const mcp_dialect&) override {}

  void close() override {
    if (process_)
      process_->stop();
  }

  void handled() override {
    if (!state_)
      return;
    state_->unread.fetch_sub(1, std::memory_order_relaxed);
    if (state_->flooded && process_)
      process_->stop();
  }

private:
  mcp_options options_;
  std::shared_ptr<stdio_state> state_;
  std::unique_ptr<net::line_process> process_;
};

} // namespace

std::unique_ptr<mcp_transport> make_mcp_stdio(const mcp_options& options) {
  return std::make_unique<stdio_transport>(options);
}

std::unique_ptr<mcp_transport> make_mcp_transport(const mcp_options& options,
                                                  net::http_transport& transport,
                                                  const time_source& clock) {
  return options.argv.empty() ? make_mcp_http(options, transport, clock) : make_mcp_stdio(options);
}

} // namespace troupe
