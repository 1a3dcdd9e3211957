// desk_services: the two outside services of the example, in a process of their own.
//
// It knows nothing of troupe and is not killed with it, so its counts are evidence. What they
// remember is in desk_state.hpp; here are HTTP, faults, latency, and the command line.

#include "examples/ticket_desk/desk_faults.hpp"
#include "examples/ticket_desk/desk_state.hpp"
#include "runtime/net/blocking_pool.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/net/problem.hpp"

#include <CLI/CLI.hpp>
#include <boost/url/parse.hpp>
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <thread>

namespace {

namespace fs = std::filesystem;
namespace net = troupe::net;
using std::chrono::milliseconds;
using troupe::errc;
using troupe::error;
using troupe::result;

// Requests of one service in work at once, each on a thread that may sleep for its latency: more
// than a tool's default bulkhead of 25 lets through.
constexpr std::size_t calls_max = 32;
// A ticket or a chat line; the longest ticket of the example has 5 KB.
constexpr std::size_t body_max = 256 * 1024;
// For answers that are due when SIGTERM comes.
constexpr milliseconds drain_max{2'000};

struct service_options {
  std::uint16_t port = 0;
  std::uint64_t latency_ms = 0;
};

struct options {
  fs::path state;
  fs::path ports_file;
  service_options ticketing;
  service_options chat;
  desk::fault_options faults;
};

/// Method, decoded path and decoded `ref` of a request.
struct request_line {
  std::string_view method;
  std::string path;
  std::optional<std::string> ref;
};

std::optional<request_line> request_line_of(const net::http_server_request& in) {
  auto target = boost::urls::parse_origin_form(in.target);
  if (!target)
    return std::nullopt;
  request_line line{in.method, target->path(), std::nullopt};
  auto params = target->params();
  if (auto ref = params.find("ref"); ref != params.end())
    line.ref = (*ref).value;
  return line;
}

desk::answer no_such_route(const request_line& line) {
  return desk::refusal(404, errc::not_found,
                       fmt::format("no route for {} {}", line.method, line.path));
}

desk::answer ask_ticketing(desk::ticketing& service, const request_line& line,
                           const net::http_server_request& in) {
  constexpr std::string_view by_key = "/tickets/by-key/";
  if (line.method == "POST" && line.path == "/tickets")
    return service.file(in.headers.value_or("Idempotency-Key", ""), in.body);
  if (line.method == "GET" && line.path.starts_with(by_key))
    return service.by_key(std::string_view{line.path}.substr(by_key.size()));
  if (line.method == "GET" && line.path == "/counts")
    return service.counts();
  return no_such_route(line);
}

desk::answer ask_chat(desk::chat& service, const request_line& line,
                      const net::http_server_request& in) {
  if (line.method == "POST" && line.path == "/messages")
    return service.post(in.body);
  if (line.method == "GET" && line.path == "/messages" && line.ref)
    return service.find(*line.ref);
  if (line.method == "GET" && line.path == "/counts")
    return service.counts();
  return no_such_route(line);
}

/// One service on one port: its faults and its latency around what it does.
template <class Service>
class front {
public:
  using ask = desk::answer (*)(Service&, const request_line&, const net::http_server_request&);

  front(Service& service, ask ask, const service_options& with, desk::fault_options faults)
    : service_(service), ask_(ask), options_(with), faults_(faults),
      pool_({.threads_max = calls_max}) {}

  result<void> start() {
    net::http_server_options http;
    http.port = options_.port;
    http.body_max = body_max;
    auto started = net::http_server::start(
      http, [this](net::http_server_request in, net::responder out) {
        take({std::move(in), std::move(out)});
      });
    if (!started)
      return started.error();
    server_ = std::move(*started);
    return {};
  }

  std::uint16_t port() const { return server_->port(); }
  void stop() { server_->drain(drain_max); }

private:
  struct call {
    net::http_server_request in;
    net::responder out;
  };

  /// On the I/O thread, where requests have an order: so here they are counted.
  void take(call c) {
    auto fails = c.in.method == "POST" ? faults_.next() : desk::fault::none;
    auto kept = std::make_shared<call>(std::move(c));
    auto queued = pool_.post([this, kept, fails] { serve(*kept, fails); });
    if (!queued)
      kept->out.respond(queued.error());
  }

  desk::answer answer_to(const net::http_server_request& in) {
    auto line = request_line_of(in);
    return line ? ask_(service_, *line, in)
                : desk::refusal(400, errc::invalid_input, "the target is no path and query");
  }

  void serve(call& c, desk::fault fails) {
    // Half before the effect and half after it: who is killed while waiting may be on either side.
    auto half = milliseconds{c.in.method == "POST" ? options_.latency_ms / 2 : 0};
    std::this_thread::sleep_for(half);
    if (fails == desk::fault::error_before_effect)
      return c.out.respond(error{errc::unavailable, "fault on request: nothing was done"});
    auto said = answer_to(c.in);
    std::this_thread::sleep_for(half);
    if (fails == desk::fault::drop_after_effect) {
      // A stream that is begun and given up is a connection cut before there is an answer.
      c.out.start_stream({});
      c.out = {};
      return;
    }
    std::string type{said.status < 400 ? "application/json" : net::problem_content_type};
    c.out.respond(said.status, net::http_headers{{"Content-Type", type}}, std::move(said.body));
  }

  Service& service_;
  ask ask_;
  service_options options_;
  desk::fault_plan faults_;
  // In this order: the server ends first, then the calls that it has handed over.
  net::blocking_pool pool_;
  std::unique_ptr<net::http_server> server_;
};

/// Appears whole or not at all, so whoever waits for the file may read it at once.
result<void> write_whole(const fs::path& file, std::string_view text) {
  auto draft = file;
  draft += ".new";
  std::ofstream out{draft, std::ios::binary | std::ios::trunc};
  out << text << std::flush;
  std::error_code failed;
  if (out)
    fs::rename(draft, file, failed);
  if (!out || failed)
    return error{errc::store_failed, "cannot write " + file.string()};
  return {};
}

/// On stdout, and into the file if one is named.
result<void> tell_ports(const fs::path& file, std::uint16_t ticketing, std::uint16_t chat) {
  auto ports = fmt::format("{{\"ticketing\":{},\"chat\":{}}}\n", ticketing, chat);
  if (!file.empty())
    if (auto written = write_whole(file, ports); !written)
      return written;
  fmt::print("{}", ports);
  std::fflush(stdout);
  return {};
}

/// Blocked before the first thread is made, so that all threads have it blocked.
sigset_t block_end_signals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return ends;
}

result<void> serve_until_told(const options& with) {
  auto ends = block_end_signals();
  std::error_code failed;
  fs::create_directories(with.state, failed); // if it failed, opening the files says so
  desk::ticketing ticketing;
  desk::chat chat;
  if (auto opened = ticketing.open(with.state / "ticketing.jsonl"); !opened)
    return opened;
  if (auto opened = chat.open(with.state / "chat.jsonl"); !opened)
    return opened;

  front tickets{ticketing, ask_ticketing, with.ticketing, with.faults};
  front messages{chat, ask_chat, with.chat, with.faults};
  if (auto started = tickets.start(); !started)
    return started;
  if (auto started = messages.start(); !started)
    return started;
  if (auto told = tell_ports(with.ports_file, tickets.port(), messages.port()); !told)
    return told;

  int signal = 0;
  sigwait(&ends, &signal);
  tickets.stop();
  messages.stop();
  return {};
}

void describe(CLI::App& app, options& with) {
  app.add_option("--state", with.state, "Folder of what they remember")->required();
  app.add_option("--ports-file", with.ports_file, "Where to write the two ports, as JSON");
  app.add_option("--ticketing-port", with.ticketing.port, "0: any free one");
  app.add_option("--chat-port", with.chat.port, "0: any free one");
  app.add_option("--ticketing-latency-ms", with.ticketing.latency_ms, "How long each POST takes")
    ->check(CLI::Range(0, 60'000));
  app.add_option("--chat-latency-ms", with.chat.latency_ms, "How long each POST takes")
    ->check(CLI::Range(0, 60'000));
  app.add_option("--drop-after-effect-every", with.faults.drop_after_effect_every,
                 "Each N-th POST is done, then the connection is cut; 0: never");
  app.add_option("--error-before-effect-every", with.faults.error_before_effect_every,
                 "Each N-th POST is answered with 503 and not done; 0: never");
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"The ticketing and the chat service of the ticket desk, on 127.0.0.1"};
  options with;
  describe(app, with);
  CLI11_PARSE(app, argc, argv);
  if (auto served = serve_until_told(with); !served) {
    fmt::print(stderr, "desk_services: {}\n", to_string(served.error()));
    return 1;
  }
  return 0;
}
