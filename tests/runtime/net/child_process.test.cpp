#include "runtime/net/child_process.hpp"

#include "tests/runtime/net/await.hpp"
#include "tests/support/catch.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;

namespace {

child_spec shell(std::string script) {
  child_spec spec;
  spec.argv = {"/bin/sh", "-c", std::move(script)};
  return spec;
}

std::size_t open_descriptors() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator{"/proc/self/fd"})
    ++n;
  return n;
}

/// Dead, or a zombie that waits for init. SIGKILL has been sent, so only the kernel is waited for.
bool ends_soon(pid_t pid) {
  auto file = "/proc/" + std::to_string(pid) + "/stat";
  for (int i = 0; i < 100'000; ++i) {
    std::ifstream in{file};
    std::string number;
    std::string name;
    std::string state;
    if (!(in >> number >> name >> state) || state == "Z" || state == "X")
      return true;
    std::this_thread::yield();
  }
  return false;
}

} // namespace

TEST_CASE("a program reads its input, and its output and exit code come back") {
  auto spec = shell("cat; echo oops >&2; exit 3");
  spec.input = "hello";

  auto outcome = run_child(spec);

  REQUIRE(outcome);
  CHECK(outcome->output == "hello");
  CHECK(outcome->errors == "oops\n");
  CHECK(outcome->exit_code == 3);
  CHECK(outcome->signal == 0);
  CHECK_FALSE(outcome->ok());
}

TEST_CASE("arguments reach the program as they are, with no shell between") {
  child_spec spec;
  spec.argv = {"printf", "%s|", "a b", "$HOME", "`id`", ""};

  CHECK(run_child(spec).value().output == "a b|$HOME|`id`||");
}

TEST_CASE("much input and output flow at the same time") {
  child_spec spec;
  spec.argv = {"/bin/cat"};
  spec.input = std::string(3'000'000, 'x');
  spec.output_max = spec.input.size();

  CHECK(run_child(spec).value().output == spec.input);
}

TEST_CASE("a program that does not read its input is no error") {
  child_spec spec;
  spec.argv = {"/bin/true"};
  spec.input = std::string(1'000'000, 'x');

  CHECK(run_child(spec).value().ok());
}

TEST_CASE("a program that a signal ends says so") {
  auto outcome = run_child(shell("kill -9 $$"));

  REQUIRE(outcome);
  CHECK(outcome->signal == SIGKILL);
  CHECK(outcome->exit_code == -1);
}

TEST_CASE("what cannot be started is a definite failure") {
  child_spec missing;
  missing.argv = {"no-such-program-anywhere"};
  child_spec no_path;
  no_path.argv = {"/no/such/program"};
  child_spec no_program;
  no_program.argv = {"/etc/passwd"};
  auto no_folder = shell("true");
  no_folder.working_dir = "/no/such/folder";

  auto code_of = [](const child_spec& spec) {
    auto outcome = run_child(spec);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().outcome == certainty::definite);
    return outcome.error().code;
  };

  CHECK(code_of(missing) == errc::not_found);
  CHECK(code_of(no_path) == errc::not_found);
  CHECK(code_of(no_program) == errc::failed);
  CHECK(code_of(no_folder) == errc::invalid_input);
  CHECK(code_of(child_spec{}) == errc::invalid_input);
}

TEST_CASE("a program is asked to end at its deadline, and its outcome is unknown") {
  auto spec = shell("sleep 60");
  spec.timeout = 50ms;

  auto outcome = run_child(spec);

  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == errc::timed_out);
  CHECK(outcome.error().outcome == certainty::unknown);
  CHECK(outcome.error().message == "`/bin/sh` did not end within 50 ms");
}

TEST_CASE("a program that ignores the request is killed after the grace") {
  auto spec = shell("trap '' TERM; while :; do :; done");
  spec.timeout = 50ms;
  spec.kill_grace = 50ms;

  CHECK(run_child(spec).error().code == errc::timed_out);
}

TEST_CASE("too much output stops the program") {
  auto spec = shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
  spec.output_max = 100'000;

  auto outcome = run_child(spec);

  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == errc::output_too_large);
  CHECK(outcome.error().outcome == certainty::unknown);
}

TEST_CASE("of stderr the first bytes are kept") {
  auto spec = shell("printf 0123456789 >&2; echo fine");
  spec.errors_max = 4;

  auto outcome = run_child(spec);

  REQUIRE(outcome);
  CHECK(outcome->errors == "0123");
  CHECK(outcome->errors_cut);
  CHECK(outcome->output == "fine\n");
}

TEST_CASE("a stop request ends a program that runs, and keeps the next from starting") {
  std::stop_source stop;
  auto spec = shell("sleep 60");
  test::inbox<result<child_outcome>> box;
  std::thread runner{[&] { box.put(run_child(spec, stop.get_token())); }};

  stop.request_stop();
  auto outcome = box.take();
  runner.join();
  auto next = run_child(spec, stop.get_token());

  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == errc::cancelled);
  REQUIRE_FALSE(next);
  CHECK(next.error().code == errc::cancelled);
  CHECK(next.error().outcome == certainty::definite);
}

TEST_CASE("what a program leaves running in its group ends with it") {
  auto outcome = run_child(shell("sleep 60 & echo $!"));

  REQUIRE(outcome);
  CHECK(ends_soon(static_cast<pid_t>(std::stoi(outcome->output))));
}

TEST_CASE("only the named variables reach a program") {
  ::setenv("TROUPE_TEST_SECRET", "hush", 1);
  ::setenv("TROUPE_TEST_OPEN", "seen", 1);
  child_spec spec;
  spec.argv = {"env"};
  spec.env_allow = {"PATH", "TROUPE_TEST_OPEN", "TROUPE_TEST_ABSENT"};
  spec.env = {{"KEY", "a=b"}, {"TROUPE_TEST_OPEN", "mine"}};

  auto output = run_child(spec).value().output;

  CHECK(output.find("hush") == std::string::npos);
  CHECK(output.find("TROUPE_TEST_ABSENT") == std::string::npos);
  CHECK(output.find("TROUPE_TEST_OPEN=mine\n") != std::string::npos);
  CHECK(output.find("KEY=a=b\n") != std::string::npos);
}

TEST_CASE("a program runs in its working directory and within its limits") {
  auto spec = shell("pwd; ulimit -n; ulimit -t; ulimit -v; ulimit -c");
  spec.working_dir = "/usr/bin";
  spec.limits.open_files = 32;
  spec.limits.cpu_seconds = 5;
  spec.limits.address_space = std::uint64_t{512} << 20U;

  CHECK(run_child(spec).value().output == "/usr/bin\n32\n5\n524288\n0\n");
}

TEST_CASE("a program that burns its CPU time is ended by the kernel") {
  auto spec = shell("while :; do :; done");
  spec.limits.cpu_seconds = 1;

  auto outcome = run_child(spec);

  REQUIRE(outcome);
  CHECK((outcome->signal == SIGXCPU || outcome->signal == SIGKILL));
}

TEST_CASE("a program inherits no descriptor but its three pipes") {
  int leaky = ::open("/dev/null", O_RDONLY); // stays open on exec
  auto spec = shell("ls /proc/self/fd | wc -l");

  auto output = run_child(spec).value().output;
  ::close(leaky);

  CHECK(std::stoi(output) == 4); // the fourth is the folder that `ls` reads
}

TEST_CASE("nothing is left behind: no descriptor, no zombie") {
  auto before = open_descriptors();
  auto slow = shell("sleep 60");
  slow.timeout = 5ms;
  child_spec missing;
  missing.argv = {"/no/such/program"};

  for (int i = 0; i < 5; ++i) {
    CHECK(run_child(shell("true")));
    CHECK_FALSE(run_child(slow));
    CHECK_FALSE(run_child(missing));
  }

  CHECK(open_descriptors() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("programs run side by side from several threads") {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        child_spec spec;
        spec.argv = {"/bin/cat"};
        spec.input = std::to_string(t * 100 + i);
        auto outcome = run_child(spec);
        right += outcome && outcome->output == spec.input ? 1 : 0;
      }
    });

  for (auto& thread : threads)
    thread.join();

  CHECK(right == 40);
}
