#include "runtime/net/sse_parser.hpp"

#include "tests/support/catch.hpp"

#include <rapidcheck.h>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;

namespace {

std::vector<sse_event> parsed(sse_parser& aut, std::string_view text) {
  std::vector<sse_event> events;
  REQUIRE(aut.feed(text, events));
  return events;
}

std::vector<sse_event> parsed(std::string_view text) {
  sse_parser aut;
  return parsed(aut, text);
}

/// Text without what would end a line or, in an id, be refused.
rc::Gen<std::string> one_line() {
  return rc::gen::container<std::string>(
    rc::gen::map(rc::gen::inRange(0x20, 0x7F), [](int c) { return static_cast<char>(c); }));
}

struct stream {
  std::string text;
  std::vector<sse_event> events;
};

/// A stream as a server might write it, and the events in it.
stream any_stream() {
  stream out;
  auto end = *rc::gen::elementOf(std::vector<std::string>{"\n", "\r", "\r\n"});
  auto count = *rc::gen::inRange(0, 6);
  std::string id;
  for (int i = 0; i < count; ++i) {
    sse_event e;
    e.type = "message";
    if (*rc::gen::arbitrary<bool>()) {
      auto type = *one_line();
      out.text += "event: " + type + end;
      e.type = type.empty() ? "message" : type;
    }
    if (*rc::gen::arbitrary<bool>()) {
      id = *one_line();
      out.text += "id: " + id + end;
    }
    if (*rc::gen::arbitrary<bool>())
      out.text += ": kept alive" + end;
    auto lines = *rc::gen::inRange(1, 4);
    for (int line = 0; line < lines; ++line) {
      auto data = *one_line();
      out.text += "data: " + data + end;
      e.data += (line == 0 ? "" : "\n") + data;
    }
    out.text += end;
    e.id = id;
    out.events.push_back(e);
  }
  return out;
}

} // namespace

TEST_CASE("an event is its lines of data up to a blank line") {
  auto events = parsed("data: a\ndata: b\n\nevent: add\nid: 7\ndata:c\n\n");

  REQUIRE(events.size() == 2);
  CHECK(events[0] == sse_event{"message", "a\nb", ""});
  CHECK(events[1] == sse_event{"add", "c", "7"});
}

TEST_CASE("a stream gives the same events however it is cut into pieces") {
  rc::check([] {
    auto s = any_stream();
    sse_parser aut;
    std::vector<sse_event> events;
    std::string_view left = s.text;
    while (!left.empty()) {
      auto size = *rc::gen::inRange<std::size_t>(1, left.size() + 1);
      RC_ASSERT(bool(aut.feed(left.substr(0, size), events)));
      left.remove_prefix(size);
    }
    RC_ASSERT(events == s.events);
    RC_ASSERT(!aut.unfinished());
  });
}

TEST_CASE("any bytes at all are parsed within the bounds and the same in one piece as one by one") {
  rc::check([](const std::string& bytes) {
    sse_parser whole;
    sse_parser single;
    std::vector<sse_event> at_once;
    std::vector<sse_event> one_by_one;
    RC_ASSERT(bool(whole.feed(bytes, at_once)));
    for (char c : bytes)
      RC_ASSERT(bool(single.feed({&c, 1}, one_by_one)));
    RC_ASSERT(at_once == one_by_one);
  });
}

TEST_CASE("line ends may be LF or CR or both, also cut in between") {
  sse_parser aut;
  std::vector<sse_event> events;
  for (std::string_view piece : {"data: a\r", "\n\r", "\ndata: b\r\rdata: c\n", "\n"})
    REQUIRE(aut.feed(piece, events));

  REQUIRE(events.size() == 3);
  CHECK(events[0].data == "a");
  CHECK(events[1].data == "b");
  CHECK(events[2].data == "c");
}

TEST_CASE("of two line feeds after a carriage return one ends the event wherever the stream is cut") {
  sse_parser parser;
  std::vector<sse_event> events;

  for (std::string_view piece : {"data: a\r", "\n", "\n", "data: b", "\n", "\n"})
    REQUIRE(parser.feed(piece, events));

  REQUIRE(events.size() == 2);
  CHECK(events[0].data == "a");
  CHECK(events[1].data == "b");
}

TEST_CASE("a byte order mark and comments and unknown fields are passed over") {
  auto events = parsed("\xEF\xBB\xBF: hello\nfoo: bar\ndata: \xC3\xA4\nnonsense\n\n");

  REQUIRE(events.size() == 1);
  CHECK(events[0].data == "\xC3\xA4");
}

TEST_CASE("an id stays until the next one and an empty one clears it") {
  sse_parser aut;

  auto events = parsed(aut, "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n");

  REQUIRE(events.size() == 3);
  CHECK(events[1].id == "1");
  CHECK(events[2].id.empty());
}

TEST_CASE("an id alone is no event but counts for the next connection") {
  sse_parser aut;

  auto events = parsed(aut, "id: 4\nretry: 250\n\n");

  CHECK(events.empty());
  CHECK(aut.last_event_id() == "4");
  CHECK(aut.retry() == 250ms);
}

TEST_CASE("an empty line of data is an event and a retry that is no number is ignored") {
  sse_parser aut;

  auto events = parsed(aut, "retry: soon\ndata\n\n");

  REQUIRE(events.size() == 1);
  CHECK(events[0].data.empty());
  CHECK_FALSE(aut.retry());
}

TEST_CASE("a stream that is cut within an event is known to be") {
  sse_parser aut;

  CHECK(parsed(aut, "data: a\n\n").size() == 1);
  CHECK_FALSE(aut.unfinished());
  CHECK(parsed(aut, "data: b\n").empty());
  CHECK(aut.unfinished());
}

TEST_CASE("an event without an end is refused at its bound") {
  sse_parser aut{100};
  std::vector<sse_event> events;

  result<void> fed;
  for (int i = 0; i < 50 && fed; ++i)
    fed = aut.feed("data: and on and on\n", events);

  REQUIRE_FALSE(fed);
  CHECK(fed.error().code == errc::output_too_large);
  CHECK_FALSE(aut.feed("\n\n", events));
  CHECK(events.empty());
}
