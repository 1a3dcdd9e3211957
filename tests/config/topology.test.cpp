#include "tests/config/support.hpp"

#include <boost/json/parse.hpp>

namespace troupe::config::test {

using namespace std::chrono_literals;

namespace {

topology desk(variables more = {}) {
  more.emplace("DESK_TOKEN", "hush");
  auto parsed = load_topology(room() / "valid/desk.toml", environment(std::move(more)));
  INFO(render(parsed.problems));
  REQUIRE(parsed);
  return std::move(*parsed.value);
}

} // namespace

TEST_CASE("a topology's process settings are read") {
  auto t = desk({{"LOG", "debug"}, {"PORT", "0"}});

  CHECK(t.runtime.name == "desk");
  CHECK(t.runtime.log == level::debug);
  CHECK(t.runtime.threads == 2);
  REQUIRE(t.runtime.plugins.size() == 1);
  CHECK(t.runtime.plugins[0] == room() / "valid/libdesk.so");
  CHECK(t.store.path == room() / "valid/data/desk.db");
  CHECK(t.store.retention == 30 * 24h);
  CHECK(t.store.inline_max == 8'192);
  CHECK(t.store.entries_max == 50'000);
  CHECK(t.gateway.host == "0.0.0.0");
  CHECK(t.gateway.port == 0);
  CHECK(t.gateway.token.reveal() == "hush");
  CHECK(t.gateway.wait_max == 30s);
  CHECK(t.dispatcher.recovery_rate == 5'000);
}

TEST_CASE("agents are read, with defaults for what is not said") {
  auto t = desk();

  REQUIRE(t.agents.size() == 2);
  const auto& triage = t.agents.at("triage");
  CHECK(triage.name == "triage");
  CHECK(triage.class_name == "desk_triage");
  CHECK(triage.key == "customer");
  CHECK(triage.yields);
  CHECK(triage.deadline == 90min);
  CHECK(triage.concurrency == 64);
  CHECK(triage.tools == std::vector<std::string>{"knowledge", "ticketing", "chat"});
  CHECK(t.agents.at("summary").class_name == "summary");
  CHECK(t.agents.at("summary").passivate_after == 2s);
}

TEST_CASE("tools of every kind are read") {
  auto t = desk();

  const auto& knowledge = t.tools.at("knowledge");
  CHECK(knowledge.kind == tool_kind::command);
  CHECK(knowledge.effect == effect_class::read);
  CHECK(knowledge.command.argv.back() == "{top}");
  CHECK(knowledge.command.cwd == room() / "valid/kb");
  CHECK(knowledge.command.env == std::vector<std::string>{"PATH"});
  CHECK(knowledge.retry.timeout == 500ms);
  CHECK(boost::json::parse(knowledge.input_schema).is_object());

  const auto& ticketing = t.tools.at("ticketing");
  CHECK(ticketing.kind == tool_kind::http);
  CHECK(ticketing.http.url == "http://127.0.0.1:8080/queues/{queue}/tickets");
  CHECK(ticketing.http.headers.at("Authorization").reveal() == "Bearer hush");
  CHECK(ticketing.http.success == std::vector<status_range>{{201, 201}, {204, 205}});
  CHECK(ticketing.retry.attempts_max == 5);
  CHECK(ticketing.retry.total_timeout == 30s);

  const auto& chat = t.tools.at("chat");
  CHECK(chat.key == "/ticket/id");
  CHECK(chat.effect == effect_class::at_most_once);
  CHECK(chat.http.body == "{\"text\": {text}, \"price\": \"${5}\"}");
  CHECK(chat.reconcile.url == "http://127.0.0.1:8081/posts?ref={idempotency_key}");
  CHECK(chat.reconcile.result == "/items/0");
  CHECK(placeholders(chat.http.body) == std::vector<std::string>{"text", "5"});

  CHECK(t.tools.at("clock").function.class_name == "desk_clock");
  CHECK(t.tools.at("clock").function.blocking);
}

TEST_CASE("an automatic model is scripted without a key and asks the provider with one") {
  auto offline = desk().models.at("fast");
  CHECK(offline.kind == endpoint_kind::scripted);
  CHECK(offline.script == room() / "valid/fast.script.json");

  auto online = desk({{"OPENAI_API_KEY", "sk-1"}}).models.at("fast");
  CHECK(online.kind == endpoint_kind::openai);
  CHECK(online.api_key.reveal() == "sk-1");
  CHECK(online.model == "gpt-4o-mini");
  CHECK(online.retry.timeout == 60s);

  CHECK(desk({{"OPENAI_API_KEY", ""}}).models.at("fast").kind == endpoint_kind::scripted);
}

TEST_CASE("a model without a key is not given one") {
  auto t = desk({{"OPENAI_API_KEY", "sk-1"}});

  CHECK(t.models.at("local").kind == endpoint_kind::openai);
  CHECK(t.models.at("local").api_key.empty());
  CHECK(t.models.at("local").max_tokens == 512);
}

TEST_CASE("a model may have several keys and limits of each") {
  auto t = require(std::string{R"([models.m]
kind = "openai"
model = "m"
api_key_env = ["KEY_A", "KEY_B"]
[models.m.limits]
requests_per_minute = 500
burst = "1s"
)"},
                   {{"KEY_A", "sk-a"}, {"KEY_B", "sk-b"}});

  const auto& m = t.models.at("m");
  REQUIRE(m.keys().size() == 2);
  CHECK(m.keys()[1].reveal() == "sk-b");
  CHECK(m.limits.requests_per_minute == 500);
  CHECK(m.limits.burst == 1s);
}

TEST_CASE("budgets, prices and what stands in for a model are read") {
  auto t = require(std::string{R"([agents.triage]
tenant = "acme"
share = 2
[models.a]
kind = "openai"
model = "m"
fallback = ["b"]
cache.ttl = "5m"
price = { input = 2.5, output = 10 }
[models.b]
kind = "openai"
model = "n"
fallback.text = "later"
price.input = 0
[tenants.acme]
share = 3
[budgets.day]
money = 20.5
[budgets.run]
per = "invocation"
tokens = 1_000
agents = ["triage"]
)"});

  CHECK(t.models.at("a").fallback.models == std::vector<std::string>{"b"});
  CHECK(t.models.at("a").cache.ttl == 5min);
  CHECK(t.models.at("a").price.output == 10);
  CHECK(t.models.at("b").fallback.text == "later");
  CHECK(t.budgets.at("day").money == 20.5);
  CHECK(t.budgets.at("run").per == budget_period::invocation);
  CHECK(t.agents.at("triage").tenant == "acme");
  CHECK(t.tenants.at("acme").share == 3);
}

TEST_CASE("money is limited only where each model has a price and the missing one is named") {
  std::string text = R"([models.dear]
kind = "openai"
model = "m"
price = { input = 2.5, output = 10 }
[models.new]
kind = "anthropic"
model = "n"
[models.played]
kind = "scripted"
script = "s.json"
[budgets.day]
money = 20
)";

  auto told = render(parse_topology(text, "t.toml", environment({})).problems);

  INFO(told);
  CHECK(told.find("t.toml:12:9: budgets.day.money: [models.new] has no price")
        != std::string::npos);
  CHECK(told.find("[models.dear]") == std::string::npos);
  CHECK(told.find("[models.played]") == std::string::npos);
}

TEST_CASE("a tenant without a share is refused") {
  auto told = render(parse_topology("[tenants.none]\nshare = 0\n", "t.toml", environment({})).problems);

  CHECK(told.find("t.toml:2:9: tenants.none.share: must be above 0") != std::string::npos);
}

TEST_CASE("all variables of keys that are not set are named") {
  auto told = render(parse_topology(R"([models.m]
kind = "openai"
model = "m"
api_key_env = ["KEY_A", "KEY_B", "KEY_C"]
)",
                                    "t.toml", environment({{"KEY_B", "x"}}))
                       .problems);

  CHECK(told.find("the environment variables KEY_A, KEY_C are not set") != std::string::npos);
}

TEST_CASE("models that stand in for each other and budgets of nobody are refused") {
  auto parsed = parse_topology(R"([models.a]
kind = "openai"
model = "m"
fallback = ["b"]
[models.b]
kind = "openai"
model = "n"
fallback = ["a"]
[budgets.none]
agents = ["nobody"]
)",
                               "t.toml", environment({}));
  auto told = render(parsed.problems);

  CHECK_FALSE(parsed);
  CHECK(told.find("closes a cycle") != std::string::npos);
  CHECK(told.find("there is no agent 'nobody'") != std::string::npos);
  CHECK(told.find("budgets.none.tokens") != std::string::npos);
}

TEST_CASE("what no supervisor has is root's") {
  auto t = desk();

  const auto& outside = t.supervisors.at("outside");
  CHECK(outside.strategy == restart_strategy::rest_for_one);
  CHECK(outside.backoff.min == 50ms);
  CHECK(outside.backoff.jitter == 0.5);
  CHECK(outside.children
        == std::vector<child_options>{
          {.id = "models.fast"},
          {.id = "tools.ticketing", .restart = restart_policy::transient, .shutdown = 1s}});

  const auto& root = t.supervisors.at("root");
  CHECK(root.intensity == 10);
  CHECK(root.period == 1min);
  std::vector<std::string> ids;
  for (const auto& child : root.children)
    ids.push_back(child.id);
  CHECK(ids
        == std::vector<std::string>{"tools.chat", "tools.clock", "tools.knowledge",
                                    "models.local", "supervisors.outside"});
}

TEST_CASE("an empty topology is right, and has a root") {
  auto t = require("");

  CHECK(t.runtime.name == "t");
  CHECK(t.gateway.port == 7070);
  CHECK(t.supervisors.at("root").children.empty());
}

TEST_CASE("the store stands beside the topology") {
  CHECK(parse_topology("", "/a/b.toml", environment()).value->store.path == "/a/troupe.db");
  CHECK(require("[troupe]\nstore = \"/c/d.db\"\n").store.path == "/c/d.db");
  CHECK(require("[troupe]\nstore = \"d/../e.db\"\n").store.path == "e.db");
}

TEST_CASE("a later mistake finds its place") {
  auto t = require("[agents.a]\nclass = \"x\"\n");

  auto d = t.problem("agents.a.class", "no plugin has a class 'x'");
  CHECK(to_string(d) == "t.toml:2:9: agents.a.class: no plugin has a class 'x'");
  CHECK(d.excerpt == "class = \"x\"");
  CHECK(t.problem("agents.a.key", "no such field").line == 1);
  CHECK(t.problem("nothing.at.all", "?").line == 0);
}

TEST_CASE("an error of a command tool's limits names the key") {
  CHECK(problems("[tools.t]\nkind = \"command\"\nargv = [\"x\"]\nfiles_max = 2\noutput_max = 0\n")
        == "4:13: tools.t.files_max: is below 8: most programs could not start; the default is "
           "256\n"
           "5:14: tools.t.output_max: is 0, so no answer would fit; the default is \"1MiB\"\n");
}

TEST_CASE("a store's impossible bounds are refused") {
  auto found = problems("[store]\nretention = \"1s\"\ngenerations = 0\nentries_warn = 60_000\n");

  CHECK(found.find("2:13: store.retention: is below one minute") != std::string::npos);
  CHECK(found.find("3:15: store.generations: is 0") != std::string::npos);
  CHECK(found.find("4:16: store.entries_warn: is above entries_max") != std::string::npos);
}

TEST_CASE("a model that answers from a cassette needs neither key nor script") {
  auto cassette = (room() / "valid/fast.script.json").string(); // any file that is there
  auto t = require("[models.live]\nkind = \"openai\"\nmodel = \"m\"\napi_key_env = \"NO_SUCH_KEY\"\n"
                   "replay = '" + cassette + "'\n[models.dry]\nkind = \"scripted\"\nreplay = '"
                   + cassette + "'\n");

  CHECK(t.models.at("live").replay == cassette);
  CHECK(t.models.at("live").kind == endpoint_kind::openai);
  CHECK(t.models.at("dry").replay == cassette);
}

TEST_CASE("defaults of every options struct are valid") {
  endpoint_options scripted;
  scripted.script = "s.json";
  tool_options function;

  CHECK(agent_options{}.validate().empty());
  CHECK(dispatcher_options{}.validate().empty());
  CHECK(store_options{}.validate().empty());
  CHECK(gateway_options{}.validate().empty());
  CHECK(supervisor_options{}.validate().empty());
  CHECK(retry_options{}.validate().empty());
  CHECK(function.validate().empty());
  CHECK(scripted.validate().empty());
}

} // namespace troupe::config::test
