#pragma once
// An MCP server as a script, in the place of a transport: it hears what the client says, and answers
// as the test wants it, in virtual time.

#include "actors/tool/mcp_client.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/json.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/support/catch.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace troupe::test {

namespace json = boost::json;

/// What is seen of all connections to one server.
struct mcp_script {
  /// One message from the client.
  struct heard {
    mcp_outgoing out;
    json::object message; ///< empty for a GET
    std::uint64_t generation = 0;
    std::string method() const {
      return message.contains("method") ? std::string{message.at("method").as_string()} : "";
    }
    const json::object& params() const { return message.at("params").as_object(); }
    std::string tool() const { return std::string{params().at("name").as_string()}; }
  };

  // How it behaves.
  bool modern = false;
  bool streams = false;
  std::string version = "2025-11-25";
  bool tools_change = true;
  std::vector<std::string> tools; ///< definitions
  /// Takes a message before the usual answers do; true: it has dealt with it.
  std::function<bool(const heard&)> first;
  /// Answers `tools/call`: a result, JSON text; empty: silence.
  std::function<std::string(const heard&)> call;
  error unreachable; ///< with a message: `open` fails

  // What it saw.
  std::vector<heard> all;
  std::vector<std::uint64_t> dropped;
  std::vector<mcp_dialect> dialects;
  int opened = 0;
  int closed = 0;

  // What it does.
  mcp_sink sink;
  std::uint64_t generation = 0;

  void say(std::string text, std::uint64_t request = 0) {
    mcp_signal s;
    s.generation = generation;
    s.request = request;
    s.text = std::move(text);
    sink(std::move(s));
  }
  void answer(const heard& h, std::string_view result) {
    say(fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{}}})", h.out.id, result), h.out.id);
  }
  void refuse(const heard& h, int code, std::string_view why, std::string_view data = "null") {
    say(fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":"{}","data":{}}}}})",
                    h.out.id, code, why, data),
        h.out.id);
  }
  void signal(mcp_signal::kind what, std::uint64_t request, error why) {
    mcp_signal s;
    s.what = what;
    s.generation = generation;
    s.request = request;
    s.why = std::move(why);
    sink(std::move(s));
  }
  void die() {
    signal(mcp_signal::kind::closed, 0,
           error{errc::unavailable, "`server` ended: signal 9", certainty::unknown});
  }

  int count(std::string_view method) const {
    return static_cast<int>(
      std::count_if(all.begin(), all.end(), [&](const heard& h) { return h.method() == method; }));
  }
  const heard& last(std::string_view method) const {
    for (auto i = all.rbegin(); i != all.rend(); ++i)
      if (i->method() == method)
        return *i;
    throw std::runtime_error("was never said: " + std::string{method});
  }

  void on_message(const heard& h) {
    all.push_back(h);
    if (first && first(h))
      return;
    auto method = h.method();
    auto known = fmt::format(R"("capabilities":{{"tools":{{"listChanged":{}}}}},)"
                             R"("serverInfo":{{"name":"script","version":"1"}})", tools_change);
    if (method == "server/discover" && modern)
      answer(h, fmt::format(R"({{"supportedVersions":["2026-07-28"],{}}})", known));
    else if (method == "initialize" && !modern)
      answer(h, fmt::format(R"({{"protocolVersion":"{}",{}}})", version, known));
    else if (method == "tools/list")
      answer(h, fmt::format(R"({{"tools":[{}]}})", fmt::join(tools, ",")));
    else if (method == "tools/call") {
      if (auto said = call ? call(h) : std::string{R"({"content":[]})"}; !said.empty())
        answer(h, said);
    } else if (h.out.id != 0 && method != "subscriptions/listen" && !method.empty()) {
      refuse(h, -32601, "Method not found");
    }
  }
};

class script_transport final : public mcp_transport {
public:
  explicit script_transport(std::shared_ptr<mcp_script> s) : s_(std::move(s)) {}

  result<void> open(std::uint64_t generation, mcp_sink sink) override {
    ++s_->opened;
    if (!s_->unreachable.message.empty())
      return s_->unreachable;
    s_->generation = generation;
    s_->sink = std::move(sink);
    return {};
  }
  result<void> send(mcp_outgoing m) override {
    mcp_script::heard h;
    h.generation = s_->generation;
    if (!m.body.empty())
      h.message = json::parse(m.body).as_object();
    h.out = std::move(m);
    s_->on_message(h);
    return {};
  }
  void drop(std::uint64_t request) override { s_->dropped.push_back(request); }
  void speak(const mcp_dialect& d) override { s_->dialects.push_back(d); }
  void close() override {
    ++s_->closed;
    s_->signal(mcp_signal::kind::closed, 0, error{errc::unavailable, "closed"});
  }
  bool streams() const override { return s_->streams; }

private:
  std::shared_ptr<mcp_script> s_;
};

/// Nobody may be called.
class no_http final : public net::http_transport {
public:
  net::request_id send(net::http_request, net::http_done) override {
    throw std::logic_error("no HTTP is planned");
  }
  void cancel(net::request_id) override {}
};

inline std::string tool_definition(std::string_view name, std::string_view more = "") {
  return fmt::format(R"({{"name":"{}","description":"does {}","inputSchema":{{"type":"object",)"
                     R"("properties":{{"n":{{"type":"integer"}}}}}}{}}})", name, name, more);
}

inline std::string text_result(std::string_view text) {
  return fmt::format(R"({{"content":[{{"type":"text","text":"{}"}}]}})", text);
}

/// A client of a scripted server, in its place in the directory.
struct mcp_ground {
  actor_stage stage;
  std::shared_ptr<mcp_script> server = std::make_shared<mcp_script>();
  mcp_options options;
  caf::actor aut;

  mcp_ground() {
    options.name = "fs";
    options.argv = {"server"};
    options.trusted = true;
    options.backoff.jitter = 0;
    server->tools = {tool_definition("read", R"(,"annotations":{"readOnlyHint":true})"),
                     tool_definition("write")};
  }

  void start() {
    mcp_setup setup{stage.env, options,
                    [s = server] { return std::make_unique<script_transport>(s); }, stage.timer,
                    std::make_shared<no_http>()};
    aut = stage.keep(spawn_mcp_client(stage.system(), std::move(setup)));
    stage.services.put(mcp_service_name("fs"), aut, mcp_service_info(options));
    stage.run();
  }

  /// Calls a tool by its name, as an agent does.
  awaited_ptr<call_reply> call(std::string_view tool, std::string body = "{}", call_id id = 0) {
    auto entry = stage.services.find(tool_service_name(tool)).value();
    call_request r;
    r.id = id;
    r.service = tool_service_name(tool);
    r.body = std::move(body);
    r.key = "key";
    r.cls = entry.info.cls;
    return stage.call(entry.handle, r);
  }
};

} // namespace troupe::test
