#include "actors/tool/function_tool.hpp"
#include "runtime/core/agent.hpp"

using namespace std::chrono_literals;

struct guest {
  std::string name;
  std::string language;
};
BOOST_DESCRIBE_STRUCT(guest, (), (name, language))

struct greeting {
  std::string text;
  std::string tone;
};
BOOST_DESCRIBE_STRUCT(greeting, (), (text, tone))

struct phrase {
  std::string language;
};
BOOST_DESCRIBE_STRUCT(phrase, (), (language))

// A tool: any function from a struct to a value, or to the reason why there is none.
troupe::result<std::string> hello_in(phrase wanted) {
  if (wanted.language == "French")
    return "Bonjour";
  if (wanted.language == "Japanese")
    return "こんにちは";
  return troupe::error{troupe::errc::not_found, "no phrase book for " + wanted.language};
}
TROUPE_TOOL(phrasebook, hello_in)

// The agent: one struct in, one out.
class greeter final : public troupe::agent<guest, greeting> {
  troupe::task<greeting> run(guest in) override {
    auto hello = co_await tool("phrasebook").arg("language", in.language).call<std::string>();
    if (!hello)
      co_return std::move(hello).error();

    auto rested = co_await sleep(5s); // kill -9 the process now: it goes on here
    if (!rested)
      co_return std::move(rested).error();

    auto prompt = "Greet " + in.name + ", beginning with the word " + *hello + ".";
    co_return co_await llm("fast").ask<greeting>(prompt);
  }
};
TROUPE_AGENT(greeter)
