#pragma once
// The subcommands: what each is told, and the function that does it. Private to this room.
//
// Only command_line.cpp knows how options are written; each command's own file knows what they
// mean. All return an exit code.

#include "runtime/core/secret.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe::cli {

/// What `troupe` exits with. Scripts rely on these: append, never renumber.
enum exit_code : int {
  exit_ok = 0,
  exit_failed = 1,      ///< the invocation failed, or the command did
  exit_usage = 2,       ///< bad usage, input or topology
  exit_unreachable = 3, ///< no server, or it was busy for as long as we were to try
  exit_not_found = 4,   ///< no such agent or invocation
  exit_conflict = 5,    ///< a key with another input; a state that forbids it
  exit_unfinished = 6, ///< the wait is over and it still runs; work is left that waits for a person
  exit_forbidden = 7,  ///< the token is missing or wrong
  exit_interrupted = 130,
};

/// Common to all that talk to a running troupe.
struct client_options {
  std::string server = "http://127.0.0.1:7070";
  secret token;      ///< from TROUPE_TOKEN alone: a command line can be read by others
  bool json = false; ///< for programs
};

struct run_options {
  std::string file;
  bool once = false;
  bool quiet = false;
  std::string listen;    ///< in place of the topology's
  std::string store;     ///< likewise
  std::string log_level; ///< likewise
  std::string log_file;  ///< instead of stderr
};

struct check_options {
  std::string file;
  bool json = false;
};

struct invoke_options {
  client_options client;
  std::string agent;
  std::string input;       ///< JSON, @file or -
  std::string input_lines; ///< a file, or -
  std::string key;
  std::string key_field;
  std::string tenant;
  /// Wait for the end: 0 is without a bound, nothing is not at all.
  std::optional<std::uint32_t> wait_seconds;
  /// How long an unreachable or busy server is tried again.
  std::chrono::seconds timeout{30};
  std::uint32_t parallel = 16;
};

struct list_options {
  client_options client;
  std::string agent;
  std::string status;
  std::string since;
  bool open = false;
  std::uint32_t limit = 50;
};

struct subject_options {
  client_options client;
  std::string id;
  /// journal: write the whole of it to this file, `-` for stdout
  std::optional<std::string> export_file;
  bool follow = false;       ///< events
};

struct letters_options {
  client_options client;
  std::string id;
  std::uint32_t limit = 50;
};

struct signal_options {
  client_options client;
  std::string id;
  std::string name;
  std::string value = "null";
};

struct approve_options {
  client_options client;
  std::string id;
  bool deny = false;
  std::string reason;
  std::string call; ///< which one, where several wait; empty: the one that waits longest
};

struct resolve_options {
  client_options client;
  std::string id;
  std::optional<std::string> done;
  bool not_done = false;
  bool abort = false;
  std::string at; ///< the address of the effect that is meant; empty: whichever is next
};

struct breaker_options {
  client_options client;
  std::string name;  ///< of a tool or model; empty: lists all
  std::string order; ///< open, close, auto
};

struct backup_options {
  std::string file;
  std::string store = "troupe.db";
};

int run(const run_options& o);
int check(const check_options& o);
int invoke(const invoke_options& o);
int invoke_lines(const invoke_options& o);
int list(const list_options& o);
int show(const subject_options& o);
int journal(const subject_options& o);
int export_journal(const subject_options& o);
int events(const subject_options& o);
int signal(const signal_options& o);
int approve(const approve_options& o);
int cancel(const subject_options& o);
int retry(const subject_options& o);
int resolve(const resolve_options& o);
int agents(const client_options& o);
int breaker(const breaker_options& o);
int limits(const client_options& o);
int list_letters(const letters_options& o);
int show_letter(const letters_options& o);
int retry_letter(const letters_options& o);
int drop_letter(const letters_options& o);
int backup(const backup_options& o);
int version();

} // namespace troupe::cli
