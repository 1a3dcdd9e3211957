// Streams that need no request of their own: from the cache, and with another call that asks the same.

#include "tests/actors/llm/desk.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

using lines = std::vector<std::string>;

endpoint_options coalescing() {
  endpoint_options o;
  o.cache.coalesce = true;
  return o;
}

class shared_desk : public desk {
public:
  explicit shared_desk(endpoint_options o = coalescing()) : desk(std::move(o)) {}
  void piece(std::size_t n, std::string_view text) {
    backend->seen.at(n).asked.on_delta({model_delta::kind::text, text});
  }
  /// As the invocation does when its effect has ended.
  void settle(const std::string& invocation, const asked<call_reply>& slot) {
    hub.settle(invocation, "0/0/-/4", slot.outcome());
  }
  stream_reader one = hub.follow("a-1", [] {});
  stream_reader two = hub.follow("b-2", [] {});
};

} // namespace

TEST_CASE("a stream is served from the cache, its followers get the text as one piece") {
  endpoint_options o;
  o.cache.ttl = 1min;
  shared_desk d{o};
  auto first = d.stream(never, "a-1");
  d.piece(0, "a ");
  d.piece(0, "friend");
  d.answer(0, says("a friend"));

  auto second = d.stream(never, "b-2");
  auto unstreamed = d.call(words);

  CHECK(d.backend->seen.size() == 1);
  CHECK(second->value() == first->value());
  CHECK(unstreamed->value() == first->value());
  d.settle("b-2", *second);
  CHECK(desk::lines_of(d.two) == lines{"text 1 a friend", "end 1 "});
}

TEST_CASE("a stream that joins another gets what was said so far and then each piece") {
  shared_desk d;
  auto first = d.stream(never, "a-1");
  d.piece(0, "It ");
  d.piece(0, "is ");

  auto second = d.stream(never, "b-2");
  CHECK(d.backend->seen.size() == 1);
  CHECK(desk::lines_of(d.two) == lines{"text 1 It is "});
  d.piece(0, "I.");
  CHECK(desk::lines_of(d.two) == lines{"text 1 I."});
  CHECK(desk::lines_of(d.one) == lines{"text 1 It is I."});
  d.answer(0, says("It is I."));
  d.settle("b-2", *second);

  CHECK(second->value() == first->value());
  CHECK(second->reply->attempts == 0);
  CHECK(desk::lines_of(d.two) == lines{"end 1 "});
}

TEST_CASE("a stream that joins a call which is not streamed gets the text at its end") {
  shared_desk d;
  d.call(words);

  auto second = d.stream(never, "b-2");
  d.answer(0, says("It is I."));
  d.settle("b-2", *second);

  CHECK(d.backend->seen.size() == 1);
  CHECK(desk::lines_of(d.two) == lines{"text 1 It is I.", "end 1 "});
}

TEST_CASE("when the one that streams for all gives up the next one begins anew with a reset") {
  shared_desk d;
  auto first = d.stream(never, "a-1");
  auto first_id = d.last_id;
  auto second = d.stream(never, "b-2");
  d.piece(0, "It i");
  CHECK(desk::lines_of(d.two) == lines{"text 1 It i"});

  d.cancel(first_id);
  REQUIRE(d.backend->seen.size() == 2);
  d.piece(1, "It is I.");
  d.answer(1, says("It is I."));

  CHECK(first->why().code == errc::cancelled);
  CHECK(second->outcome());
  CHECK(desk::lines_of(d.two) == lines{"reset 2 ", "text 2 It is I."});
}

TEST_CASE("a stream that leaves hears no more, and nothing begins again for it") {
  auto o = coalescing();
  shared_desk d{o};
  d.options.retry.attempts_max = 3;
  caf::anon_send_exit(d.aut, caf::exit_reason::kill);
  d.run();
  d.start();
  auto first = d.stream(never, "a-1");
  d.piece(0, "It i");
  auto second = d.stream(never, "b-2");
  CHECK(desk::lines_of(d.two) == lines{"text 1 It i"});

  d.cancel(d.last_id);
  d.settle("b-2", *second);
  d.piece(0, "s no");
  d.answer(0, down());
  d.advance(10s);
  REQUIRE(d.backend->seen.size() == 2);
  d.piece(1, "It is I.");
  d.answer(1, says("It is I."));

  CHECK(second->why().code == errc::cancelled);
  CHECK(first->outcome());
  CHECK(desk::lines_of(d.two) == lines{"end 1 cancelled"});
}

TEST_CASE("words that any of those have read who share a request are not taken up by another model") {
  auto o = coalescing();
  o.fallback.models = {"spare"};
  shared_desk d{o};
  d.hire_spare();
  auto first = d.stream(never, "a-1");
  auto second = d.stream(never, "b-2");
  d.piece(0, "It i");
  CHECK(desk::lines_of(d.two) == lines{"text 1 It i"}); // the first one's follower has not looked

  d.answer(0, down());

  CHECK(first->why().code == errc::unavailable);
  CHECK(second->why().code == errc::unavailable);
  CHECK(d.spare->seen.empty());
}
