#include "tests/kit/minimise.hpp"

#include "runtime/core/json.hpp"

#include <boost/describe/class.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::kit {
namespace {

using choices = std::vector<schedule::choice>;

/// A run that takes longer than this many seconds is none that anybody wants to look at.
constexpr unsigned seconds_max = 20;

/// What a run in another process says of itself.
struct told {
  std::uint64_t turns = 0;
  std::string turns_table;
  std::string events_table;
};
BOOST_DESCRIBE_STRUCT(told, (), (turns, turns_table, events_table))

[[noreturn]] void run_and_tell(int to, const attempt& first, const choices& with,
                               const scenario& s) {
  alarm(seconds_max);
  auto nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  unsetenv("TROUPE_COUNTS"); // NOLINT(concurrency-mt-unsafe): one thread
  auto a = run_attempt(first.options, &with, s);
  if (!a.failed)
    _exit(0);
  auto text = to_json(told{a.turns, std::move(a.turns_table), std::move(a.events_table)});
  for (std::string_view rest = text; !rest.empty();) {
    auto n = write(to, rest.data(), rest.size());
    if (n <= 0)
      _exit(0);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  _exit(1);
}

/// The same run with these choices; nothing where it does not fail.
std::optional<attempt> run_apart(const attempt& first, const choices& with, const scenario& s) {
  int ends[2];
  std::fflush(nullptr);
  if (pipe2(ends, O_CLOEXEC) != 0)
    return std::nullopt;
  auto child = fork();
  if (child == 0)
    run_and_tell(ends[1], first, with, s);
  close(ends[1]);
  std::string text;
  char some[4096];
  for (ssize_t n = 0; child > 0 && (n = read(ends[0], some, sizeof some)) > 0;)
    text.append(some, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)
      || WEXITSTATUS(status) != 1)
    return std::nullopt;
  auto said = from_json<told>(text);
  if (!said)
    return std::nullopt;
  auto out = first;
  out.choices = with;
  out.turns = said->turns;
  out.turns_table = std::move(said->turns_table);
  out.events_table = std::move(said->events_table);
  return out;
}

choices without(const choices& all, std::size_t begin, std::size_t end) {
  choices out{all.begin(), all.begin() + static_cast<long>(begin)};
  out.insert(out.end(), all.begin() + static_cast<long>(end), all.end());
  return out;
}

} // namespace

attempt minimise(const attempt& first, std::uint32_t tries_max, const scenario& s) {
  auto best = first;
  std::size_t parts = 1;
  for (std::uint32_t tries = 0; tries < tries_max && !best.choices.empty();) {
    auto size = best.choices.size();
    auto part = (size + parts - 1) / parts;
    bool smaller = false;
    for (std::size_t at = 0; at < size && tries < tries_max && !smaller; at += part, ++tries)
      if (auto a = run_apart(first, without(best.choices, at, std::min(size, at + part)), s)) {
        best = std::move(*a);
        smaller = true;
      }
    if (smaller)
      parts = std::max<std::size_t>(1, parts - 1);
    else if (part == 1)
      break;
    else
      parts = std::min(size, parts * 2);
  }
  return best;
}

} // namespace troupe::kit
