#include "actors/tool/command_backend.hpp"
#include "tests/actors/tool/backend_probe.hpp"

#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

result<std::string> run(command_tool_options options, std::string body,
                        std::chrono::milliseconds timeout = 20s) {
  options.memory_max = 0; // a sanitizer's shadow is larger than any sensible bound
  auto backend = make_command_backend(options, 1);
  auto request = attempt_of(std::move(body));
  request.timeout = timeout;
  return backend_probe{*backend, request}.outcome();
}

command_tool_options shell(std::string script) {
  command_tool_options o;
  o.argv = {"sh", "-c", std::move(script)};
  return o;
}

} // namespace

TEST_CASE("a command gets JSON on stdin and answers JSON on stdout") {
  command_tool_options cat;
  cat.argv = {"cat"};

  CHECK(run(cat, R"({"a":[1,2]})").value() == R"({"a":[1,2]})");
  CHECK(run(shell("exit 0"), "{}").value() == "null");
}

TEST_CASE("each argument of a command is one argument, whatever is in it") {
  command_tool_options count;
  count.argv = {"sh", "-c", R"(printf '[%d,"%s"]' $# "$1")", "sh", "{text}"};

  CHECK(run(count, R"({"text":"a; rm -rf $HOME"})").value() == R"([1,"a; rm -rf $HOME"])");
}

TEST_CASE("an argument cannot become an option") {
  command_tool_options o;
  o.argv = {"echo", "{text}"};
  CHECK(run(o, R"({"text":"--help"})").error().code == errc::invalid_input);
  CHECK(run(o, R"({"text":"-5"})").value() == "-5");
  o.argv = {"sh", "-c", R"(printf '"%s"' "$1")", "--", "{text}"};
  CHECK(run(o, R"({"text":"--help"})").value() == R"("--help")");
}

TEST_CASE("an exit code is a definite failure, with the end of stderr") {
  auto failed = run(shell("echo first >&2; echo 'no such ticket' >&2; exit 3"), "{}");

  CHECK(failed.error().code == errc::failed);
  CHECK(failed.error().outcome == certainty::definite);
  CHECK(failed.error().message.find("exit code 3") != std::string::npos);
  CHECK(failed.error().message.find("no such ticket") != std::string::npos);
}

TEST_CASE("what is not JSON, too much or too late may have happened all the same") {
  CHECK(run(shell("echo hello"), "{}").error().code == errc::schema_mismatch);

  auto large = shell("yes");
  large.output_max = 10'000;
  CHECK(run(large, "{}").error().code == errc::output_too_large);

  auto late = run(shell("exec sleep 30"), "{}", 100ms);
  CHECK(late.error().code == errc::timed_out);
  CHECK(late.error().outcome == certainty::unknown);

  auto killed = run(shell("kill -9 $$"), "{}");
  CHECK(killed.error().outcome == certainty::unknown);
}

TEST_CASE("a command sees the key and no variable that is not named") {
  ::setenv("TROUPE_TEST_SECRET", "hush", 1);
  auto said = run(shell(R"(printf '"%s/%s"' "$TROUPE_IDEMPOTENCY_KEY" "$TROUPE_TEST_SECRET")"),
                  "{}");
  ::unsetenv("TROUPE_TEST_SECRET");

  CHECK(said.value() == R"("inv-1/0/0//3/")");
}

TEST_CASE("a program that is not there is definite") {
  command_tool_options o;
  o.argv = {"no-such-program-anywhere"};

  auto missing = run(o, "{}");

  CHECK(missing.error().code == errc::not_found);
  CHECK(missing.error().outcome == certainty::definite);
}

TEST_CASE("cancelling a command ends its process") {
  auto options = shell("exec sleep 30");
  options.memory_max = 0;
  auto backend = make_command_backend(options, 1);

  backend_probe probe{*backend, attempt_of("{}")};
  backend->cancel(1);

  CHECK(probe.outcome().error().code == errc::cancelled);
}

TEST_CASE("a command reconciler is asked with key and arguments") {
  reconcile_options reconcile;
  reconcile.argv = {"sh", "-c", R"(read q; printf '{"state":"done","result":%s}' "$q")"};
  command_tool_options limits;
  limits.memory_max = 0;
  auto backend = make_command_reconciler(reconcile, limits);

  auto said = backend_probe{*backend, attempt_of(R"({"id":1})", effect_class::read)}.outcome();

  CHECK(said.value()
        == R"({"state":"done","result":{"idempotency_key":"inv-1/0/0//3","arguments":{"id":1}}})");
}

TEST_CASE("fault 41: a command that writes a gigabyte is ended at its bound, on either stream") {
  auto out = shell("exec head -c 1073741824 /dev/zero");
  CHECK(run(out, "{}").error().code == errc::output_too_large);

  auto noisy = shell("head -c 1073741824 /dev/zero >&2; echo 1");
  CHECK(run(noisy, "{}").value() == "1"); // read and dropped: only its beginning is kept
}

TEST_CASE("the whole group of a command is ended at its deadline, also what ignores SIGTERM") {
  auto pipe = std::filesystem::temp_directory_path()
              / ("troupe-group-" + std::to_string(::getpid()));
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  pollfd all_gone{::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), POLLIN, 0};
  auto stubborn = shell("exec 3>" + pipe.string() + "; trap '' TERM; (sleep 60; :) & wait");

  auto late = run(stubborn, "{}", 100ms);

  CHECK(late.error().code == errc::timed_out);
  CHECK(::poll(&all_gone, 1, 20'000) == 1); // nobody holds the other end any more
  CHECK((all_gone.revents & POLLHUP) != 0);
  ::close(all_gone.fd);
  std::filesystem::remove(pipe);
}

TEST_CASE("a command is told its limits by the kernel, and the error tells which it was") {
  auto folder = std::filesystem::temp_directory_path()
                / ("troupe-limits-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  auto writer = shell("exec head -c 100000 /dev/zero > file");
  writer.cwd = folder;
  writer.file_size_max = 10'000;
  auto busy = shell("while :; do :; done");
  busy.cpu_max = 1s;
  auto shown = shell(R"(awk '/open files|processes/ {printf "%s ", $(NF-1)}' /proc/self/limits |
                        sed 's/.*/"&"/')");
  shown.files_max = 77;
  shown.processes_max = 4'321;

  auto grown = run(writer, "{}");
  auto spent = run(busy, "{}");

  CHECK(grown.error().message.find("file_size_max") != std::string::npos);
  CHECK(grown.error().outcome == certainty::unknown);
  CHECK(std::filesystem::file_size(folder / "file") == 10'000);
  CHECK(spent.error().message.find("cpu_max") != std::string::npos);
  CHECK(run(shown, "{}").value() == R"("4321 77 ")");
  std::filesystem::remove_all(folder);
}

TEST_CASE("a command runs in the folder that it is given") {
  command_tool_options o = shell(R"(printf '"%s"' "$PWD")");
  o.cwd = "/";

  CHECK(run(o, "{}").value() == R"("/")");
}
