// How the commands are written on a command line. The only file that sees CLI11.
#include "config/suggest.hpp"
#include "runtime/bin/commands.hpp"
#include "runtime/bin/main.hpp"
#include "runtime/bin/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>

namespace troupe::cli {
namespace {

constexpr const char* footer
  = R"(Exit codes: 0 ok, 1 failed, 2 bad usage or topology, 3 server unreachable or busy,
4 not found, 5 conflict, 6 not finished (or work that waits for a person), 7 token refused,
130 interrupted.

Examples:
  troupe check desk.toml
  troupe run desk.toml
  troupe invoke triage --input '{"id":"T-1"}' --wait
  troupe invoke triage --input-lines tickets.jsonl --key-field id --wait
  troupe ps --open
  troupe show k3f9x2-17

Environment: TROUPE_SERVER (URL of the server), TROUPE_TOKEN (its token).)";

/// Which function runs, and with what; the options outlive the parsing.
using action = std::function<int()>;

/// Adds a subcommand whose options are a fresh `Options`.
template <class Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add(CLI::App& app, action& chosen, const char* name,
                                                   const char* text, int (*run)(const Options&)) {
  auto options = std::make_shared<Options>();
  auto* sub = app.add_subcommand(name, text);
  sub->callback([&chosen, options, run, sub] {
    if (sub->get_subcommands().empty()) // else one of them was meant
      chosen = [options, run] { return run(*options); };
  });
  return {sub, options};
}

void add_client(CLI::App* sub, client_options& o) {
  sub->add_option("--server", o.server, "URL of the server")
    ->envname("TROUPE_SERVER")
    ->capture_default_str();
  sub->add_flag("--json", o.json, "for programs");
  if (const auto* token = std::getenv("TROUPE_TOKEN")) // NOLINT(concurrency-mt-unsafe)
    o.token = secret{token};
}

void add_id(CLI::App* sub, std::string& id) {
  sub->add_option("ID", id, "of the invocation, e.g. k3f9x2-17")
    ->required()
    ->check([](const std::string& given) {
      return given.empty() ? std::string{"is empty; `troupe ps` lists the ids"} : std::string{};
    });
}

void add_serving(CLI::App& app, action& chosen) {
  auto [sub, o] = add<run_options>(app, chosen, "run", "Play a topology until SIGTERM", run);
  sub->add_option("FILE", o->file, "the topology (TOML)")->required();
  sub->add_flag("--once", o->once, "end when all work is done");
  sub->add_option("--listen", o->listen, "HOST:PORT, instead of the topology's");
  sub->add_option("--store", o->store, "database file (or :memory:), instead of the topology's");
  sub->add_option("--log-level", o->log_level, "events below it are dropped")
    ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  sub->add_option("--log-file", o->log_file, "event lines go there instead of stderr");
  sub->add_flag("--quiet,-q", o->quiet, "only errors");
  sub->footer("SIGTERM or SIGINT: no new work, what runs may end (drain_timeout), then it ends;\n"
              "what is left resumes at the next start. A second one ends it at once.");

  auto [check_sub, c]
    = add<check_options>(app, chosen, "check", "Find all errors of a topology", check);
  check_sub->add_option("FILE", c->file, "the topology (TOML)")->required();
  check_sub->add_flag("--json", c->json, "for programs");

  auto [backup_sub, b]
    = add<backup_options>(app, chosen, "backup", "Copy a store, also while it is in use", backup);
  backup_sub->add_option("FILE", b->file, "the copy; must not exist")->required();
  backup_sub->add_option("--store", b->store, "the store")->capture_default_str();
}

void add_invoke(CLI::App& app, action& chosen) {
  auto [sub, o] = add<invoke_options>(app, chosen, "invoke", "Run an agent", [](const auto& given) {
    return given.input_lines.empty() ? invoke(given) : invoke_lines(given);
  });
  sub->add_option("AGENT", o->agent, "as the topology names it")->required();
  auto* input
    = sub->add_option("--input,-i", o->input, "JSON, @FILE or - (stdin); {} if not given");
  sub
    ->add_option("--input-lines", o->input_lines,
                 "a file (or -) of JSON lines, one invocation each")
    ->excludes(input);
  sub->add_option("--key,-k", o->key, "idempotency key: the same key is the same invocation");
  sub->add_option("--key-field", o->key_field, "of each line: the field that is its key");
  sub->add_option("--tenant", o->tenant, "for whom, also what it invokes; its agent's if not given");
  auto* wait = sub->add_option("--wait,-w", o->wait_seconds, "wait for the end, at most SECONDS");
  wait->expected(0, 1)->type_name("[SECONDS]")->default_str("0");
  sub
    ->add_option_function<std::uint32_t>(
      "--timeout", [o = o](std::uint32_t s) { o->timeout = std::chrono::seconds{s}; },
      "seconds for which a server that is away or busy is tried again")
    ->default_str("30");
  sub->add_option("--parallel", o->parallel, "lines at a time")
    ->check(CLI::Range(1, 256))
    ->capture_default_str();
  add_client(sub, o->client);
  sub->footer(
    "Prints the result (with --wait) or the id. Requests carry an idempotency key, so they\n"
    "are repeated when the server goes away in the middle, and nothing is begun twice.\n"
    "Without --key-field a line's key is its number and content: running the same file\n"
    "again yields the same invocations.");
}

void add_queries(CLI::App& app, action& chosen) {
  auto [ps, l] = add<list_options>(app, chosen, "ps", "List invocations, newest first", list);
  ps->add_option("--agent", l->agent);
  ps->add_option("--status", l->status,
                 "queued, running, suspended, parked, paused, quarantined, completed, failed, "
                 "cancelled");
  ps->add_flag("--open", l->open, "only those that have not ended");
  ps->add_option("--since", l->since, "created at or after, e.g. 2026-11-20T08:00:00Z");
  ps->add_option("--limit,-n", l->limit)->capture_default_str();
  add_client(ps, l->client);

  auto [show_sub, s] = add<subject_options>(app, chosen, "show",
                                            "Where an invocation stands, and what it needs", show);
  add_id(show_sub, s->id);
  add_client(show_sub, s->client);

  auto [journal_sub, j]
    = add<subject_options>(app, chosen, "journal", "What an invocation did, step by step", journal);
  add_id(journal_sub, j->id);
  journal_sub
    ->add_option("--export", j->export_file,
                 "all of it, to replay elsewhere: FILE (must not exist), or stdout")
    ->expected(0, 1)
    ->type_name("[FILE]")
    ->default_str("-");
  add_client(journal_sub, j->client);

  auto [events_sub, e]
    = add<subject_options>(app, chosen, "events", "What an invocation has emitted", events);
  add_id(events_sub, e->id);
  events_sub->add_flag("--follow,-f", e->follow, "go on until it ends");
  add_client(events_sub, e->client);

  auto [agents_sub, a] = add<client_options>(app, chosen, "agents", "List the agents", agents);
  add_client(agents_sub, *a);
}

void add_letters(CLI::App& app, action& chosen) {
  auto [all, l] = add<letters_options>(app, chosen, "deadletters",
                                       "Messages that were set aside, newest first", list_letters);
  all->add_option("--limit,-n", l->limit)->capture_default_str()->check(CLI::Range(1, 1000));
  add_client(all, l->client);
  all->footer("Poisoned: a call that threw each time its tool read it. Expired: its deadline had\n"
              "passed before anybody read it. Quarantined: an invocation that died again and again.");
  auto add_one = [&, all = all](const char* name, const char* text, auto* run) {
    auto [sub, o] = add<letters_options>(*all, chosen, name, text, run);
    sub->add_option("ID", o->id, "of the letter")->required();
    add_client(sub, o->client);
  };
  add_one("show", "What it is, and why it was set aside", show_letter);
  add_one("retry", "Take the call again; begin the invocation's next run", retry_letter);
  add_one("drop", "Forget it; cancel a quarantined invocation", drop_letter);
  auto [list, o] = add<letters_options>(*all, chosen, "list", "The same as without a word",
                                        list_letters);
  list->add_option("--limit,-n", o->limit)->capture_default_str()->check(CLI::Range(1, 1000));
  add_client(list, o->client);
}

void add_controls(CLI::App& app, action& chosen) {
  auto [sub, s] = add<signal_options>(app, chosen, "signal", "Send a signal (an approval)", signal);
  add_id(sub, s->id);
  sub->add_option("NAME", s->name)->required();
  sub->add_option("--value,-v", s->value, "JSON")->capture_default_str();
  add_client(sub, s->client);

  auto [approve_sub, p] = add<approve_options>(
    app, chosen, "approve", "Let an agent do what it has asked a person about", approve);
  add_id(approve_sub, p->id);
  approve_sub->add_flag("--deny", p->deny, "do not let it");
  approve_sub->add_option("--reason", p->reason, "it is told");
  approve_sub->add_option("--call", p->call, "this call, as `events` names it; else the first");
  add_client(approve_sub, p->client);

  auto [cancel_sub, c] = add<subject_options>(app, chosen, "cancel", "Ask it to stop", cancel);
  add_id(cancel_sub, c->id);
  add_client(cancel_sub, c->client);

  auto [retry_sub, r] = add<subject_options>(
    app, chosen, "retry", "Begin another run: what succeeded is not done again", retry);
  add_id(retry_sub, r->id);
  add_client(retry_sub, r->client);

  auto [breaker_sub, b] = add<breaker_options>(
    app, chosen, "breaker", "List the circuit breakers, or force one", breaker);
  auto* name = breaker_sub->add_option("NAME", b->name, "a tool or model; tool:x where both are x");
  breaker_sub
    ->add_option("ORDER", b->order,
                 "open: refuse all calls, close: let all through, auto: decide for itself again")
    ->check(CLI::IsMember({"open", "close", "auto"}))
    ->needs(name);
  add_client(breaker_sub, b->client);

  auto [limits_sub, m] = add<client_options>(
    app, chosen, "limits", "How far models may be used: limiters and budgets", limits);
  add_client(limits_sub, *m);

  auto [resolve_sub, d] = add<resolve_options>(
    app, chosen, "resolve", "Say what became of an effect whose outcome is unknown", resolve);
  add_id(resolve_sub, d->id);
  resolve_sub->add_option("--done", d->done, "it happened, with this result (JSON)");
  resolve_sub->add_flag("--not-done", d->not_done, "it did not happen: do it");
  resolve_sub->add_flag("--abort", d->abort, "nobody knows: fail the invocation");
  resolve_sub->add_option("--at", d->at, "only this effect, as `show` names it: refused if another");
  add_client(resolve_sub, d->client);
}

/// CLI11 says of a word that it does not know only that a subcommand is missing.
bool knows_command(const CLI::App& app, std::string_view word) {
  std::vector<std::string> names;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  if (word.starts_with('-') || std::find(names.begin(), names.end(), word) != names.end())
    return true;
  auto near = config::nearest(word, names);
  complain(fmt::format("there is no command '{}'; {}", printable(word),
                       near.empty() ? "`troupe --help` lists them"
                                    : fmt::format("did you mean '{}'?", near)));
  return false;
}

} // namespace
} // namespace troupe::cli

int troupe::main(int argc, char** argv) {
  CLI::App app{"Durable agents, played from a topology", "troupe"};
  cli::action chosen;
  app.require_subcommand(1);
  app.footer(cli::footer);
  cli::add_serving(app, chosen);
  cli::add_invoke(app, chosen);
  cli::add_queries(app, chosen);
  cli::add_controls(app, chosen);
  cli::add_letters(app, chosen);
  app.add_subcommand("version", "What this is, and what it was built with")->callback([&chosen] {
    chosen = cli::version;
  });
  app.set_version_flag("--version", "troupe " TROUPE_VERSION);
  if (argc > 1 && !cli::knows_command(app, argv[1]))
    return cli::exit_usage;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? cli::exit_ok : cli::exit_usage;
  }
  try {
    return chosen();
  } catch (const std::exception& e) {
    cli::complain(e.what());
    return cli::exit_failed;
  }
}
