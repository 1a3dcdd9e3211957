#include "runtime/net/line_process.hpp"

#include "tests/runtime/net/await.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <csignal>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
using test::inbox;

namespace {

/// What a program says, and how it ends.
struct ear {
  inbox<text_line> lines;
  inbox<text_line> errors;
  inbox<line_process_end> ends;

  line_process_events events() {
    return {[this](text_line l) { lines.put(std::move(l)); },
            [this](text_line l) { errors.put(std::move(l)); },
            [this](line_process_end e) { ends.put(e); }};
  }
};

std::unique_ptr<line_process> shell(ear& to, std::string script, line_process_options o = {}) {
  child_spec spec;
  spec.argv = {"/bin/sh", "-c", std::move(script)};
  return line_process::start(std::move(spec), o, to.events()).value();
}

} // namespace

TEST_CASE("a program that stays answers line by line") {
  ear heard;
  auto aut = shell(heard, "while read -r line; do echo \"got $line\"; done; echo bye >&2");

  REQUIRE(aut->write("one"));
  CHECK(heard.lines.take().text == "got one");
  REQUIRE(aut->write("two"));
  CHECK(heard.lines.take().text == "got two");
  aut->stop();

  auto end = heard.ends.take();
  CHECK(end.exit_code == 0);
  CHECK(end.stopped);
  CHECK(heard.errors.take().text == "bye");
}

TEST_CASE("a program that ignores the end of its input gets SIGTERM and then SIGKILL") {
  ear heard;
  line_process_options quick;
  quick.quit_grace = 50ms;
  quick.kill_grace = 50ms;
  auto stubborn = GENERATE(false, true);
  auto aut = shell(heard, std::string{stubborn ? "trap '' TERM; " : ""}
                            + "echo up; while :; do sleep 0.01; done", quick);
  CHECK(heard.lines.take().text == "up");

  aut->stop();

  CHECK(heard.ends.take().signal == (stubborn ? SIGKILL : SIGTERM));
  CHECK_FALSE(aut->write("x"));
}

TEST_CASE("a program that dies says so and takes no more") {
  ear heard;
  auto aut = shell(heard, "echo last; kill -9 $$");

  auto end = heard.ends.take();

  CHECK(end.signal == SIGKILL);
  CHECK_FALSE(end.stopped);
  CHECK(end.describe() == "signal 9");
  CHECK(heard.lines.take().text == "last");
  CHECK(aut->write("x").error().code == errc::unavailable);
}

TEST_CASE("the last line counts without its end and CR is taken off") {
  ear heard;
  auto aut = shell(heard, "printf 'a\\r\\nb'");

  heard.ends.take();

  CHECK(heard.lines.take().text == "a");
  CHECK(heard.lines.take().text == "b");
}

TEST_CASE("a line past the bound is dropped but for its ends and what follows is read") {
  ear heard;
  line_process_options small;
  small.line_max = 1'000;
  auto aut = shell(heard, "printf begin; head -c 5000000 /dev/zero | tr '\\0' x; echo end; echo ok",
                   small);

  auto long_one = heard.lines.take();
  auto next = heard.lines.take();

  CHECK(long_one.too_long);
  CHECK(long_one.text.starts_with("beginxxx"));
  CHECK(long_one.tail.ends_with("xxxend"));
  CHECK(long_one.text.size() + long_one.tail.size() <= 2 * line_splitter::ends_kept);
  CHECK(next.text == "ok");
}

TEST_CASE("a program that does not read stops taking lines at the bound") {
  ear heard;
  line_process_options small;
  small.backlog_max = 100'000;
  auto aut = shell(heard, "exec sleep 60", small);

  std::string line(10'000, 'x');
  result<void> written;
  int taken = 0;
  while (written && taken < 1'000) {
    written = aut->write(line);
    ++taken;
  }

  CHECK(written.error().code == errc::overloaded);
}

TEST_CASE("a program that closes its input is an error of the next line and not a signal") {
  ear heard;
  auto aut = shell(heard, "exec 0<&-; echo closed; exec sleep 60");
  heard.lines.take();

  result<void> written;
  for (int i = 0; i < 100'000 && written; ++i)
    written = aut->write("x");

  REQUIRE_FALSE(written);
  CHECK(written.error().code == errc::unavailable);
}

TEST_CASE("a program that is not there is known at the start") {
  ear heard;
  child_spec spec;
  spec.argv = {"no-such-program-at-all"};

  auto started = line_process::start(spec, {}, heard.events());

  REQUIRE_FALSE(started);
  CHECK(started.error().code == errc::not_found);
  CHECK(line_process::start(child_spec{}, {}, heard.events()).error().code
        == errc::invalid_input);
}

TEST_CASE("destroying it kills the program and what it has started") {
  ear heard;
  auto aut = shell(heard, "trap '' TERM; sleep 60 & echo up; wait");
  heard.lines.take();

  aut.reset();

  CHECK(heard.ends.take().signal == SIGKILL);
}

TEST_CASE("lines are the same however a pipe cuts them") {
  rc::check([](const std::vector<std::string>& pieces) {
    std::string whole;
    std::vector<std::string> expected;
    for (const auto& p : pieces)
      whole += p;
    line_splitter at_once{1'000'000};
    at_once.feed(whole, [&](text_line l) { expected.push_back(l.text); });

    line_splitter aut{1'000'000};
    std::vector<std::string> got;
    for (const auto& p : pieces)
      aut.feed(p, [&](text_line l) { got.push_back(l.text); });

    RC_ASSERT(got == expected);
  });
}
