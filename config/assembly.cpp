#include "config/assembly.hpp"

#include "actors/flow/chat.hpp"
#include "actors/flow/dispatcher.hpp"
#include "actors/guard/breaker_actor.hpp"
#include "actors/llm/llm_endpoint.hpp"
#include "actors/tool/function_tool.hpp"
#include "actors/tool/tool.hpp"
#include "config/cast_services.hpp"
#include "runtime/core/timer.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

namespace troupe::config {
namespace {

invocation_options invocation_options_of(const topology& what) {
  invocation_options o;
  o.inline_max = what.store.inline_max;
  o.entries_warn = what.store.entries_warn;
  o.entries_max = what.store.entries_max;
  o.generations_kept = what.store.generations;
  o.deaths_max = what.dispatcher.deaths_max;
  return o;
}

/// What the topology's own tools are for; those of servers come when they are asked.
std::shared_ptr<tool_catalog> catalog_of(const topology& what) {
  auto out = std::make_shared<tool_catalog>();
  for (const auto& [name, tool] : what.tools) {
    catalog_entry entry{name, tool.description, tool.input_schema};
    if (tool.kind == tool_kind::function)
      if (auto fn = find_function(tool.function.class_name.empty() ? name
                                                                   : tool.function.class_name)) {
        if (entry.description.empty())
          entry.description = fn->description;
        if (entry.parameters.empty())
          entry.parameters = fn->input_schema;
      }
    out->put(std::move(entry));
  }
  return out;
}

/// Classes that no code has: each such agent gets one of its own.
void register_chats(const topology& what, const std::shared_ptr<tool_catalog>& catalog) {
  for (const auto& [name, agent] : what.agents)
    if (auto named = agent; named.class_name == chat_class_word) {
      named.name = name;
      register_agent(make_chat_class(named, catalog));
    }
}

} // namespace

std::vector<agent_options> agents_of(const topology& what) {
  std::vector<agent_options> all;
  for (const auto& [name, a] : what.agents) {
    all.push_back(a);
    all.back().name = name;
    if (all.back().class_name == chat_class_word)
      all.back().class_name = chat_class_name(all.back());
  }
  return all;
}

backend_factories real_backends() {
  backend_factories out;
  out.tool = [](const tool_options& o, const backend_setup& with) {
    return make_tool_parts(o, with.env, *with.transport);
  };
  out.model = [](const endpoint_options& o, const backend_setup& with) {
    return make_model_backend(with.system, with.env, with.timer, o, with.transport);
  };
  return out;
}

assembly::assembly(assembly_setup setup)
  : setup_(std::move(setup)), log_(setup_.store, setup_.env) {
  if (!setup_.on_fatal)
    setup_.on_fatal = [](const error&) {};
}

assembly::~assembly() {
  stop();
}

result<void> assembly::start() {
  auto& s = setup_;
  log_.on_commit = s.on_commit;
  journal_ = log_.start(s.system);
  timer_ = spawn_timer(s.system, s.env.clock, s.env.events);
  reader_ = spawn_reader(s.system, log_);
  store_breaker_ = spawn_store_breaker(s.system, log_);
  s.env.services.put(breaker_service_name("store"), store_breaker_, {});
  catalog_ = catalog_of(s.what);
  register_chats(s.what, catalog_);
  budgets_ = make_budgets();
  services_setup services{s.system,   s.env,      s.what, timer_,  s.transport,
                          s.backends, s.on_fatal, s.mcp,  catalog_, budgets_};
  auto root = start_services(services);
  if (!root)
    return std::move(root).error();
  root_ = std::move(*root);
  if (s.mcp)
    await_mcp_servers(services);
  dispatcher_setup d{s.env,
                     log_,
                     reader_,
                     timer_,
                     s.what.dispatcher,
                     agents_of(s.what),
                     s.invocations ? *s.invocations : invocation_options_of(s.what),
                     s.what.store.retention,
                     s.on_fatal};
  for (const auto& [name, t] : s.what.tenants)
    d.tenant_shares.emplace(name, t.share);
  dispatcher_ = s.system.spawn<troupe::dispatcher>(std::move(d));
  watch();
  return {};
}

// What was spent before stands in the store, as the state of an agent that no topology can name, and
// goes there in the commit of what it was spent on, or in one before it.
std::shared_ptr<budget_book> assembly::make_budgets() {
  constexpr std::string_view keeper = "troupe.budgets";
  if (setup_.what.budgets.empty())
    return nullptr;
  std::vector<budget_options> all;
  for (const auto& [_, b] : setup_.what.budgets)
    all.push_back(b);
  auto book = std::make_shared<budget_book>(std::move(all), setup_.env);
  // Nobody else calls the store yet.
  for (std::size_t shard = 0; shard < budget_book::shards; ++shard)
    if (auto kept = setup_.store.load_state(keeper, std::to_string(shard)); kept && *kept)
      book->restore(shard, **kept);
  book->keep = [this, keeper](std::size_t shard, std::string body) {
    store::unit u;
    u.state = store::saved_state{std::string{keeper}, std::to_string(shard), std::move(body)};
    log_.append(std::move(u), nullptr, log_.incarnation(), nullptr);
  };
  return book;
}

// Without one of these nothing works any more, and none can be restarted alone: the process ends
// with an error, and the next one goes on from the store.
void assembly::watch() {
  auto all = std::vector<caf::actor>{journal_, timer_, reader_, dispatcher_};
  setup_.system.spawn([all = std::move(all),
                       fatal = setup_.on_fatal](caf::event_based_actor* self) {
    for (const auto& a : all)
      self->monitor(a);
    auto left = all.size();
    self->set_down_handler([fatal, left](caf::scheduled_actor* me, caf::down_msg& down) mutable {
      if (down.reason != caf::exit_reason::user_shutdown && down.reason)
        fatal(error{errc::internal, "a core actor has died: " + caf::to_string(down.reason)});
      if (--left == 0)
        me->quit();
    });
    return caf::behavior{[](caf::unit_t) {}};
  });
}

void assembly::stop(caf::exit_reason how) {
  for (auto* who : {&dispatcher_, &root_, &store_breaker_, &reader_, &timer_}) {
    if (*who)
      caf::anon_send_exit(*who, how);
    *who = nullptr;
  }
  if (journal_ && how == caf::exit_reason::kill)
    caf::anon_send_exit(journal_, how);
  journal_ = nullptr;
  setup_.env.services.clear();
  log_.stop();
}

} // namespace troupe::config
