// `troupe check`: all that is wrong with a topology, without playing it.
#include "config/plugins.hpp"
#include "runtime/bin/commands.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe::cli {
namespace {

std::string as_json(const std::vector<config::diagnostic>& problems) {
  std::string out = "[";
  for (const auto& d : problems) {
    if (out.size() > 1)
      out += ",\n ";
    out += fmt::format(R"({{"file":{},"line":{},"column":{},"key":{},"message":{},"hint":{}}})",
                       to_json(d.file), d.line, d.column, to_json(d.key_path), to_json(d.message),
                       to_json(d.hint));
  }
  return out + "]";
}

} // namespace

int check(const check_options& o) {
  auto read = config::load_topology(o.file, config::process_environment());
  auto problems = std::move(read.problems);
  if (read)
    problems = config::load_code(*read.value);
  if (o.json)
    say(as_json(problems));
  else if (!problems.empty())
    std::fprintf(stderr, "%s", config::render(problems).c_str());
  if (!problems.empty())
    return exit_usage;
  const auto& t = *read.value;
  if (!o.json)
    say(fmt::format("{}: all right: {} agents, {} tools, {} models", o.file, t.agents.size(),
                    t.tools.size(), t.models.size()));
  return exit_ok;
}

} // namespace troupe::cli
