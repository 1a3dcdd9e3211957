// Does step 10,000 cost what step 10 costs? Medians over windows of 1,000 steps of one invocation,
// and what a chat of 100 turns stores.
//
//   bench_flat [--steps N]

#include "tests/bench/support/load.hpp"

#include <CLI/CLI.hpp>
#include <caf/event_based_actor.hpp>
#include <fmt/format.h>

#include <cstdio>

namespace {

using namespace troupe;
using namespace std::chrono_literals;

std::vector<double>* step_times = nullptr;
std::chrono::steady_clock::time_point last_step;

class long_run final : public agent<int, int> {
  task<int> run(int n) override {
    const std::string data(100, 'x');
    auto timed_step = [&data] {
      auto now = std::chrono::steady_clock::now();
      step_times->push_back(std::chrono::duration<double, std::micro>(now - last_step).count());
      last_step = now;
      return data;
    };
    for (int i = 0; i < n; ++i) {
      auto done = co_await troupe::run("step", effect_class::idempotent, timed_step);
      if (!done)
        co_return std::move(done).error();
    }
    co_return n;
  }
};
TROUPE_AGENT(long_run)

class long_chat final : public agent<int, int> {
  task<int> run(int turns) override {
    std::vector<std::string> said;
    for (int i = 0; i < turns; ++i) {
      said.push_back(fmt::format("turn {} {}", i, std::string(400, 'q')));
      auto call = llm("echo");
      for (std::size_t j = 0; j + 1 < said.size(); ++j)
        call.message(j % 2 == 0 ? "user" : "assistant", said[j]);
      auto got = co_await std::move(call).complete(said.back());
      if (!got)
        co_return std::move(got).error();
      said.push_back(got->text);
    }
    co_return turns;
  }
};
TROUPE_AGENT(long_chat)

agent_options named(std::string name) {
  agent_options a;
  a.name = std::move(name);
  return a;
}

std::uintmax_t stored_by_chat(int turns) {
  bench::scratch folder;
  auto file = folder.path() / "chat.db";
  {
    bench::rig rig{file, {named("long_chat")}};
    auto echo = rig.system().spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](const call_request&) {
                completion_text t;
                t.text = std::string(400, 'a');
                return call_reply{to_json(t), 1};
              },
              [](const call_cancel&) {}};
    });
    rig.env().services.put("llm:echo", echo, service_info{effect_class::read, false});
    bench::countdown done(1);
    rig.invoke("long_chat", std::to_string(turns), [&done](bool ok) {
      if (!ok)
        fmt::print(stderr, "the chat failed\n");
      done.one();
    });
    done.wait(60s);
    rig.env().services.clear();
    caf::anon_send_exit(echo, caf::exit_reason::user_shutdown);
  }
  return std::filesystem::file_size(file);
}

} // namespace

int main(int argc, char** argv) {
  int n = 10'000;
  CLI::App app{"flat step cost, linear chats"};
  app.add_option("--steps", n, "steps of the one invocation");
  CLI11_PARSE(app, argc, argv);
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(n));
  step_times = &times;
  {
    bench::scratch folder;
    bench::rig rig{folder.path() / "troupe.db", {named("long_run")}};
    last_step = std::chrono::steady_clock::now();
    bench::countdown done(1);
    rig.invoke("long_run", std::to_string(n), [&done](bool) { done.one(); });
    done.wait(600s);
  }
  std::string windows;
  double first = 0;
  double last = 0;
  for (std::size_t i = 0; i + 1'000 <= times.size(); i += 1'000) {
    std::vector<double> window(times.begin() + static_cast<long>(i),
                               times.begin() + static_cast<long>(i + 1'000));
    last = bench::quantile(window, 0.5);
    if (i == 0)
      first = last;
    windows += fmt::format("{}{:.1f}", windows.empty() ? "" : ",", last);
  }
  fmt::print("{{\"bench\":\"flat\",\"steps\":{},\"window_median_us\":[{}],"
             "\"last_over_first\":{:.3f},\"synchronous\":\"full\"}}\n",
             n, windows, first > 0 ? last / first : 0.0);
  auto empty = stored_by_chat(1);
  auto fifty = stored_by_chat(50);
  auto hundred = stored_by_chat(100);
  fmt::print("{{\"bench\":\"linear\",\"turns\":100,\"bytes_50_turns\":{},\"bytes_100_turns\":{},"
             "\"growth\":{:.2f}}}\n",
             fifty - empty, hundred - empty,
             static_cast<double>(hundred - empty) / static_cast<double>(fifty - empty));
}
