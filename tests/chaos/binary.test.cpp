// The real binary, as its users meet it.
#include "runtime/journal/exported.hpp"
#include "tests/chaos/process.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace troupe::test {
namespace {

namespace json = boost::json;

/// A topology of the plugin's agents, and what stands around it.
struct desk {
  scratch folder;
  std::uint16_t port = free_port();
  std::string file;
  std::string url = fmt::format("http://127.0.0.1:{}", port);

  explicit desk(std::string_view more = {}) {
    file = folder.write("t.toml", fmt::format(R"(
[troupe]
plugins = ["{}"]
store = "t.db"
listen = "127.0.0.1:{}"
[dispatcher]
drain_timeout = "2s"
[agents.doubler]
[agents.approved]
[agents.fails]
[agents.naps]
{})",
                                              chaos_plugin(), port, more));
  }
  std::vector<std::string> at(std::vector<std::string> args) const {
    args.insert(args.end(), {"--server", url});
    return args;
  }
};

void require_ready(const troupe_process& p) {
  bool ready = p.says("troupe.ready");
  INFO(p.err());
  REQUIRE(ready);
}

std::string line(std::string text) {
  while (text.ends_with('\n'))
    text.pop_back();
  return text;
}

TEST_CASE("what was answered before kill -9 is answered the same after it") {
  desk d;
  troupe_process first{{"run", d.file}};
  require_ready(first);
  auto before = troupe(d.at({"invoke", "doubler", "-i", "{\"n\":4}", "-k", "k1", "--wait"}));
  auto id = line(troupe(d.at({"invoke", "approved", "-i", "{\"n\":1}", "-k", "k2"})).out);
  CHECK(before.exit_code == 0);
  CHECK(line(before.out) == "{\"n\":8}");
  CHECK(first.kill().signal == SIGKILL);

  troupe_process second{{"run", d.file}};
  require_ready(second);
  auto after = troupe(d.at({"invoke", "doubler", "-i", "{\"n\":4}", "-k", "k1", "--wait"}));
  auto other = troupe(d.at({"invoke", "doubler", "-i", "{\"n\":5}", "-k", "k1", "--wait"}));
  auto same = troupe(d.at({"invoke", "approved", "-i", "{\"n\":1}", "-k", "k2"}));
  auto told = troupe(d.at({"signal", id, "approve", "-v", "{\"n\":7}"}));
  auto done = troupe(d.at({"invoke", "approved", "-i", "{\"n\":1}", "-k", "k2", "--wait"}));

  CHECK(line(after.out) == "{\"n\":8}");
  CHECK(other.exit_code == 5);
  CHECK(line(same.out) == id);
  CHECK(told.exit_code == 0);
  CHECK(line(done.out) == "{\"n\":7}");
}

TEST_CASE("an invocation that a client waits for survives kill -9 in the middle") {
  desk d;
  auto server = std::make_unique<troupe_process>(std::vector<std::string>{"run", d.file});
  require_ready(*server);

  troupe_process client{d.at({"invoke", "naps", "-i", "{\"n\":600}", "--wait", "--json"})};
  http_peer peer{d.url};
  while (peer.get("/v1/invocations?status=open").body.find("naps") == std::string::npos)
    ;
  server->kill();
  server = std::make_unique<troupe_process>(std::vector<std::string>{"run", d.file});
  auto got = client.wait();

  INFO(got.out << got.err);
  CHECK(got.exit_code == 0);
  CHECK(got.out.find("\"result\":{\"n\":600}") != std::string::npos);
}

TEST_CASE("a journal is exported to a file that nobody's test is overwritten by") {
  desk d;
  troupe_process server{{"run", d.file}};
  require_ready(server);
  auto id = line(troupe(d.at({"invoke", "approved", "-i", "{\"n\":1}"})).out);
  auto file = (d.folder / "run.journal").string();

  auto first = troupe(d.at({"journal", id, "--export", file}));
  auto again = troupe(d.at({"journal", id, "--export", file}));
  auto to_stdout = troupe(d.at({"journal", id, "--export"}));
  auto nobody = troupe(d.at({"journal", "nobody-1", "--export"}));

  INFO(first.err);
  CHECK(first.exit_code == 0);
  CHECK(again.exit_code == 5);
  CHECK(nobody.exit_code == 4);
  std::ifstream in{file};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  CHECK(text == to_stdout.out);
  auto read = journal::read_export(text, file);
  REQUIRE(read);
  CHECK(read->id == id);
  CHECK(read->agent_class == "approved");
}

TEST_CASE("a file of inputs is fed line by line, once, over a restart") {
  desk d;
  std::string lines;
  for (int i = 0; i < 40; ++i)
    lines += fmt::format("{{\"n\":{},\"id\":\"t{}\"}}\n", 20 + i, i);
  auto file = d.folder.write("in.jsonl", lines);
  auto feed = d.at({"invoke", "naps", "--input-lines", file, "--key-field", "id", "--wait"});
  auto server = std::make_unique<troupe_process>(std::vector<std::string>{"run", d.file});
  require_ready(*server);

  troupe_process client{feed};
  http_peer peer{d.url};
  while (peer.get("/v1/invocations?status=completed").body.find("naps") == std::string::npos)
    ;
  server->kill();
  server = std::make_unique<troupe_process>(std::vector<std::string>{"run", d.file});
  auto got = client.wait();
  auto again = troupe(feed);

  INFO(got.out << got.err);
  CHECK(got.exit_code == 0);
  CHECK(got.out.find("40 invocations of naps: 40 completed, 0 failed") != std::string::npos);
  CHECK(again.exit_code == 0);
  auto all = peer.get("/v1/invocations?limit=100").json();
  CHECK(all.at("invocations").as_array().size() == 40);
}

TEST_CASE("SIGTERM lets what runs end, and says goodbye with 0") {
  desk d;
  troupe_process server{{"run", d.file}};
  require_ready(server);
  auto id = line(troupe(d.at({"invoke", "naps", "-i", "{\"n\":300}"})).out);

  server.send(SIGTERM);
  auto end = server.wait();

  INFO(end.err);
  CHECK(end.exit_code == 0);
  CHECK(end.err.find("\"invocation\":\"" + id) != std::string::npos);
  CHECK(end.err.find("\"left\":0") != std::string::npos);
}

TEST_CASE("a second signal ends the process at once") {
  desk d;
  troupe_process server{{"run", d.file}};
  require_ready(server);
  troupe(d.at({"invoke", "naps", "-i", "{\"n\":1500}"}));

  server.send(SIGINT);
  http_peer peer{d.url};
  while (peer.get("/readyz").status == 200)
    ;
  server.send(SIGINT);

  CHECK(server.wait().exit_code == 130);
}

TEST_CASE("with --once the process ends when all work is done") {
  desk d;
  {
    troupe_process server{{"run", d.file}};
    require_ready(server);
    troupe(d.at({"invoke", "naps", "-i", "{\"n\":200}", "-k", "n"}));
    server.kill();
  }

  auto end = troupe({"run", d.file, "--once"});

  INFO(end.err);
  CHECK(end.exit_code == 0);
  CHECK(end.err.find("\"event\":\"invocation.ended\"") != std::string::npos);
}

TEST_CASE("with --once, work that waits for a person is exit code 6") {
  desk d;
  {
    troupe_process server{{"run", d.file}};
    require_ready(server);
    troupe(d.at({"invoke", "approved", "-i", "{\"n\":200}"}));
    server.kill();
  }

  auto end = troupe({"run", d.file, "--once"});

  INFO(end.err);
  CHECK(end.exit_code == 6);
  CHECK(end.err.find("1 invocations wait for a person") != std::string::npos);
}

TEST_CASE("fault 48: a tenant that floods its agent is told to wait, and nobody else is held up") {
  constexpr int flood = 300;
  desk d{R"(
[agents.flooded]
class = "naps"
concurrency = 2
depth_max = 50
)"};
  troupe_process server{{"run", d.file}};
  require_ready(server);
  http_peer noisy{d.url};
  http_peer quiet{d.url};
  const net::http_headers async{{"Prefer", "respond-async"}};

  int accepted = 0;
  int told_to_wait = 0;
  int served = 0;
  for (int i = 0; i < flood; ++i) {
    auto got = noisy.post("/v1/agents/flooded/invocations", "{\"n\":50}", async);
    accepted += got.status == 202 ? 1 : 0;
    told_to_wait += got.status == 429 && got.headers.contains("retry-after") ? 1 : 0;
    if (i % 10 == 0)
      served += quiet.post("/v1/agents/doubler/invocations", "{\"n\":4}").status == 200 ? 1 : 0;
  }

  CHECK(accepted >= 50);
  CHECK(told_to_wait > 0);
  CHECK(accepted + told_to_wait == flood);
  CHECK(served == flood / 10);
  auto all = [&](std::string_view status) {
    auto path = fmt::format("/v1/invocations?agent=flooded&limit=1000&status={}", status);
    return noisy.get(path).json().at("invocations").as_array().size();
  };
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (all("open") > 0 && std::chrono::steady_clock::now() < until)
    ;
  CHECK(all("completed") == static_cast<std::size_t>(accepted));
}

TEST_CASE("a topology with mistakes is exit code 2, with all of them in their places") {
  desk d{"[agents.doubler2]\nclass = \"dubler\"\n[agents.naps2]\nclass = \"nap\"\n"};

  auto checked = troupe({"check", d.file});
  auto ran = troupe({"run", d.file});
  auto as_json = troupe({"check", d.file, "--json"});

  INFO(checked.err);
  CHECK(checked.exit_code == 2);
  CHECK(ran.exit_code == 2);
  CHECK(checked.err.find("no agent class 'dubler'; did you mean 'doubler'?") != std::string::npos);
  CHECK(checked.err.find("no agent class 'nap'; did you mean 'naps'?") != std::string::npos);
  CHECK(checked.err.find("^") != std::string::npos);
  CHECK(parse_json(as_json.out)->as_array().size() == 2);
  CHECK(troupe({"check", (d.folder / "none.toml").string()}).exit_code == 2);
  CHECK(troupe({"run"}).exit_code == 2);
  CHECK(troupe({"dance"}).exit_code == 2);
}

TEST_CASE("a plugin of another build is refused, naming both stamps") {
  scratch folder;
  auto file = folder.write(
    "t.toml", fmt::format("[troupe]\nplugins = [\"{}/lib/libchaos_stranger.so\"]\n[agents.naps]\n",
                          paths::build_dir));

  auto got = troupe({"check", file});

  INFO(got.err);
  CHECK(got.exit_code == 2);
  CHECK(got.err.find("\"another troupe, clang 3\"") != std::string::npos);
  CHECK(got.err.find("troupe " TROUPE_VERSION) != std::string::npos);
}

TEST_CASE("a second process on the same store is told who has it") {
  desk d;
  troupe_process server{{"run", d.file}};
  require_ready(server);

  auto second = troupe({"run", d.file, "--listen", "127.0.0.1:0"});

  INFO(second.err);
  CHECK(second.exit_code == 1);
  CHECK(second.err.find("cannot start") != std::string::npos);
  CHECK(second.err.find(std::to_string(server.pid())) != std::string::npos);
}

TEST_CASE("a store is copied while it is in use, and the copy plays") {
  desk d;
  auto copy = (d.folder / "copy.db").string();
  std::string id;
  {
    troupe_process server{{"run", d.file}};
    require_ready(server);
    id = line(troupe(d.at({"invoke", "doubler", "-i", "{\"n\":4}", "-k", "k1"})).out);
    auto made = troupe({"backup", copy, "--store", (d.folder / "t.db").string()});
    INFO(made.err);
    CHECK(made.exit_code == 0);
    CHECK(troupe({"backup", copy, "--store", (d.folder / "t.db").string()}).exit_code == 5);
  }

  troupe_process other{{"run", d.file, "--store", copy}};
  require_ready(other);
  CHECK(troupe(d.at({"show", id})).out.starts_with(id + "  doubler  completed"));
  CHECK(troupe({"backup", copy, "--store", (d.folder / "none.db").string()}).exit_code == 2);
}

TEST_CASE("clients say with their exit code what went wrong") {
  desk d;
  troupe_process server{{"run", d.file}};
  require_ready(server);

  CHECK(troupe(d.at({"invoke", "fails", "-i", "{\"n\":1}", "--wait"})).exit_code == 1);
  CHECK(troupe(d.at({"invoke", "doubler", "-i", "{\"n\":\"x\"}"})).exit_code == 2);
  CHECK(troupe(d.at({"invoke", "doubler", "-i", "{"})).exit_code == 2);
  CHECK(troupe(d.at({"invoke", "nobody"})).exit_code == 4);
  CHECK(troupe(d.at({"show", "nothing-1"})).exit_code == 4);
  CHECK(troupe(d.at({"invoke", "approved", "-i", "{\"n\":1}", "--wait", "1"})).exit_code == 6);
  CHECK(troupe(d.at({"ps", "--status", "tired"})).exit_code == 2);
  CHECK(troupe({"ps", "--server", "http://127.0.0.1:1"}).exit_code == 3);
  auto table = troupe(d.at({"ps", "--open"}));
  CHECK(table.out.starts_with("ID"));
  CHECK(table.out.find("approved") != std::string::npos);
}

TEST_CASE("a person forces a breaker from the command line, and lets it go again") {
  desk d{"[tools.look]\nkind = \"command\"\neffect = \"read\"\nargv = [\"true\"]\n"};
  troupe_process server{{"run", d.file}};
  require_ready(server);
  auto shows = [&](std::string_view state) {
    auto got = troupe(d.at({"breaker", "look"}));
    return got.exit_code == 0 && got.out.find(state) != std::string::npos;
  };
  CHECK(shows(" closed"));

  auto forced = troupe(d.at({"breaker", "look", "open"}));
  CHECK(forced.exit_code == 0);
  CHECK(shows("forced_open"));
  CHECK(troupe(d.at({"breaker", "tool:look", "close"})).exit_code == 0);
  CHECK(shows("disabled"));
  CHECK(troupe(d.at({"breaker", "look", "auto"})).exit_code == 0);
  CHECK(shows(" closed"));

  CHECK(troupe(d.at({"breaker", "nothing"})).exit_code == 4);
  CHECK(troupe(d.at({"breaker", "nothing", "open"})).exit_code == 4);
  CHECK(troupe(d.at({"breaker", "look", "ajar"})).exit_code == 2);
}

TEST_CASE("a person sees the limits and budgets of models on the command line") {
  desk d{"[models.m]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:1\"\n"
         "[budgets.today]\ntokens = 5000\n"};
  troupe_process server{{"run", d.file}};
  require_ready(server);

  auto got = troupe(d.at({"limits"}));

  CHECK(got.exit_code == 0);
  CHECK(got.out.find("llm:m") != std::string::npos);
  CHECK(got.out.find("0 of 5000") != std::string::npos);
  CHECK(troupe(d.at({"limits", "--json"})).out.find("\"budgets\"") != std::string::npos);
  CHECK(troupe(d.at({"invoke", "doubler", "--tenant", "a b"})).exit_code == 2);
}

TEST_CASE("a person lists, retries and drops a dead letter from the command line") {
  desk d{"[agents.hoarder]\n"};
  troupe_process server{{"run", d.file}};
  require_ready(server);
  auto first_letter = [&] { // the hoarder throws at less than nothing
    auto all = json::parse(troupe(d.at({"deadletters", "list", "--json"})).out).at("letters");
    return all.as_array().empty() ? std::string{} : std::string{all.at(0).at("id").as_string()};
  };
  auto await_letter = [&] {
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (first_letter().empty() && std::chrono::steady_clock::now() < until)
      ;
    return first_letter();
  };
  CHECK(first_letter().empty());

  auto id = line(troupe(d.at({"invoke", "hoarder", "-i", "{\"n\":-1}"})).out);
  auto letter = await_letter();
  auto table = troupe(d.at({"deadletters"}));
  auto shown = troupe(d.at({"deadletters", "show", letter}));
  CHECK(table.out.find(id) != std::string::npos);
  CHECK(table.out.find("quarantined") != std::string::npos);
  CHECK(shown.out.find("troupe deadletters retry " + letter) != std::string::npos);

  CHECK(troupe(d.at({"deadletters", "retry", letter})).exit_code == 0);
  auto again = await_letter();
  CHECK(again != letter);
  CHECK(troupe(d.at({"deadletters", "drop", again})).exit_code == 0);
  CHECK(first_letter().empty());
  CHECK(troupe(d.at({"show", id})).out.find("cancelled") != std::string::npos);
  CHECK(troupe(d.at({"deadletters", "drop", again})).exit_code == 4);
}

TEST_CASE("a word that is no command and an id that is empty are named") {
  auto unknown = troupe({"canel", "x-1"});
  auto empty = troupe({"cancel", ""});

  CHECK(unknown.exit_code == 2);
  CHECK(unknown.err.find("no command 'canel'; did you mean 'cancel'?") != std::string::npos);
  CHECK(empty.exit_code == 2);
  CHECK(empty.err.find("ID: is empty") != std::string::npos);
}

TEST_CASE("a token that is missing is exit code 7") {
  desk d{"[gateway]\ntoken = \"${DESK_TOKEN}\"\n"};
  troupe_process server{{"run", d.file}, {"DESK_TOKEN=open sesame"}};
  require_ready(server);

  CHECK(troupe(d.at({"ps"}), {"TROUPE_TOKEN=wrong"}).exit_code == 7);
  CHECK(troupe(d.at({"ps"}), {"TROUPE_TOKEN=open sesame"}).exit_code == 0);
  CHECK(server.err().find("sesame") == std::string::npos);
}

} // namespace
} // namespace troupe::test
