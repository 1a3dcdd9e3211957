// disaster_services: the world of the disasters, in a process of its own.
//
// It knows nothing of troupe, outlives its kills, and counts what it receives per business key: the
// numbers of run.sh are its numbers. What it remembers and how it fails is in service_state.hpp;
// here are HTTP and time.

#include "examples/disasters/answer_later.hpp"
#include "examples/disasters/service_state.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/net/problem.hpp"

#include <CLI/CLI.hpp>
#include <boost/url/parse.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <memory>

namespace {

namespace net = troupe::net;
using disasters::answer;
using disasters::answer_later;
using disasters::milliseconds;

/// Method, decoded path and one decoded query parameter of a request.
struct request_line {
  std::string_view method;
  std::string path;
  std::string parameter;

  bool is(std::string_view m, std::string_view p) const { return method == m && path == p; }
};

request_line line_of(const net::http_server_request& in) {
  request_line line{in.method, {}, {}};
  auto target = boost::urls::parse_origin_form(in.target);
  if (!target)
    return line;
  line.path = target->path();
  if (auto params = target->params(); !params.empty())
    line.parameter = (*params.begin()).value;
  return line;
}

class world {
public:
  world(const disasters::pace& p, disasters::customers c)
    : pace_(p), chat_(p), payments_(p), tickets_(p), customers_(std::move(c)) {}

  /// On the server's one I/O thread, so the state needs no lock.
  void take(const net::http_server_request& in, net::responder out) {
    auto said = answer_to(in);
    auto kept = std::make_shared<net::responder>(std::move(out));
    auto reply = [kept, said] {
      net::http_headers headers{
        {"Content-Type", said.status < 400 ? "application/json"
                                           : std::string{net::problem_content_type}}};
      if (said.retry_after.count() > 0)
        headers.add("Retry-After-Ms", std::to_string(said.retry_after.count()));
      kept->respond(said.status, std::move(headers), said.body);
    };
    if (said.after == milliseconds{0})
      reply();
    else
      later_.at(answer_later::clock::now() + said.after, std::move(reply));
  }

private:
  answer answer_to(const net::http_server_request& in) {
    auto line = line_of(in);
    auto key = in.headers.value_or("Idempotency-Key", "");
    constexpr std::string_view tickets = "/tickets/";
    constexpr std::string_view alerts = "/alerts";
    constexpr std::string_view orders = "/orders/";
    constexpr std::string_view people = "/customers/";
    if (line.is("POST", "/messages"))
      return chat_.post(in.body);
    if (line.is("GET", "/messages"))
      return chat_.find(line.parameter);
    if (line.is("POST", "/charges"))
      return payments_.charge(key, in.body, now());
    if (line.is("POST", "/tickets"))
      return tickets_.file(key, in.body, now());
    if (line.is("GET", "/tickets"))
      return tickets_.find(line.parameter, now());
    if (line.method == "POST" && line.path.starts_with(tickets) && line.path.ends_with(alerts))
      return tickets_.attach(std::string_view{line.path}.substr(
                               tickets.size(), line.path.size() - tickets.size() - alerts.size()),
                             in.body);
    if (line.method == "GET" && line.path.starts_with(orders))
      return {200, R"({"state":"sent"})", pace_.latency, {}};
    if (line.method == "GET" && line.path.starts_with(people))
      return customers_.find(std::string_view{line.path}.substr(people.size()), now());
    if (line.is("GET", "/counts"))
      return counts();
    return {404, net::problem_json(404, troupe::errc::not_found, "no such route"), {}, {}};
  }

  answer counts() const {
    return {200, fmt::format("{{\"messages\":{},\n\"charges\":{},\n\"tickets\":{},\n"
                             "\"customers\":{}}}\n",
                             to_json(chat_.counts(), 0),
                             to_json(payments_.counts(), payments_.cents_twice()),
                             to_json(tickets_.counts(), tickets_.alerts()),
                             to_json(customers_.counts(), customers_.hung()))};
  }

  milliseconds now() const {
    return std::chrono::duration_cast<milliseconds>(answer_later::clock::now() - begun_);
  }

  answer_later::clock::time_point begun_ = answer_later::clock::now();
  disasters::pace pace_;
  disasters::chat chat_;
  disasters::payments payments_;
  disasters::tickets tickets_;
  disasters::customers customers_;
  answer_later later_; ///< last: its thread answers for the others
};

/// Blocked before the first thread is made, so that all threads have it blocked.
sigset_t block_end_signals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return ends;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"A chat, payments and tickets that fail in the usual ways, on 127.0.0.1"};
  std::uint16_t port = 0;
  disasters::pace pace;
  long latency_ms = pace.latency.count();
  long outage_from_ms = 0;
  long outage_to_ms = 0;
  long hang_ms = 500;
  app.add_option("--port", port, "0: any free one; printed as {\"port\":N}");
  app.add_option("--latency-ms", latency_ms, "of answers that come in time");
  app.add_option("--outage-from-ms", outage_from_ms, "from then on looks at customers hang");
  app.add_option("--outage-to-ms", outage_to_ms, "until then");
  app.add_option("--hang-ms", hang_ms, "for so long");
  CLI11_PARSE(app, argc, argv);
  pace.latency = milliseconds{latency_ms};

  auto ends = block_end_signals();
  world all{pace, disasters::customers{pace, milliseconds{outage_from_ms},
                                       milliseconds{outage_to_ms}, milliseconds{hang_ms}}};
  net::http_server_options http;
  http.port = port;
  auto server = net::http_server::start(
    http, [&all](const net::http_server_request& in, net::responder out) {
      all.take(in, std::move(out));
    });
  if (!server) {
    fmt::print(stderr, "disaster_services: {}\n", to_string(server.error()));
    return 1;
  }
  fmt::print("{{\"port\":{}}}\n", (*server)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}
