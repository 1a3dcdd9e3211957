#pragma once
// The client of an MCP server. Private to actors/tool; see mcp_client.hpp.
//
// One coroutine, `live` (mcp_connect.cpp), goes through the server's lives: connect, stay up, end,
// pause. Each attempt of a tool is another (mcp_calls.cpp), each request to the server an `exchange`
// that waits for its answer under its id. The tools' actors are looked after in mcp_tools.cpp.

#include "actors/guard/bounded_actor.hpp"
#include "actors/guard/call_waits.hpp"
#include "actors/tool/mcp_backend.hpp"
#include "actors/tool/mcp_client.hpp"
#include "actors/tool/mcp_wire.hpp"
#include "runtime/core/async.hpp"

#include <caf/response_promise.hpp>

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

namespace troupe {

/// What became of a request.
struct mcp_reply {
  result<std::string> value;          ///< the result, JSON text
  std::optional<rpc_failure> failure; ///< where the server answered with one
  int status = 0;                     ///< of HTTP, where that is what failed
  bool timed_out = false;
  bool session_lost = false;
  bool cut = false;
  std::string last_event_id;
  std::optional<std::chrono::milliseconds> come_back;
};

class mcp_client_actor final : public bounded_actor {
public:
  mcp_client_actor(caf::actor_config& cfg, mcp_setup setup);

  const char* name() const override { return "mcp_client"; }
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  enum class phase : std::uint8_t { connecting, up, down, stopping };
  enum class verdict : std::uint8_t { modern, legacy, silent, failed };

  /// A request whose answer is waited for; lives in its coroutine.
  struct exchange : waiting_call {
    std::chrono::milliseconds patience{}; ///< without progress
    utc_time hard = never;                ///< with it
    mcp_reply reply;
  };

  /// An attempt of a tool.
  struct call : waiting_call {
    mcp_attempt attempt;
    std::uint64_t in_flight = 0; ///< its exchange
  };
  /// A call for a tool that is not known (yet).
  struct stray : waiting_call {
    call_id caller = 0;
    std::string tool; ///< its service
    utc_time until{};
    std::function<void(error)> refuse;
    std::function<void(const caf::actor&)> pass_on;
  };
  using call_key = std::pair<std::uint64_t, attempt_id>;

  struct known_tool {
    std::shared_ptr<const mcp_tool> tool;
    caf::actor supervisor;
  };

  // -- handlers, in mcp_client.cpp --
  void on_signal(mcp_signal& s);
  void on_message(mcp_signal& s);
  void on_request(const rpc_message& m);
  void on_notification(const rpc_message& m);
  void on_noise(const std::string& text);
  void on_log(const std::string& text);
  void on_exit_asked(const caf::error& reason);
  caf::result<mcp_status> on_await_first();
  void settle_first();
  exchange* open_exchange(std::uint64_t id);

  // -- the server's lives, in mcp_connect.cpp --
  async<void> live();
  async<result<void>> connect();
  async<result<mcp_hello>> greet();
  async<verdict> discover(mcp_hello* hello, error* why);
  async<result<mcp_hello>> begin_session();
  async<result<void>> list_tools();
  async<void> stay_up();
  async<void> listen(std::uint64_t session);
  async<void> end_transport();
  void go_down(error why);
  void close_exchanges(const error& why);
  void wake_held(wake why);

  // -- requests, in mcp_calls.cpp --
  std::uint64_t next_no() { return ++last_no_; }
  mcp_outgoing outgoing(std::uint64_t id, std::string_view method, std::string_view fields) const;
  async<mcp_reply> ask(mcp_outgoing out, std::chrono::milliseconds patience, utc_time hard);
  async<mcp_reply> once(mcp_outgoing out, std::chrono::milliseconds patience, utc_time hard);
  void tell_cancelled(std::uint64_t id, std::string_view why);
  void on_attempt(mcp_attempt& a);
  void on_attempt_cancel(const mcp_attempt_cancel& c);
  async<void> serve(call* c);
  async<result<std::string>> attempt(call* c);
  async<result<void>> wait_until_up(waiting_call* c, utc_time until);
  mcp_outgoing outgoing_call(const mcp_attempt& a) const;
  result<std::string> outcome_of(const mcp_reply& reply, const mcp_attempt& a);
  void on_stray_call(call_request& r);
  void on_stray_reconcile(reconcile_request& r);
  void on_stray_cancel(call_id id);
  void begin_stray(std::unique_ptr<stray> s);
  async<void> find_tool(stray* s);
  error no_such_tool(const std::string& service) const;
  void lose_session();

  // -- the tools' actors, in mcp_tools.cpp --
  void keep_tools(std::vector<mcp_tool> found);
  result<caf::actor> start_tool(const std::shared_ptr<const mcp_tool>& tool);
  void retire(const std::string& tool, known_tool& known);
  void forget(const std::string& tool);
  void on_tool_down(const caf::down_msg& d);
  async<void> end_later(caf::actor supervisor, std::chrono::milliseconds after);
  std::string tool_names() const;

  void report(level l, std::string_view name, std::string_view what,
              std::vector<std::pair<std::string_view, std::string>> fields) const;

  const environment& env_;
  mcp_options options_;
  std::shared_ptr<net::http_transport> http_;
  std::shared_ptr<tool_catalog> catalog_; ///< may be null
  caf::actor timer_;
  caf::actor myself_; ///< while it stops
  std::string service_; ///< `mcp:fs`, in events
  std::unique_ptr<mcp_transport> transport_;

  phase phase_ = phase::connecting;
  mcp_dialect dialect_;
  mcp_hello hello_;
  std::optional<mcp_era> era_; ///< found out before
  std::uint64_t generation_ = 0;
  std::uint64_t session_ = 0;
  bool transport_open_ = false;
  bool session_lost_ = false;
  bool stale_ = false; ///< the list of tools may have changed
  error why_down_;
  utc_time next_try_ = never;
  utc_time next_list_{};
  waiting_call life_;

  std::unordered_map<std::uint64_t, exchange*> exchanges_;
  std::map<call_key, std::unique_ptr<call>> calls_;
  std::unordered_map<std::uint64_t, std::unique_ptr<stray>> strays_;
  std::set<waiting_call*> held_;
  std::map<std::string, known_tool> tools_;
  std::set<caf::actor> retired_;
  std::map<std::string, std::string> refused_; ///< tools that cannot be used, and why
  std::vector<caf::response_promise> asking_;
  bool settled_ = false;
  std::size_t noise_ = 0;
  std::uint32_t lines_ = 0; ///< of its stderr, in this window
  steady_time lines_since_{};
  std::uint64_t last_no_ = 0;
  std::uint64_t last_backend_ = 0;
  call_waits waits_;
  scope scope_; ///< last: coroutines end before what they use
};

} // namespace troupe
