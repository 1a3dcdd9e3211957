// Business keys and dead letters, over each store.
#include "tests/runtime/store/ground.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::store;
using namespace troupe::store::test;

namespace {

const claim_key refund_7{"tool:refund", "order-7"};
const claimant first{1, "0/-/0"};
const claimant second{2, "0/-/3"};

claim claim_by(const claimant& who, int expires = 100) {
  claim c;
  c.what = refund_7;
  c.arguments = 77;
  c.owner = who;
  c.owner_epoch = 3;
  c.sent = at_second(5);
  c.lease = at_second(65);
  c.expires = at_second(expires);
  return c;
}

store::unit with(lsn at, claim c) {
  store::unit u;
  u.at = at;
  u.beside = std::make_shared<aside>();
  u.beside->claims.push_back(std::move(c));
  return u;
}

store::unit with(lsn at, settling how, const claimant& by, journal::payload answer = {}) {
  store::unit u;
  u.at = at;
  u.beside = std::make_shared<aside>();
  u.beside->settlements.push_back({refund_7, by, how, std::move(answer), at_second(200)});
  return u;
}

journal::payload text(std::string what) {
  journal::payload p;
  p.text = std::move(what);
  return p;
}

store::unit filing(lsn at, invocation_no no, std::string why) {
  store::unit u;
  u.at = at;
  u.invocation = no;
  u.beside = std::make_shared<aside>();
  letter l;
  l.kind = letter_kind::poisoned;
  l.invocation = no;
  l.subject = "tool:refund";
  l.key = "k";
  l.body = "{}";
  l.why = std::move(why);
  l.deaths = 3;
  l.when = at_second(9);
  u.beside->letters.push_back(std::move(l));
  return u;
}

} // namespace

TEMPLATE_TEST_CASE("a claim is there after a restart, all of it", "[store]", memory_ground,
                   sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  REQUIRE(commit(*store, with(1, claim_by(first))));
  store.reset();

  auto again = ground.open();

  auto found = again->find_claim(refund_7).value();
  REQUIRE(found);
  CHECK(found->arguments == 77);
  CHECK(found->state == claim_state::in_flight);
  CHECK(found->owner == first);
  CHECK(found->owner_epoch == 3);
  CHECK(found->sent == at_second(5));
  CHECK(found->lease == at_second(65));
  CHECK(found->expires == at_second(100));
  CHECK_FALSE(again->find_claim({"tool:other", "order-7"}).value());
}

TEMPLATE_TEST_CASE("the first completion of a claim stands, whoever brings it", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  REQUIRE(commit(*store, with(1, claim_by(second)), // taken over from `first`
                 with(2, settling::completed, first, text("\"R-1\"")),
                 with(3, settling::completed, second, text("\"R-2\"")),
                 with(4, settling::freed, second), with(5, settling::unknown, second)));

  auto found = store->find_claim(refund_7).value();
  REQUIRE(found);
  CHECK(found->state == claim_state::completed);
  CHECK(found->answer.text == "\"R-1\"");
  CHECK(found->expires == at_second(200));
}

TEMPLATE_TEST_CASE("only its owner frees a claim, parks it or leaves it unknown", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  REQUIRE(commit(*store, with(1, claim_by(first)), with(2, settling::freed, second),
                 with(3, settling::parked, second)));
  CHECK(store->find_claim(refund_7).value()->state == claim_state::in_flight);

  REQUIRE(commit(*store, with(4, settling::parked, first)));
  CHECK(store->find_claim(refund_7).value()->state == claim_state::unknown);
  CHECK(store->find_claim(refund_7).value()->owner == first);

  REQUIRE(commit(*store, with(5, settling::unknown, first)));
  CHECK(store->find_claim(refund_7).value()->owner == claimant{});

  REQUIRE(commit(*store, with(6, claim_by(first)), with(7, settling::undone, first)));
  CHECK(store->find_claim(refund_7).value());
  REQUIRE(commit(*store, with(8, settling::freed, first)));
  CHECK_FALSE(store->find_claim(refund_7).value());

  REQUIRE(commit(*store, with(9, claim_by(first)), with(10, settling::completed, first, text("1")),
                 with(11, settling::undone, first)));
  CHECK_FALSE(store->find_claim(refund_7).value());
}

TEMPLATE_TEST_CASE("a large answer of a claim is a blob that goes with it", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  auto body = a_blob(std::string(9'000, 'x'));
  journal::payload answer;
  answer.stored = true;
  answer.hash = body.hash;
  auto done = with(2, settling::completed, first, answer);
  done.blobs.push_back(body);
  REQUIRE(commit(*store, with(1, claim_by(first)), done));
  CHECK(store->find_claim(refund_7).value()->answer == answer);
  CHECK(store->load_blob(body.hash).value() == body.bytes);

  store::unit expire;
  expire.at = 3;
  expire.beside = std::make_shared<aside>();
  expire.beside->claims_before = at_second(201);
  CHECK(store->count_claims(at_second(201)).value().expired == 1);
  REQUIRE(commit(*store, expire));

  CHECK_FALSE(store->find_claim(refund_7).value());
  CHECK(store->load_blob(body.hash).error().code == errc::not_found);
  CHECK(store->count_claims(at_second(201)).value().all == 0);
}

TEMPLATE_TEST_CASE("dead letters are kept over a restart until they are dropped or answered",
                   "[store]", memory_ground, sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  REQUIRE(commit(*store, created_unit(1, a_record(5)), filing(2, 5, "first"), filing(3, 0, "second"),
                 filing(4, 5, "third")));
  store.reset();

  auto again = ground.open();
  CHECK(again->last_lsn() == 4);
  auto all = again->letters(0, 10).value();
  REQUIRE(all.size() == 3);
  CHECK(all[0].id == 4);
  CHECK(all[2].why == "first");
  CHECK(all[2].subject == "tool:refund");
  CHECK(all[2].deaths == 3);
  CHECK(again->letters(4, 1).value().at(0).id == 3);

  store::unit drop;
  drop.at = 5;
  drop.beside = std::make_shared<aside>();
  drop.beside->dropped.push_back(3);
  store::unit answered;
  answered.at = 6;
  answered.invocation = 5;
  answered.beside = std::make_shared<aside>();
  answered.beside->letters_answered = true;
  REQUIRE(commit(*again, drop));
  CHECK(again->letters(0, 10).value().size() == 2);
  REQUIRE(commit(*again, answered));
  CHECK(again->letters(0, 10).value().empty());
}

TEMPLATE_TEST_CASE("a key that has expired may lead to another invocation", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  auto old = a_record(1);
  old.idempotency_key = "k";
  auto fresh = a_record(2);
  fresh.idempotency_key = "k";
  REQUIRE(commit(*store, created_unit(1, old)));
  store::unit expired;
  expired.at = 2;
  expired.invocation = 1;
  expired.changed = change{status::completed, never, at_second(9), 0, 0};
  expired.changed->drops_key = true;

  REQUIRE(commit(*store, expired));
  REQUIRE(commit(*store, created_unit(3, fresh)));

  CHECK(store->find("triage", "k").value()->no == 2);
  CHECK(store->find(1).value()->idempotency_key.empty());
}

TEMPLATE_TEST_CASE("an invocation whose key may still be repeated is not purged yet", "[store]",
                   memory_ground, sqlite_ground) {
  TestType ground;
  auto store = ground.open();
  auto keyed = a_record(1);
  keyed.idempotency_key = "k";
  keyed.state = status::completed;
  auto plain = a_record(2);
  plain.state = status::completed;
  REQUIRE(commit(*store, created_unit(1, keyed), created_unit(2, plain)));
  auto late = at_second(1'000'000'000);

  CHECK(store->finished_before(late, utc_time{}, 10).value() == std::vector<invocation_no>{2});
  CHECK(store->finished_before(late, late, 10).value().size() == 2);
}
