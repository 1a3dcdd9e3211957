#pragma once
// The wall's server and a troupe that asks it, as two processes.

#include "tests/chaos/llm_wall/wall_faults.hpp"
#include "tests/chaos/process.hpp"

#include <fmt/format.h>

namespace troupe::test {

/// `[models.NAME]` on the wall.
struct wall_model {
  std::string name;
  std::string kind;
  std::string fault; ///< the first part of its path
  std::string more{}; ///< further keys
};

class wall_ground {
public:
  static constexpr std::uint64_t attempts_max = 5;

  explicit wall_ground(const std::vector<wall_model>& models) {
    REQUIRE(wall.says("port "));
    auto said = wall.err();
    wall_port = static_cast<std::uint16_t>(std::stoi(said.substr(said.find("port ") + 5)));
    port = free_port();
    troupe.emplace(std::vector<std::string>{"run", topology(models)});
    bool ready = troupe->says("troupe.ready");
    INFO(troupe->err());
    REQUIRE(ready);
  }

  /// Asks `model` for an answer to `text`.
  /// @returns the invocation
  std::string ask(http_peer& peer, std::string_view model, std::string_view text, bool streams) {
    net::http_headers headers;
    headers.add("Prefer", "respond-async");
    auto got = peer.post("/v1/agents/asker/invocations",
                         fmt::format(R"({{"model":"{}","text":"{}","streams":{}}})", model, text,
                                     streams),
                         headers);
    INFO(got.failure + got.body);
    REQUIRE(got.status == 202);
    return got.text("id");
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port); }
  std::string wall_url() const { return fmt::format("http://127.0.0.1:{}", wall_port); }

private:
  std::string topology(const std::vector<wall_model>& models) const {
    auto text = fmt::format(R"(
[troupe]
plugins = ["{}"]
store = "t.db"
listen = "127.0.0.1:{}"
[agents.asker]
concurrency = 1000
)",
                            chaos_plugin(), port);
    for (const auto& m : models)
      text += fmt::format(R"([models.{}]
kind = "{}"
model = "wall"
base_url = "http://127.0.0.1:{}/{}/v1"
timeout = "1s"
first_chunk_timeout = "1s"
stall_timeout = "1s"
total_timeout = "20s"
attempts_max = {}
response_size_max = "256KiB"
backoff_base = "20ms"
backoff_throttled = "40ms"
backoff_max = "100ms"
breaker.open_for = "200ms"
limits.cooling = "50ms"
limits.cooling_max = "1s"
limits.set_aside = "300ms"
{})",
                          m.name, m.kind, wall_port, m.fault, attempts_max, m.more);
    return folder.write("t.toml", text);
  }

  scratch folder;
  troupe_process wall{{}, {}, std::string{paths::build_dir} + "/bin/wall_server"};
  std::uint16_t wall_port = 0;
  std::uint16_t port = 0;
  std::optional<troupe_process> troupe;
};

} // namespace troupe::test
