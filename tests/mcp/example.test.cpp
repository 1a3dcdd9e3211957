// examples/mcp_files as it stands there, with its plugin, on the real server.

#include "actors/flow/dispatcher_messages.hpp"
#include "config/cast.hpp"
#include "tests/mcp/ground.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

config::topology example(const scratch_folder& folder) {
  auto env = [&](const std::string& name) -> std::optional<std::string> {
    if (name == "NODE_MODULES")
      return server_file("node_modules");
    if (name == "TROUPE_PLUGINS")
      return std::string{paths::build_dir} + "/lib";
    if (name == "NOTES")
      return folder.path();
    if (name == "STORE")
      return folder / "notes.db";
    return std::nullopt;
  };
  auto file = std::string{paths::source_dir} + "/examples/mcp_files/topology.toml";
  auto parsed = config::load_topology(file, env);
  INFO(config::render(parsed.problems));
  REQUIRE(parsed);
  parsed.value->gateway.enabled = false;
  return std::move(*parsed.value);
}

} // namespace

TEST_CASE("the example with an MCP server writes its note and reads it back") {
  scratch_folder folder;
  auto aut = config::cast::start(example(folder));
  INFO((aut ? "" : aut.error().message));
  REQUIRE(aut);

  invoke_request request;
  request.agent = "notes";
  request.input = R"({"name":"today.txt","text":"water the plants"})";
  request.wait = true;
  invocation_reply reply;
  caf::scoped_actor self{(*aut)->system()};
  self->request((*aut)->dispatcher(), 30s, request)
    .receive([&](const invocation_reply& r) { reply = r; },
             [](const caf::error& e) { FAIL(caf::to_string(e)); });

  CHECK(reply.value.value_or("") == request.input);
  std::ifstream in{folder / "today.txt"};
  CHECK(std::string{std::istreambuf_iterator<char>{in}, {}} == "water the plants");
}
