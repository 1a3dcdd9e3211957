#include "actors/tool/tool_class.hpp"

#include "actors/tool/tool.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/actors/tool/backend_probe.hpp"

#include <deque>
#include <thread>

using namespace troupe;
using namespace troupe::test;

namespace {

struct place {
  std::string city;
};
BOOST_DESCRIBE_STRUCT(place, (), (city))

struct forecast {
  std::string sky;
  std::string told_by;
};
BOOST_DESCRIBE_STRUCT(forecast, (), (sky, told_by))

/// Asks a page, then another tool.
class weather final : public async_tool<place, forecast> {
public:
  async<result<forecast>> run(place in, async_call call) override {
    net::http_request get;
    get.url = "http://weather/" + in.city;
    get.timeout = 60s;
    auto page = co_await call.http(std::move(get));
    if (!page)
      co_return std::move(page).error();
    if (page->status != 200)
      throw std::runtime_error{"no forecast today"};
    auto place_of = co_await call.tool<std::string>("stations", in);
    if (!place_of)
      co_return std::move(place_of).error();
    forecast out;
    out.sky = page->body;
    out.told_by = *place_of;
    ++served;
    co_return out;
  }

  static inline int served = 0;
};
TROUPE_TOOL_CLASS(test_weather, weather)

struct counted {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(counted, (), (n))

/// Keeps something between its calls.
class counter final : public blocking_tool<place, counted> {
public:
  counter() { ++made; }
  result<counted> run(place in, const tool_context& call) override {
    if (in.city.empty())
      return error{errc::invalid_input, "name a city"};
    where = std::this_thread::get_id();
    counted out;
    out.n = ++calls + static_cast<int>(call.attempt);
    return out;
  }

  static inline int made = 0;
  static inline std::thread::id where;
  int calls = 0;
};
TROUPE_TOOL_CLASS(test_counter, counter)

/// Keeps requests until the test answers them.
class held_transport final : public net::http_transport {
public:
  net::request_id send(net::http_request request, net::http_done done) override {
    sent.push_back(std::move(request));
    dones.push_back(std::move(done));
    return sent.size();
  }
  void cancel(net::request_id id) override { cancelled.push_back(id); }

  void answer(std::size_t nth, int status, std::string body) {
    net::http_response r;
    r.status = status;
    r.body = std::move(body);
    dones.at(nth)(std::move(r));
  }

  std::deque<net::http_request> sent;
  std::deque<net::http_done> dones;
  std::vector<net::request_id> cancelled;
};

/// Answers as told, or keeps silent.
struct stations_state {
  std::vector<call_request> seen;
  std::vector<call_id> cancelled;
  bool silent = false;
};

caf::behavior stations(caf::event_based_actor* self, stations_state* state) {
  self->set_default_handler(caf::drop);
  return {
    [=](call_request& r) -> caf::result<call_reply> {
      state->seen.push_back(r);
      if (state->silent)
        return self->make_response_promise<call_reply>();
      call_reply reply;
      reply.outcome = to_json("Pic du Midi");
      return reply;
    },
    [=](const call_cancel& c) { state->cancelled.push_back(c.id); },
  };
}

struct fixture {
  held_transport transport;
  stations_state others;
  actor_stage stage;
  tool_options options;
  caf::actor aut;

  fixture() {
    options.name = "test_weather";
    options.effect = effect_class::read;
    options.retry.timeout = 3s;
    options.retry.attempts_max = 1;
    service_info info;
    info.cls = effect_class::idempotent;
    stage.services.put("tool:stations", stage.keep(stage.system().spawn(stations, &others)), info);
    auto parts = make_tool_parts(options, stage.env, transport).value();
    tool_setup setup{.env = stage.env, .options = options, .parts = parts, .timer = stage.timer};
    aut = stage.keep(spawn_tool(stage.system(), std::move(setup)).value());
    stage.run();
  }

  awaited_ptr<call_reply> call(std::string body = R"({"city":"Pau"})") {
    call_request r;
    r.id = 77;
    r.body = std::move(body);
    r.key = "inv-1/0/0//3";
    r.invocation = "inv-1";
    return stage.call(aut, std::move(r));
  }
};

} // namespace

TEST_CASE("an async tool awaits HTTP and other tools, and answers with its struct") {
  fixture f;
  auto answer = f.call();
  REQUIRE(f.transport.sent.size() == 1);
  CHECK(f.transport.sent[0].url == "http://weather/Pau");
  CHECK(f.transport.sent[0].timeout <= 3s); // what is left of the attempt

  f.transport.answer(0, 200, "fog");
  f.stage.run();

  REQUIRE(answer->reply);
  CHECK(answer->reply->outcome.value() == R"({"sky":"fog","told_by":"Pic du Midi"})");
  REQUIRE(f.others.seen.size() == 1);
  CHECK(f.others.seen[0].body == R"({"city":"Pau"})");
  CHECK(f.others.seen[0].key == "inv-1/0/0//3/1");
  CHECK(f.others.seen[0].cls == effect_class::idempotent);
}

TEST_CASE("many attempts of an async tool wait at the same time on one actor") {
  fixture f;
  std::vector<awaited_ptr<call_reply>> answers;
  for (int i = 0; i < 20; ++i)
    answers.push_back(f.call());
  REQUIRE(f.transport.sent.size() == 20);

  for (std::size_t i = 20; i-- > 0;)
    f.transport.answer(i, 200, "sun");
  f.stage.run();

  for (const auto& a : answers)
    CHECK((a->reply && a->reply->outcome.has_value()));
}

TEST_CASE("arguments that do not fit never reach an async tool") {
  fixture f;

  auto answer = f.call(R"({"city":7})");

  CHECK(answer->reply->outcome.error().code == errc::invalid_input);
  CHECK(answer->reply->outcome.error().message.find("/city") != std::string::npos);
  CHECK(f.transport.sent.empty());
}

TEST_CASE("an exception out of an async tool costs its call alone") {
  fixture f;
  auto thrown = f.call();
  auto fine = f.call();

  f.transport.answer(0, 404, "");
  f.transport.answer(1, 200, "rain");
  f.stage.run();

  CHECK(thrown->reply->outcome.error().code == errc::internal);
  CHECK(thrown->reply->outcome.error().outcome == certainty::unknown);
  CHECK(thrown->reply->outcome.error().message.find("no forecast") != std::string::npos);
  CHECK(fine->reply->outcome.has_value());
}

TEST_CASE("an async attempt that is out of time is destroyed, and its request closed") {
  fixture f;
  auto answer = f.call();

  f.stage.advance(4s, 1s);

  CHECK(answer->reply->outcome.error().code == errc::timed_out);
  CHECK(f.transport.cancelled == std::vector<net::request_id>{1});
  auto served = weather::served;
  f.transport.answer(0, 200, "too late");
  f.stage.run();
  CHECK(weather::served == served);
}

TEST_CASE("cancelling an async call cancels what it waits for in other tools") {
  fixture f;
  f.others.silent = true;
  auto answer = f.call();
  f.transport.answer(0, 200, "fog");
  f.stage.run();
  REQUIRE(f.others.seen.size() == 1);

  f.stage.tell(f.aut, call_cancel{77});
  f.stage.advance(2s, 500ms);

  CHECK(answer->reply->outcome.error().code == errc::cancelled);
  CHECK(f.others.cancelled == std::vector<call_id>{f.others.seen[0].id});
}

TEST_CASE("a tool that an async tool calls and that is not there is an error of the call") {
  fixture f;
  f.stage.services.clear();
  auto answer = f.call();

  f.transport.answer(0, 200, "fog");
  f.stage.run();

  CHECK(answer->reply->outcome.error().code == errc::not_found);
}

TEST_CASE("an async tool whose actor ends answers all that wait, and can be started again") {
  fixture f;
  auto first = f.call();
  f.stage.end(f.aut, caf::exit_reason::kill);

  CHECK(first->reply->outcome.error().code == errc::unavailable);
  CHECK(f.transport.cancelled.size() == 1);
}

TEST_CASE("a blocking tool class is one object, made at the first call, on threads of its own") {
  held_transport transport;
  actor_stage stage;
  tool_options options;
  options.name = "test_counter";
  auto parts = make_tool_parts(options, stage.env, transport).value();
  CHECK(counter::made == 0);
  auto call = [&](std::string body) {
    return backend_probe{*parts.backend, attempt_of(std::move(body))}.outcome();
  };

  CHECK(call(R"({"city":"Pau"})").value() == R"({"n":2})");
  CHECK(call(R"({"city":"Pau"})").value() == R"({"n":3})");
  CHECK(call(R"({"city":""})").error() == error{errc::invalid_input, "name a city"});

  CHECK(counter::made == 1);
  CHECK(counter::where != std::this_thread::get_id());
}

TEST_CASE("a tool class knows its schemas") {
  auto tool = find_function("test_weather").value();

  CHECK(tool.input_schema == schema_of<place>());
  CHECK(tool.output_schema == schema_of<forecast>());
  CHECK(find_function("test_counter")->blocking);
}
