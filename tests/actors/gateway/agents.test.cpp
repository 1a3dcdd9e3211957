// The agents that the gateway's tests invoke.
#include "actors/tool/function_tool.hpp"
#include "runtime/core/agent.hpp"

#include <atomic>

namespace troupe::test {

struct number {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(number, (), (n))

struct words {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(words, (), (text))

struct nothing {
  std::optional<int> unused;
};
BOOST_DESCRIBE_STRUCT(nothing, (), (unused))

class gateway_double final : public agent<number, number> {
  task<number> run(number in) override {
    in.n *= 2;
    co_return in;
  }
};
TROUPE_AGENT(gateway_double)

class gateway_approved final : public agent<nothing, words> {
  task<words> run(nothing) override {
    auto said = co_await signal<words>("approve");
    if (!said)
      co_return std::move(said).error();
    co_return std::move(*said);
  }
};
TROUPE_AGENT(gateway_approved)

class gateway_talker final : public agent<nothing, words> {
  task<words> run(nothing) override {
    auto first = words{"first"};
    co_await emit(first);
    auto second = words{"second"};
    co_await emit(second);
    auto go = co_await signal<raw_json>("go");
    if (!go)
      co_return std::move(go).error();
    auto last = words{"last"};
    co_await emit(last);
    co_return last;
  }
};
TROUPE_AGENT(gateway_talker)

class gateway_says final : public agent<words, words> {
  task<words> run(words in) override {
    auto said = co_await llm("fast").stream(in.text);
    if (!said)
      co_return std::move(said).error();
    auto out = words{said->text};
    co_return out;
  }
};
TROUPE_AGENT(gateway_says)

std::atomic<bool> gateway_is_flaky{true};

result<words> gateway_flaky(const nothing&) {
  if (gateway_is_flaky)
    return error{errc::failed, "it is broken"};
  return words{"mended"};
}
TROUPE_TOOL(gateway_flaky, gateway_flaky)

class gateway_breaks final : public agent<nothing, words> {
  task<words> run(nothing) override {
    auto got = co_await tool("flaky").call<words>();
    if (!got)
      co_return std::move(got).error();
    co_return std::move(*got);
  }
};
TROUPE_AGENT(gateway_breaks)

result<words> gateway_bank(const nothing&) {
  return error{errc::unavailable, "the line was cut", certainty::unknown};
}
TROUPE_TOOL(gateway_bank, gateway_bank)

class gateway_pays final : public agent<nothing, words> {
  task<words> run(nothing) override {
    auto paid = co_await tool("bank").call<words>();
    if (!paid)
      co_return std::move(paid).error();
    co_return std::move(*paid);
  }
};
TROUPE_AGENT(gateway_pays)

class gateway_pays_twice final : public agent<nothing, words> {
  task<words> run(nothing) override {
    auto both = co_await when_all(tool("bank").call<words>(), tool("bank").call<words>());
    auto& [one, other] = both;
    if (!one)
      co_return std::move(one).error();
    if (!other)
      co_return std::move(other).error();
    one->text += ", " + other->text;
    co_return std::move(*one);
  }
};
TROUPE_AGENT(gateway_pays_twice)

} // namespace troupe::test
