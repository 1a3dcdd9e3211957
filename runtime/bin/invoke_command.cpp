// `troupe invoke AGENT`: one invocation.
#include "runtime/bin/invoking.hpp"
#include "runtime/bin/terminal.hpp"

#include <fmt/format.h>

namespace troupe::cli {
namespace {

int tell(const invoke_options& o, const invoked& got) {
  if (o.client.json) {
    say(got.body);
    return got.code;
  }
  if (got.code == exit_ok && o.wait_seconds)
    say(got.result);
  else if (got.code == exit_ok || got.code == exit_unfinished)
    say(got.id);
  if (got.code == exit_unfinished)
    complain(fmt::format("{} has not ended yet: troupe show {}", got.id, got.id));
  else if (!got.problem.empty())
    complain(got.id.empty() ? got.problem : fmt::format("{} {}", got.id, got.problem));
  return got.code;
}

} // namespace

int invoke(const invoke_options& o) {
  auto input = read_input(o.input);
  if (!input) {
    complain(input.error().message);
    return exit_usage;
  }
  invoker with{o};
  return tell(o, with.invoke(*input, o.key.empty() ? fresh_key() : o.key));
}

} // namespace troupe::cli
