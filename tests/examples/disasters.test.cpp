// The world of the disasters must fail as told: else a client that survives it has shown nothing.

#include "examples/disasters/answer_later.hpp"
#include "examples/disasters/service_state.hpp"
#include "tests/support/catch.hpp"

#include <future>

using namespace std::chrono_literals;

namespace {

const disasters::pace usual;

} // namespace

TEST_CASE("the chat posts each time, and answers three times for each alert when nobody waits") {
  disasters::chat chat{usual};
  auto post = [&] { return chat.post(R"({"alert":"A-1","text":"x","ref":"r"})").after; };

  CHECK(post() == usual.late);
  CHECK(post() == usual.late);
  CHECK(post() == usual.late);
  CHECK(post() == usual.latency);
  CHECK(chat.post(R"({"alert":"A-2","text":"x","ref":null})").after == usual.late);

  CHECK(chat.counts().effects == 5);
  CHECK(chat.counts().duplicates() == 3);
  CHECK(chat.find("r").body == R"({"messages":["M-1","M-2","M-3","M-4"]})");
  CHECK(chat.find("unknown").body == R"({"messages":[]})");
}

TEST_CASE("the first charge of an invoice is booked, and its answer is lost or late") {
  disasters::payments payments{usual};

  auto even = payments.charge("", R"({"invoice":"I-2","cents":100})", 0ms);
  auto odd = payments.charge("", R"({"invoice":"I-1","cents":100})", 0ms);
  auto again = payments.charge("", R"({"invoice":"I-2","cents":100})", 0ms);

  CHECK(even.status == 500);
  CHECK(odd.status == 200);
  CHECK(odd.after == usual.late);
  CHECK(again.status == 200);
  CHECK(payments.counts().effects == 3);
  CHECK(payments.counts().duplicates() == 1);
  CHECK(payments.cents() == 300);
  CHECK(payments.cents_twice() == 100);
}

TEST_CASE("the same key is the same charge, and refused with another body or while it runs") {
  disasters::payments payments{usual};
  constexpr auto body = R"({"invoice":"I-2","cents":100})";

  CHECK(payments.charge("k", body, 0ms).status == 500);
  auto early = payments.charge("k", body, 0ms);
  CHECK(early.status == 409);
  CHECK(early.retry_after > 0ms);
  CHECK(payments.charge("k", body, 1s).body == R"({"charge":"C-1"})");
  CHECK(payments.charge("k", R"({"invoice":"I-2","cents":7})", 1s).status == 422);
  CHECK(payments.counts().effects == 1);
  CHECK(payments.cents_twice() == 0);
}

TEST_CASE("a ticket is found by its incident when the replica has caught up, not before") {
  disasters::tickets tickets{usual};

  auto filed = tickets.file("k", R"({"incident":"X","alert":"1"})", 0ms);
  CHECK(filed.body == R"({"ticket":"T-1"})");
  CHECK(tickets.find("X", usual.replica_lag - 1ms).body == R"({"tickets":[]})");
  CHECK(tickets.find("X", usual.replica_lag).body == R"({"tickets":["T-1"]})");
  CHECK(tickets.file("k", R"({"incident":"X","alert":"1"})", 0ms).body == filed.body);
  CHECK(tickets.file("", R"({"incident":"X","alert":"2"})", 0ms).status == 200);
  CHECK(tickets.attach("T-1", R"({"alert":"3"})").status == 200);
  CHECK(tickets.attach("T-9", R"({"alert":"4"})").status == 404);

  CHECK(tickets.counts().duplicates() == 1);
  CHECK(tickets.alerts() == 3);
}

TEST_CASE("one look at a customer in fifty fails, and in the outage each one hangs") {
  disasters::customers customers{usual, 10s, 20s, 500ms};
  int failed = 0;
  for (int i = 0; i < 100; ++i)
    failed += customers.find("7", 1s).status == 500 ? 1 : 0;

  CHECK(failed == 2);
  CHECK(customers.find("7", 1s).body == R"({"name":"7"})");
  CHECK(customers.find("7", 10s).after == usual.latency); // 9 s after the first look
  CHECK(customers.find("7", 11s).after == 500ms);
  CHECK(customers.find("7", 20s).after == 500ms);
  CHECK(customers.find("7", 21s).after == usual.latency);
  CHECK(customers.hung() == 2);
}

TEST_CASE("a service of the disasters refuses what it cannot read") {
  disasters::chat chat{usual};
  disasters::payments payments{usual};
  disasters::tickets tickets{usual};

  CHECK(chat.post("[]").status == 400);
  CHECK(payments.charge("k", "{}", 0ms).status == 400);
  CHECK(tickets.file("k", "{}", 0ms).status == 400);
  CHECK(tickets.attach("T-1", "{}").status == 400);
  CHECK(disasters::to_json(chat.counts(), 7)
        == R"({"effects":0,"keys":0,"duplicates":0,"more":7})");
}

TEST_CASE("what is to be answered later comes in the order of its times") {
  std::promise<std::string> all;
  std::string order;
  disasters::answer_later later;
  auto now = disasters::answer_later::clock::now();

  later.at(now + 60ms, [&] { all.set_value(order + "c"); });
  later.at(now + 30ms, [&] { order += "b"; });
  later.at(now, [&] { order += "a"; });

  CHECK(all.get_future().get() == "abc");
}
