#include "runtime/core/stream_hub.hpp"

#include "tests/support/catch.hpp"

#include <atomic>
#include <thread>

using namespace troupe;

namespace {

const std::string run = "k3f9x2-17";
const std::string first = "0/0/-/1";

std::string spoken(std::string_view text) {
  return "{\"text\":\"" + std::string{text} + "\",\"input_tokens\":1,\"output_tokens\":2}";
}

/// `text 1.0 Hel` for each chunk.
std::vector<std::string> said(const std::vector<stream_chunk>& chunks) {
  std::vector<std::string> out;
  for (const auto& c : chunks) {
    auto line = std::string{to_string(c.what)} + " " + std::to_string(c.attempt) + "."
                + std::to_string(c.seq);
    out.push_back(c.text.empty() ? line : line + " " + c.text);
  }
  return out;
}

using lines = std::vector<std::string>;

} // namespace

TEST_CASE("a reader gets the pieces of an answer in order and with their attempt and number") {
  stream_hub hub;
  auto told = 0;
  auto in = hub.follow(run, [&] { ++told; });
  auto out = hub.begin(run, first);

  out.add(stream_kind::reasoning, "hm");
  CHECK(told == 1);
  CHECK(said(in.read()) == lines{"reasoning 1.0 hm"});
  out.add(stream_kind::text, "Hel");
  CHECK(said(in.read()) == lines{"text 1.1 Hel"});
  out.add(stream_kind::text, "lo");
  out.add(stream_kind::text, "!");
  hub.settle(run, first, spoken("Hello!"));

  CHECK(told == 3); // once for each reading, however much there is
  CHECK(said(in.read()) == lines{"text 1.2 lo!", "end 1.3"});
  CHECK(in.read().empty());
}

TEST_CASE("an attempt that failed before anybody had read of it leaves no trace") {
  stream_hub hub;
  auto in = hub.follow(run, [] {});
  auto bad = hub.begin(run, first);
  bad.add(stream_kind::text, "Wro");
  CHECK_FALSE(bad.seen());

  auto good = hub.begin(run, first);
  good.add(stream_kind::text, "Right");
  bad.add(stream_kind::text, "ng"); // late
  hub.settle(run, first, spoken("Right"));

  CHECK(said(in.read()) == lines{"text 2.0 Right", "end 2.1"});
}

TEST_CASE("a reader that has begun is told to forget what it has when another attempt begins") {
  stream_hub hub;
  auto early = hub.follow(run, [] {});
  auto other = hub.follow(run, [] {});
  auto bad = hub.begin(run, first);
  bad.add(stream_kind::text, "Wro");
  CHECK(said(early.read()) == lines{"text 1.0 Wro"});
  CHECK(bad.seen());

  auto good = hub.begin(run, first);
  good.add(stream_kind::text, "Right");
  CHECK_FALSE(good.seen());

  CHECK(said(early.read()) == lines{"reset 2.0", "text 2.0 Right"});
  CHECK(said(other.read()) == lines{"text 2.0 Right"});
}

TEST_CASE("who comes late gets the whole text of what has ended") {
  stream_hub hub;
  auto out = hub.begin(run, first);
  out.add(stream_kind::text, "Hello");
  hub.settle(run, first, spoken("Hello"));

  auto in = hub.follow(run, [] {});

  CHECK(said(in.read()) == lines{"text 1.0 Hello", "end 1.1"});
}

TEST_CASE("a replayed step gives its final text once") {
  stream_hub hub;
  auto in = hub.follow(run, [] {});
  hub.settle(run, first, spoken("Hello"));
  hub.forget(run); // passivated; the reader stays
  hub.settle(run, first, spoken("Hello"));

  CHECK(said(in.read()) == lines{"text 1.0 Hello", "end 1.1"});
  CHECK(hub.rings() == 1);
}

TEST_CASE("a reader that is too slow for the ring gets the whole text at the end") {
  stream_bounds small;
  small.ring_bytes_max = 4'000;
  stream_hub hub{small};
  auto slow = hub.follow(run, [] {});
  auto quick = hub.follow(run, [] {});
  auto out = hub.begin(run, first);
  out.add(stream_kind::text, "a");
  CHECK(said(slow.read()).size() == 1);

  std::string all = "a";
  std::string read;
  for (int i = 0; i < 1'000; ++i) {
    out.add(stream_kind::text, "b");
    all += 'b';
    for (const auto& c : quick.read())
      read += c.text;
  }
  hub.settle(run, first, spoken(all));

  CHECK(read == all);
  CHECK(said(quick.read()).size() == 1);
  auto late = slow.read();
  REQUIRE(late.size() == 3);
  CHECK(late[0].what == stream_kind::reset);
  CHECK(late[1].text == all);
  CHECK(late[2].what == stream_kind::end);
}

TEST_CASE("an answer that differs from what was streamed replaces it") {
  stream_hub hub;
  auto in = hub.follow(run, [] {});
  auto out = hub.begin(run, first);
  out.add(stream_kind::text, "half an ans");
  CHECK(in.read().size() == 1);

  hub.settle(run, first, spoken("from the cache"));

  CHECK(said(in.read()) == lines{"reset 1.0", "text 1.0 from the cache", "end 1.1"});
}

TEST_CASE("a stream that failed ends with the word for it") {
  stream_hub hub;
  auto in = hub.follow(run, [] {});
  auto out = hub.begin(run, first);
  out.add(stream_kind::text, "Hel");

  hub.settle(run, first, error{errc::timed_out, "stalled"});

  CHECK(said(in.read()) == lines{"text 1.0 Hel", "end 1.1 timed_out"});
}

TEST_CASE("a step that was rolled back and runs again begins its stream with a reset") {
  stream_hub hub;
  auto in = hub.follow(run, [] {});
  hub.settle(run, first, spoken("Hello"));
  CHECK(in.read().size() == 2);

  auto again = hub.begin(run, first);
  again.add(stream_kind::text, "Hi");
  hub.settle(run, first, spoken("Hi"));

  CHECK(said(in.read()) == lines{"reset 2.0", "text 2.0 Hi", "end 2.1"});
}

TEST_CASE("streams of one invocation do not mix") {
  stream_hub hub;
  auto in = hub.follow(run, [] {});
  auto a = hub.begin(run, "0/0/0/0");
  auto b = hub.begin(run, "0/0/1/0");

  a.add(stream_kind::text, "A");
  b.add(stream_kind::text, "B");
  a.add(stream_kind::text, "a");

  auto got = in.read();
  CHECK(said(got) == lines{"text 1.0 A", "text 1.0 B", "text 1.1 a"});
  CHECK(got[1].stream == "0/0/1/0");
}

TEST_CASE("rings that nobody reads make room, and those that are read stay") {
  stream_bounds two;
  two.rings_max = 2;
  stream_hub hub{two};
  auto in = hub.follow("read", [] {});
  auto old = hub.begin("old", first);
  auto young = hub.begin("young", first);
  CHECK(hub.rings() == 2);

  auto late = hub.follow("young", [] {});
  CHECK(late);
  CHECK_FALSE(hub.follow("none", [] {}));
  old.add(stream_kind::text, "to nobody");
  CHECK(in.read().empty());
}

TEST_CASE("rings of invocations that have ended make room although they are read") {
  stream_bounds two;
  two.rings_max = 2;
  stream_hub hub{two};
  auto one = hub.follow("one", [] {});
  auto other = hub.follow("other", [] {});
  hub.begin("one", first).add(stream_kind::text, "kept by its reader");
  hub.forget("one");

  auto next = hub.follow("next", [] {});

  CHECK(next);
  CHECK(one.read().size() == 1);
  CHECK_FALSE(hub.follow("none", [] {})); // the other one may still be written
}

TEST_CASE("an invocation that has left takes its ring with it, or its last reader does") {
  stream_hub hub;
  (void)hub.begin(run, first);
  hub.forget(run);
  CHECK(hub.rings() == 0);

  {
    auto in = hub.follow(run, [] {});
    (void)hub.begin(run, first);
    hub.forget(run);
    CHECK(hub.rings() == 1);
  }
  CHECK(hub.rings() == 0);
  { auto nobody_writes = hub.follow(run, [] {}); }
  CHECK(hub.rings() == 0);
}

TEST_CASE("a final text that is too long for the plane is left to the journal") {
  stream_bounds small;
  small.ring_bytes_max = 1'000;
  stream_hub hub{small};
  hub.settle(run, first, spoken(std::string(600, 'x')));

  auto in = hub.follow(run, [] {});

  auto got = in.read();
  REQUIRE(got.size() == 1);
  CHECK(got[0].what == stream_kind::end);
  CHECK_FALSE(got[0].whole);
}

TEST_CASE("pieces that come on other threads arrive whole and in order") {
  stream_hub hub;
  std::atomic<bool> news{false};
  auto in = hub.follow(run, [&] { news = true; });
  constexpr int pieces = 20'000;
  std::thread writer{[&] {
    auto out = hub.begin(run, first);
    for (int i = 0; i < pieces; ++i)
      out.add(stream_kind::text, std::to_string(i % 10));
    hub.settle(run, first, error{errc::cancelled, ""});
  }};

  std::string all;
  for (bool ended = false; !ended; std::this_thread::yield())
    if (news.exchange(false))
      for (const auto& c : in.read()) {
        ended = c.what == stream_kind::end;
        if (!ended)
          all += c.text;
      }
  writer.join();

  REQUIRE(all.size() <= pieces); // the writer may have overtaken the reader
  for (std::size_t i = 0; i < all.size(); ++i)
    REQUIRE(all[i] == static_cast<char>('0' + i % 10));
}
