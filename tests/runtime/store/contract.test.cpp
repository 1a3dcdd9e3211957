// What every store promises, over each of them.

#include "tests/runtime/store/ground.hpp"
#include "tests/support/catch.hpp"

#include <limits>

using namespace troupe;
using namespace troupe::store;
using namespace troupe::store::test;

TEMPLATE_TEST_CASE("what was committed is there after a restart", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto first = ground.open();
  auto r = a_record(1);
  r.key = "customer-7";
  r.idempotency_key = std::string("k\0ey", 4);
  r.input_hash = std::numeric_limits<std::uint64_t>::max();
  r.deadline = at_second(-5);
  r.parent = 99;
  r.parent_effect = "3.0/1";
  r.run = 2;
  r.generation = 3;
  auto body = a_blob(std::string("with \0 and \xff", 12));
  auto u = created_unit(1, r);
  u.blobs.push_back(body);
  u.references.push_back(body.hash);
  u.state = saved_state{"triage", "customer-7", R"({"n":1})"};
  REQUIRE(commit(*first, u, row_unit(2, 1)));
  auto tag = std::string{first->tag()};
  first.reset();

  auto again = ground.open();
  CHECK(again->tag() == tag);
  CHECK(again->last_lsn() == 2);
  CHECK(again->last_invocation() == 1);
  auto found = again->find(1).value();
  REQUIRE(found);
  CHECK(found->agent == "triage");
  CHECK(found->key == "customer-7");
  CHECK(found->idempotency_key == r.idempotency_key);
  CHECK(found->input_hash == r.input_hash);
  CHECK(found->wake_at == never);
  CHECK(found->deadline == at_second(-5));
  CHECK(found->parent == 99);
  CHECK(found->parent_effect == "3.0/1");
  CHECK(found->run == 2);
  CHECK(found->generation == 3);
  auto rows = again->load(1).value();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at == 1);
  CHECK(rows[0].bytes == u.row);
  CHECK(again->load_blob(body.hash).value() == body.bytes);
  CHECK(again->load_state("triage", "customer-7").value() == R"({"n":1})");
}

TEMPLATE_TEST_CASE("what is not there is no error, but for a blob", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto s = ground.open();

  CHECK_FALSE(s->find(7).value());
  CHECK_FALSE(s->find("triage", "k").value());
  CHECK(s->load(7).value().empty());
  CHECK_FALSE(s->load_state("triage", "k").value());
  CHECK(s->load_blob(sha256("x")).error().code == errc::not_found);
  CHECK(s->list({}).value().empty());
  CHECK(s->last_lsn() == 0);
}

TEMPLATE_TEST_CASE("a newer owner fences the one before", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto zombie = ground.open();
  REQUIRE(commit(*zombie, row_unit(1, 1)));

  auto owner = ground.open();
  CHECK(owner->owner() > zombie->owner());
  auto refused = commit(*zombie, row_unit(2, 1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::fenced);
  CHECK(commit(*zombie).error().code == errc::fenced);

  CHECK(commit(*owner, row_unit(2, 1)));
  CHECK(owner->load(1).value().size() == 2);
}

TEMPLATE_TEST_CASE("a batch is kept whole or not at all", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  auto r = a_record(1);
  r.idempotency_key = "k";
  REQUIRE(commit(*s, created_unit(1, r)));

  auto twin = a_record(2);
  twin.idempotency_key = "k";
  auto refused = commit(*s, row_unit(2, 1), created_unit(3, twin));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::conflict);
  CHECK(s->load(1).value().size() == 1);
  CHECK(s->last_lsn() == 1);
  CHECK_FALSE(s->find(2).value());
  CHECK(commit(*s, row_unit(1, 1)).error().code == errc::conflict);

  CHECK(commit(*s, row_unit(2, 1)));
}

TEMPLATE_TEST_CASE("an idempotency key belongs to its agent, and none never collides", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  auto first = a_record(1);
  first.idempotency_key = "k";
  auto other = a_record(2);
  other.agent = "mailer";
  other.idempotency_key = "k";
  REQUIRE(commit(*s, created_unit(1, first), created_unit(2, other), created_unit(3, a_record(3)),
                 created_unit(4, a_record(4))));

  CHECK(s->find("triage", "k").value()->no == 1);
  CHECK(s->find("mailer", "k").value()->no == 2);
  CHECK_FALSE(s->find("triage", "").value());
}

TEMPLATE_TEST_CASE("a record that has ended is not opened again by who does not know its run",
                   "[store]", memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  REQUIRE(commit(*s, created_unit(1, a_record(1))));
  auto to = [](lsn at, status state, std::uint32_t run) {
    store::unit u;
    u.at = at;
    u.invocation = 1;
    u.changed = change{state, never, at_second(300), run, run};
    return u;
  };
  REQUIRE(commit(*s, to(2, status::cancelled, 0)));

  REQUIRE(commit(*s, to(3, status::running, journal::outside)));
  CHECK(s->find(1).value()->state == status::cancelled);

  REQUIRE(commit(*s, to(4, status::running, 1)));
  CHECK(s->find(1).value()->state == status::running);
}

TEMPLATE_TEST_CASE("a change shows in lists, in the open ones and in the finished ones", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  for (invocation_no no = 1; no <= 6; ++no)
    REQUIRE(commit(*s, created_unit(no, a_record(no))));
  auto finish = [](lsn at, invocation_no no, status state, int when) {
    store::unit u;
    u.at = at;
    u.invocation = no;
    u.changed = change{state, never, at_second(when), 1, 2};
    return u;
  };
  REQUIRE(commit(*s, finish(7, 2, status::completed, 300), finish(8, 4, status::failed, 200),
                 finish(9, 5, status::suspended, 100)));

  CHECK(s->find(4).value()->state == status::failed);
  CHECK(s->find(4).value()->generation == 2);
  auto open = s->open_after(1, 3).value();
  REQUIRE(open.size() == 3);
  CHECK(open[0].no == 3);
  CHECK(open[1].no == 5);
  CHECK(open[1].state == status::suspended);
  CHECK(open[2].no == 6);
  CHECK(s->open_after(6, 3).value().empty());
  CHECK(s->finished_before(at_second(301), at_second(301), 10).value() == std::vector<invocation_no>{4, 2});
  CHECK(s->finished_before(at_second(300), at_second(300), 10).value() == std::vector<invocation_no>{4});
  CHECK(s->finished_before(at_second(301), at_second(301), 1).value() == std::vector<invocation_no>{4});
}

TEMPLATE_TEST_CASE("a list is filtered, newest first, in pages", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  for (invocation_no no = 1; no <= 5; ++no) {
    auto r = a_record(no, no % 2 == 0 ? status::completed : status::running);
    r.agent = no < 4 ? "triage" : "mailer";
    REQUIRE(commit(*s, created_unit(no, r)));
  }
  auto numbers = [&](const filter& f) {
    std::vector<invocation_no> out;
    const auto found = s->list(f).value();
    for (const auto& r : found)
      out.push_back(r.no);
    return out;
  };
  using list = std::vector<invocation_no>;

  filter f;
  CHECK(numbers(f) == list{5, 4, 3, 2, 1});
  f.limit = 2;
  CHECK(numbers(f) == list{5, 4});
  f.before = 4;
  CHECK(numbers(f) == list{3, 2});
  f = {};
  f.agent = "triage";
  CHECK(numbers(f) == list{3, 2, 1});
  f.open_only = true;
  CHECK(numbers(f) == list{3, 1});
  f.since = at_second(2);
  CHECK(numbers(f) == list{3});
  f = {};
  f.state = status::completed;
  CHECK(numbers(f) == list{4, 2});
}

TEMPLATE_TEST_CASE("old states are listed in pages, and forgotten unless they were saved again", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  auto saves = [&](std::string agent, std::string key, std::int64_t at) {
    store::unit u;
    u.state = saved_state{std::move(agent), std::move(key), "{}", utc_time{} + std::chrono::seconds{at}};
    REQUIRE(commit(*s, std::move(u)));
  };
  saves("desk", "c", 3);
  saves("desk", "b", 1);
  saves("desk", "a", 1);
  saves("desk", "young", 100);
  saves("other", "a", 1);
  auto before = utc_time{} + std::chrono::seconds{50};

  auto first = s->old_states("desk", before, {}, 2).value();
  auto second = s->old_states("desk", before, first.back(), 2).value();
  saves("desk", "c", 60);
  store::unit forgets;
  forgets.beside = std::make_shared<aside>();
  forgets.beside->states = {"desk", before, {"a", "b", "c", "nobody"}};
  REQUIRE(commit(*s, std::move(forgets)));
  s = ground.open();

  REQUIRE(first.size() == 2);
  CHECK(first[0].key == "a");
  CHECK(first[1].key == "b");
  REQUIRE(second.size() == 1);
  CHECK(second[0].key == "c");
  CHECK_FALSE(s->load_state("desk", "a").value());
  CHECK(s->load_state("desk", "c").value());
  CHECK(s->load_state("desk", "young").value());
  CHECK(s->load_state("other", "a").value());
  CHECK(s->old_states("desk", before, {}, 2).value().empty());
}

TEMPLATE_TEST_CASE("a trim drops what lies between the first row and the bound", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  auto old = a_blob("an old answer");
  REQUIRE(commit(*s, created_unit(1, a_record(1)), row_unit(2, 2), row_unit(3, 1),
                 referring_unit(4, 1, old.hash, {old}), row_unit(5, 1)));

  auto u = row_unit(6, 1);
  u.trim_before = 5;
  REQUIRE(commit(*s, u));

  auto rows = s->load(1).value();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at == 1);
  CHECK(rows[1].at == 5);
  CHECK(rows[2].at == 6);
  CHECK(s->load(2).value().size() == 1);
  CHECK(s->load_blob(old.hash).error().code == errc::not_found);
}

TEMPLATE_TEST_CASE("a blob stays until the last that refers to it is purged", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  auto shared = a_blob("shared");
  auto own = a_blob("own");
  REQUIRE(commit(*s, referring_unit(1, 1, shared.hash, {shared}),
                 referring_unit(2, 2, shared.hash, {shared}),
                 referring_unit(3, 2, own.hash, {own})));

  REQUIRE(commit(*s, purge_unit(4, {2})));
  CHECK(s->load_blob(shared.hash).value() == "shared");
  CHECK(s->load_blob(own.hash).error().code == errc::not_found);
  CHECK(s->load(2).value().empty());

  REQUIRE(commit(*s, purge_unit(5, {1})));
  CHECK(s->load_blob(shared.hash).error().code == errc::not_found);
}

TEMPLATE_TEST_CASE("a chain goes from its end to where another one holds it", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  std::vector<blob> items;
  for (const auto* text : {"system", "question", "answer", "other"})
    items.push_back(a_blob(text));
  auto first = a_node({}, items[0].hash);
  auto second = a_node(first.hash, items[1].hash);
  auto third = a_node(second.hash, items[2].hash);
  auto fork = a_node(second.hash, items[3].hash);
  // Children after their node, too: the order within a unit is free.
  REQUIRE(commit(*s,
                 referring_unit(1, 1, third.hash,
                                {third, items[0], first, items[1], second, items[2]}),
                 referring_unit(2, 2, fork.hash, {items[3], fork})));

  REQUIRE(commit(*s, purge_unit(3, {1})));
  CHECK(s->load_blob(third.hash).error().code == errc::not_found);
  CHECK(s->load_blob(items[2].hash).error().code == errc::not_found);
  CHECK(s->load_blob(second.hash));
  CHECK(s->load_blob(items[0].hash).value() == "system");

  REQUIRE(commit(*s, purge_unit(4, {2})));
  for (const auto& b : {items[0], items[1], items[3], first, second, fork})
    CHECK(s->load_blob(b.hash).error().code == errc::not_found);
}

TEMPLATE_TEST_CASE("a number that was purged is never given again", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto s = ground.open();
  auto r = a_record(5);
  r.idempotency_key = "k";
  REQUIRE(commit(*s, created_unit(9, r)));
  REQUIRE(commit(*s, purge_unit(10, {5})));
  s.reset();

  auto again = ground.open();
  CHECK(again->last_invocation() == 5);
  CHECK(again->last_lsn() == 9);
  CHECK_FALSE(again->find("triage", "k").value());
  auto later = a_record(6);
  later.idempotency_key = "k";
  CHECK(commit(*again, created_unit(10, later)));
}

TEST_CASE("statuses and ids read back as they were written", "[store]") {
  for (auto s : {status::queued, status::running, status::suspended, status::parked, status::paused,
                 status::quarantined, status::completed, status::failed, status::cancelled})
    CHECK(status_from(to_string(s)) == s);
  CHECK_FALSE(status_from("done"));

  CHECK(invocation_id("k3f9x2", 17) == "k3f9x2-17");
  CHECK(invocation_number("k3f9x2", "k3f9x2-17") == 17U);
  CHECK(invocation_number("k3f9x2", "17") == 17U);
  for (const auto* wrong : {"", "-", "other-17", "k3f9x2-", "k3f9x2-0", "17x", "-17",
                            "99999999999999999999"})
    CHECK_FALSE(invocation_number("k3f9x2", wrong));
}
