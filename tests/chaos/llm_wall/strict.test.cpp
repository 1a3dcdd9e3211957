// Forty callers before a model that two keys may ask 500 times a minute each, and 20 at once: real
// processes, and a server that counts for itself. No 429, all that is allowed is used, and each agent
// gets the same, however many callers it has.
//
// It takes the minute that such a limit is about, and little of the processors meanwhile.

#include "tests/chaos/llm_wall/strict_limits.hpp"
#include "tests/chaos/process.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <map>

using namespace troupe;
using namespace troupe::test;

namespace {

using std::chrono::milliseconds;
using clock_type = std::chrono::steady_clock;

/// What is counted: from the first request that the server saw. More than a window of its limits.
constexpr std::chrono::seconds counted{66};

/// Callers of each agent, 40 in all; first come, first served would give three times as much to the
/// first as to the last, an index of 0.87.
const std::map<std::string, int>& crowd() {
  static const std::map<std::string, int> all{{"triage", 9}, {"refund", 7}, {"search", 5},
                                              {"mail", 5},   {"audit", 4},  {"plan", 4},
                                              {"tags", 3},   {"titles", 3}};
  return all;
}

/// The server, and a troupe that may use what it allows and no more.
struct strict_processes {
  explicit strict_processes() {
    REQUIRE(server.says("port "));
    auto said = server.err();
    server_port = static_cast<std::uint16_t>(std::stoi(said.substr(said.find("port ") + 5)));
    port = free_port();
    std::vector<std::string> keys{"STRICT_KEY_1=sk-one", "STRICT_KEY_2=sk-two"};
    troupe.emplace(std::vector<std::string>{"run", topology()}, keys);
    bool ready = troupe->says("troupe.ready");
    INFO(troupe->err());
    REQUIRE(ready);
  }

  std::string topology() const {
    auto text = fmt::format(R"(
[troupe]
plugins = ["{}/lib/libchaos_agents.so"]
store = "t.db"
listen = "127.0.0.1:{}"
[models.strict]
kind = "openai"
model = "strict"
base_url = "http://127.0.0.1:{}/model/v1"
api_key_env = ["STRICT_KEY_1", "STRICT_KEY_2"]
concurrent = {}
limits.requests_per_minute = {}
)",
                            paths::build_dir, port, server_port, strict_in_flight, strict_per_minute);
    for (const auto& [agent, _] : crowd())
      text += fmt::format("[agents.{}]\nclass = \"asker\"\nconcurrency = 100\n", agent);
    return folder.write("t.toml", text);
  }

  scratch folder;
  troupe_process server{{}, {}, fmt::format("{}/bin/strict_server", paths::build_dir)};
  std::uint16_t server_port = 0;
  std::uint16_t port = 0;
  std::optional<troupe_process> troupe;
};

/// Callers that have the next request as soon as the last one is answered.
class callers {
public:
  explicit callers(std::uint16_t port) : peer_(fmt::format("http://127.0.0.1:{}", port)) {
    for (const auto& [agent, n] : crowd())
      for (int i = 0; i < n; ++i)
        threads_.emplace_back([this, who = agent] { ask_on(who); });
  }
  ~callers() { end(); }

  /// Lets them have their last answers. @returns the first one that was not right; empty: all were
  std::string end() {
    done_ = true;
    for (auto& t : threads_)
      t.join();
    threads_.clear();
    return wrong_;
  }
  bool content() const { return !done_; }
  std::uint64_t answers() const { return answers_; }

private:
  void ask_on(const std::string& agent) {
    for (int n = 0; !done_; ++n) {
      auto text = fmt::format("{} {}", agent, n);
      auto got = peer_.send("POST", "/v1/agents/" + agent + "/invocations",
                            fmt::format(R"({{"model":"strict","text":"{}","streams":false}})", text), {},
                            std::chrono::seconds{60});
      ++answers_;
      auto all = got.json();
      const auto* o = all.if_object();
      const auto* r = o == nullptr ? nullptr : o->if_contains("result");
      if (r != nullptr && r->at("text").as_string() == text)
        continue;
      std::lock_guard lock{mutex_};
      wrong_ = fmt::format("{}: {} {}{}", text, got.status, got.body, got.failure);
      done_ = true;
    }
  }

  http_peer peer_;
  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> answers_{0};
  std::mutex mutex_;
  std::string wrong_;
  std::vector<std::thread> threads_;
};

/// What the server has counted, of the time that is looked at.
struct tally {
  explicit tally(const boost::json::value& counts) {
    refused = counts.at("refused").to_number<std::uint64_t>();
    too_many_at_once = counts.at("too_many_at_once").to_number<std::uint64_t>();
    peak = counts.at("peak").to_number<std::uint64_t>();
    for (const auto& one : counts.at("taken").as_array()) {
      if (one.at(0).to_number<std::int64_t>() >= milliseconds{counted}.count())
        continue;
      ++taken;
      ++keys[one.at(1).as_string().c_str()];
      ++agents[one.at(2).as_string().c_str()];
    }
  }

  double share() const {
    auto allowed = static_cast<double>(strict_keys * strict_per_minute)
                   * static_cast<double>(counted / std::chrono::seconds{1})
                   / static_cast<double>(strict_window / std::chrono::seconds{1});
    return static_cast<double>(taken) / allowed;
  }

  /// Jain's index: 1 where all agents have the same, 1/n where one has all.
  double fairness() const {
    double sum = 0;
    double squares = 0;
    for (const auto& [_, n] : agents) {
      sum += static_cast<double>(n);
      squares += static_cast<double>(n) * static_cast<double>(n);
    }
    return sum * sum / (static_cast<double>(agents.size()) * squares);
  }

  void print() const {
    std::printf("429s: %llu for the rate, %llu for the places; in flight at most %llu of %zu\n",
                static_cast<unsigned long long>(refused),
                static_cast<unsigned long long>(too_many_at_once),
                static_cast<unsigned long long>(peak), strict_in_flight);
    std::printf("taken in %lld s: %llu, %.2f %% of what is allowed\n",
                static_cast<long long>(counted / std::chrono::seconds{1}),
                static_cast<unsigned long long>(taken), 100 * share());
    for (const auto& [key, n] : keys)
      std::printf("  key %-8s %5llu\n", key.c_str(), static_cast<unsigned long long>(n));
    for (const auto& [agent, n] : agents)
      std::printf("  agent %-8s %2d callers %5llu\n", agent.c_str(), crowd().at(agent),
                  static_cast<unsigned long long>(n));
    std::printf("fairness index over agents: %.4f\n", fairness());
  }

  std::uint64_t refused = 0;
  std::uint64_t too_many_at_once = 0;
  std::uint64_t peak = 0;
  std::uint64_t taken = 0;
  std::map<std::string, std::uint64_t> keys, agents;
};

} // namespace

TEST_CASE("forty callers of a strict server with two keys meet no 429 and use what it allows fairly",
          "[paced]") {
  strict_processes both;
  http_peer server{fmt::format("http://127.0.0.1:{}", both.server_port)};
  callers all{both.port};

  for (auto until = clock_type::now() + counted + std::chrono::seconds{1};
       clock_type::now() < until && all.content();)
    std::this_thread::sleep_for(milliseconds{100});

  tally t{server.get("/counts").json()};
  auto wrong = all.end();
  t.print();
  CHECK(wrong == "");
  CHECK(all.answers() >= t.taken);
  CHECK(t.refused + t.too_many_at_once == 0);
  CHECK(t.peak <= strict_in_flight);
  CHECK(t.keys.size() == strict_keys);
  CHECK(t.agents.size() == crowd().size());
  CHECK(t.share() >= 0.99);
  CHECK(t.fairness() >= 0.95);
}
