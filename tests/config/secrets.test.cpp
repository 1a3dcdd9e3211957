#include "tests/config/support.hpp"

#include "config/environment.hpp"

#include <fmt/format.h>

namespace troupe::config::test {

TEST_CASE("a secret prints as stars, whatever prints it") {
  secret s{"hush"};
  std::ostringstream out;
  out << s;

  CHECK(out.str() == "***");
  CHECK(fmt::format("{} {:>5}", s, s) == "***   ***");
  CHECK(s.reveal() == "hush");
}

TEST_CASE("no diagnostic repeats a secret") {
  const std::vector<std::string> texts{
    "[gateway]\ntoken = hush\n",
    "[gateway]\ntoken = \"hush\n",
    "[gateway]\ntoken = 'hush\nlisten = 3\n",
    "[gateway]\ntoken = [\"hush\"]\n",
    "[gateway]\ntokne = \"hush\"\n",
    "[gatewya]\ntoken = \"hush\"\n",
    "[gateway]\nlisten = 3 \"hush\"\n",
    "[gateway]\nlisten = \"0.0.0.0:1\"\ntoken = \"\"\"\nhush\n\"\"\" x\n",
    "gateway = \"hush\"\n",
    "models = { a = { api_key = \"hush\", kind = 3 } }\n",
    "models.a = { kind = 3, api_key = [ { x = \"hush\" } ] }\n",
    "models.a = { kind = \"x\", api_key = \"\"\"\nhush\"\"\", model = 4 }\n",
    "models.a.api_key = 12hush\n",
    "[models.a]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"ftp://${PASSWORD}@h\"\n",
    "[tools.a]\nkind = \"http\"\nurl = \"http://h/ ${PASSWORD}\"\n",
    "[tools.a]\nkind = \"http\"\nurl = \"http://h/\"\nheaders = { A = \"hush\\n\" }\n",
    "[tools.a]\nkind = \"http\"\nurl = 3\nheaders = { A = \"hush\", B = 3 }\n",
    "[tools.a]\nkind = \"http\"\nurl = 3\nheaders = \"hush\"\n",
    "[tools.a]\nkind = \"${PASSWORD}\"\neffect = \"${PASSWORD}\"\n",
    "[tools.a]\nkind = \"command\"\nargv = [\"x\"]\nenv = [\"A=hush\"]\ncwd = 3\n",
    "[store]\nretention = \"${PASSWORD}\"\ninline_max = \"${PASSWORD}\"\n",
    "[gateway]\nlisten = \"${PASSWORD}\"\n",
    "tools = \"hush\"\n",
    "hush\n",
    "x =\nhush\n",
  };

  for (const auto& text : texts) {
    auto parsed = parse(text, {{"PASSWORD", "hush"}});
    INFO(text << "\n" << render(parsed.problems));
    CHECK_FALSE(parsed.problems.empty());
    CHECK(render(parsed.problems).find("hush") == std::string::npos);
  }
}

TEST_CASE("no place of a topology repeats a secret") {
  auto t = require("[gateway]\ntoken = \"hush\"\n[models]\na = { kind = \"openai\", model = \"m\", "
                   "api_key = \"hush\" }\n");

  CHECK(t.gateway.token.reveal() == "hush");
  CHECK(t.models.at("a").api_key.reveal() == "hush");
  for (const auto& [path, at] : t.locations)
    CHECK(at.excerpt.find("hush") == std::string::npos);
}

TEST_CASE("a syntax error in a number shows its line") {
  CHECK(render(parse("[agents.a]\ndeadline = 3s\n").problems).find("deadline = 3s")
        != std::string::npos);
}

TEST_CASE("variables are filled in, with defaults for what is missing or empty") {
  auto env = environment({{"A", "1"}, {"EMPTY", ""}});

  CHECK(expand("x${A}y${A}", env).text == "x1y1");
  CHECK(expand("${B:-two}${EMPTY:-three}", env).text == "twothree");
  CHECK(expand("[${EMPTY}]", env).text == "[]");
  CHECK(expand("${B:-}", env).text.empty());
  CHECK(expand("${B:-}", env).missing.empty());
}

TEST_CASE("missing variables are all named") {
  CHECK(expand("${B} ${C}", environment()).missing == std::vector<std::string>{"B", "C"});
}

TEST_CASE("a value that looks like a variable is not looked at again") {
  CHECK(expand("${A}", environment({{"A", "${B}"}})).text == "${B}");
}

TEST_CASE("a doubled dollar is a dollar, and lonely ones stay") {
  CHECK(expand("$${A} $5 a$", environment()).text == "${A} $5 a$");
}

TEST_CASE("what is not a variable's name is refused") {
  CHECK_FALSE(expand("${A", environment()).malformed.empty());
  CHECK_FALSE(expand("${}", environment()).malformed.empty());
  CHECK_FALSE(expand("${a b}", environment()).malformed.empty());
  CHECK_FALSE(expand("${1}", environment()).malformed.empty());
}

TEST_CASE("a gateway open to others needs a token") {
  const std::string open = "[gateway]\nlisten = \"0.0.0.0:1\"\n";

  CHECK_FALSE(parse(open));
  CHECK_FALSE(parse(open + "token = \"${T}\"\n", {{"T", ""}}));
  CHECK(parse(open + "token = \"${T}\"\n", {{"T", "x"}}));
  CHECK(parse(open + "enabled = false\n"));
  CHECK(parse("[gateway]\nlisten = \"[::1]:1\"\n"));
  CHECK(parse("[gateway]\nlisten = \"localhost:1\"\n"));
  CHECK_FALSE(parse("[gateway]\nlisten = \"127.evil.example:1\"\n"));
}

} // namespace troupe::config::test
