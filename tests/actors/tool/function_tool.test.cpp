#include "actors/tool/function_backend.hpp"
#include "actors/tool/tool.hpp"
#include "tests/actors/tool/backend_probe.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace troupe;
using namespace troupe::test;

namespace {

struct query {
  std::string text;
  std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(query, (), (text, limit))

struct found {
  std::vector<std::string> ids;
};
BOOST_DESCRIBE_STRUCT(found, (), (ids))

found search(const query& q) {
  return {{q.text, std::to_string(q.limit.value_or(0))}};
}

result<found> refuse(query) {
  return error{errc::not_found, "nothing there"};
}

std::string who(query, const tool_context& call) {
  return call.key + " of " + call.agent;
}

void explode(query) {
  throw std::runtime_error{"out of ideas"};
}

// Three orders: one refunded, one not, one of which nobody knows.
result<std::optional<found>> refunded(query q, const tool_context& call) {
  if (q.text == "lost")
    return error{errc::unavailable, "the bank is closed"};
  if (q.text == "not yet")
    return std::optional<found>{};
  found f;
  f.ids.push_back(call.key);
  return std::optional<found>{std::move(f)};
}

TROUPE_RECONCILE(test_refund, refunded)
TROUPE_TOOL(test_search, search)
TROUPE_TOOL(test_refuse, refuse)
TROUPE_TOOL(test_who, who, {.description = "says who asks"})
TROUPE_TOOL(test_explode, explode)

result<std::string> run(const std::string& name, std::string body, std::size_t threads = 0) {
  auto backend = make_function_backend(find_function(name).value(), threads);
  return backend_probe{*backend, attempt_of(std::move(body))}.outcome();
}

} // namespace

TEST_CASE("a function gets its arguments as a struct and answers with one") {
  CHECK(run("test_search", R"({"text":"a","limit":3})").value() == R"({"ids":["a","3"]})");
  CHECK(run("test_search", R"({"text":"a"})", 2).value() == R"({"ids":["a","0"]})");
  CHECK(run("test_who", R"({"text":"a"})").value() == R"("inv-1/0/0//3 of triage")");
}

TEST_CASE("a function's error is the call's, and wrong arguments never reach it") {
  CHECK(run("test_refuse", R"({"text":"a"})").error() == error{errc::not_found, "nothing there"});

  auto wrong = run("test_search", R"({"text":7})");
  CHECK(wrong.error().code == errc::invalid_input);
  CHECK(wrong.error().message.find("/text") != std::string::npos);
}

TEST_CASE("an exception out of a function is an internal error that may have happened") {
  for (std::size_t threads : {0, 1}) {
    auto thrown = run("test_explode", R"({"text":"a"})", threads);
    CHECK(thrown.error().code == errc::internal);
    CHECK(thrown.error().outcome == certainty::unknown);
    CHECK(thrown.error().message.find("out of ideas") != std::string::npos);
  }
}

TEST_CASE("a function knows its schemas") {
  auto tool = find_function("test_search").value();
  CHECK(tool.input_schema.find("\"text\"") != std::string::npos);
  CHECK(tool.output_schema.find("\"ids\"") != std::string::npos);
  CHECK(find_function("test_who")->description == "says who asks");
  CHECK_FALSE(find_function("test_nobody"));
}

TEST_CASE("a blocking function runs on a thread of its own and sees the stop") {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::promise<std::thread::id> begun;
  register_tool("test_wait", [&](query, const tool_context& call) -> result<std::string> {
    begun.set_value(std::this_thread::get_id());
    std::unique_lock lock{mutex};
    stopped.wait(lock, call.stop, [] { return false; });
    return error{errc::cancelled, "stopped", certainty::unknown};
  });
  auto backend = make_function_backend(find_function("test_wait").value(), 1);

  backend_probe probe{*backend, attempt_of(R"({"text":"a"})")};
  CHECK(begun.get_future().get() != std::this_thread::get_id());
  backend->cancel(1);

  CHECK(probe.outcome().error().code == errc::cancelled);
}

TEST_CASE("a function that reconciles says done with the result or not done, else it cannot tell") {
  auto backend = make_function_backend(find_reconcile("test_refund").value(), 0);
  auto ask = [&](std::string body) {
    return backend_probe{*backend, attempt_of(std::move(body))}.outcome();
  };

  CHECK(ask(R"({"text":"a"})").value()
        == R"({"state":"done","result":{"ids":["inv-1/0/0//3"]}})");
  CHECK(ask(R"({"text":"not yet"})").value() == R"({"state":"not_done"})");
  CHECK(ask(R"({"text":"lost"})").error().message == "the bank is closed");
  CHECK_FALSE(find_reconcile("test_search"));
  auto names = function_names();
  CHECK(std::find(names.begin(), names.end(), "reconcile test_refund") == names.end());
}

TEST_CASE("a tool with a reconcile in code says so to whoever calls it") {
  tool_options o;
  o.name = "test_refund";
  CHECK(service_info_of(o).reconciles);
  o.name = "test_search";
  CHECK_FALSE(service_info_of(o).reconciles);
  o.name = "test_refund";
  o.effect = effect_class::read;
  CHECK_FALSE(service_info_of(o).reconciles);
}
