// What the binary plays in these tests, as a plugin.
#include "actors/tool/function_tool.hpp"
#include "runtime/core/agent.hpp"

namespace {

using namespace troupe;

struct number {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(number, (), (n))

class doubler final : public agent<number, number> {
  task<number> run(number in) override {
    in.n *= 2;
    co_return in;
  }
};
TROUPE_AGENT(doubler)

/// Waits for a person.
class approved final : public agent<number, number> {
  task<number> run(number in) override {
    co_await emit(in);
    auto said = co_await signal<number>("approve");
    if (!said)
      co_return std::move(said).error();
    co_return *said;
  }
};
TROUPE_AGENT(approved)

class fails final : public agent<number, number> {
  task<number> run(number) override { co_return error{errc::failed, "it never works"}; }
};
TROUPE_AGENT(fails)

/// How long it sleeps, in milliseconds.
class naps final : public agent<number, number> {
  task<number> run(number in) override {
    auto slept = co_await sleep(std::chrono::milliseconds{in.n});
    if (!slept)
      co_return std::move(slept).error();
    co_return in;
  }
};
TROUPE_AGENT(naps)

/// Takes so many MiB and holds them for a while.
class hoarder final : public agent<number, number> {
  task<number> run(number in) override {
    auto held = std::vector<char>(static_cast<std::size_t>(in.n) << 20U, 'x');
    auto slept = co_await sleep(std::chrono::milliseconds{400});
    if (!slept)
      co_return std::move(slept).error();
    in.n = static_cast<int>(held.size() >> 20U);
    co_return in;
  }
};
TROUPE_AGENT(hoarder)

struct parcel {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(parcel, (), (n))

struct receipt {
  int value = 0;
};
BOOST_DESCRIBE_STRUCT(receipt, (), (value))

struct delivered {
  int n = 0;
  int sum = 0;
  std::int64_t drawn = 0;
};
BOOST_DESCRIBE_STRUCT(delivered, (), (n, sum, drawn))

/// Three keyed effects, a post that has no key, a line in a file, and sleeps in between. The sum
/// proves that each step's answer was the right one.
class courier final : public agent<parcel, delivered> {
  task<delivered> run(parcel in) override {
    delivered out;
    out.n = in.n;
    for (int step = 0; step < 3; ++step) {
      auto got = co_await tool("ledger").arg("n", in.n).arg("step", step).call<receipt>();
      if (!got)
        co_return std::move(got).error();
      out.sum += got->value;
      auto slept = co_await sleep(std::chrono::milliseconds{4});
      if (!slept)
        co_return std::move(slept).error();
    }
    auto drawn = co_await random();
    out.drawn = static_cast<std::int64_t>(drawn >> 1U);
    auto posted = co_await tool("board").arg("ref", std::to_string(in.n)).call<receipt>();
    if (!posted)
      co_return std::move(posted).error();
    out.sum += posted->value;
    if (in.n % 16 == 0) { // a process is dear
      auto noted = co_await tool("note").arg("line", std::to_string(in.n)).call<receipt>();
      if (!noted)
        co_return std::move(noted).error();
      out.sum += noted->value;
    }
    co_return out;
  }
};
TROUPE_AGENT(courier)

struct question {
  std::string model;
  std::string text;
  bool streams = false;
};
BOOST_DESCRIBE_STRUCT(question, (), (model, text, streams))

struct answer {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(answer, (), (text))

class asker final : public agent<question, answer> {
  task<answer> run(question in) override {
    auto asked = in.streams ? llm(in.model).stream(in.text) : llm(in.model).complete(in.text);
    auto said = co_await std::move(asked);
    if (!said)
      co_return std::move(said).error();
    answer out;
    out.text = std::move(said->text);
    co_return out;
  }
};
TROUPE_AGENT(asker)

} // namespace
