// The services are the witnesses of the example, so their counts are tested first of all.

#include "examples/ticket_desk/desk_faults.hpp"
#include "examples/ticket_desk/desk_state.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <iterator>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

/// A folder of its own that goes with the test.
class scratch {
public:
  scratch() {
    auto pattern = (fs::temp_directory_path() / "ticket_desk.XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~scratch() { fs::remove_all(path_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  fs::path file() const { return path_ / "state.jsonl"; }

private:
  fs::path path_;
};

template <class Service>
void open(Service& aut, const scratch& s) {
  REQUIRE(aut.open(s.file()));
}

constexpr auto first = R"({"id":"T-1001","queue":"billing","summary":"s"})";

} // namespace

TEST_CASE("a ticket is filed once, however often its key comes") {
  scratch s;
  desk::ticketing aut;
  open(aut, s);

  auto once = aut.file("i/0/0//3", first);
  auto again = aut.file("i/0/0//3", R"({ "queue":"billing", "summary":"s", "id":"T-1001" })");

  CHECK(once.status == 200);
  CHECK(once.body == R"({"ticket":"DESK-1","queue":"billing"})");
  CHECK(again.body == once.body);
  CHECK(aut.counts().body == R"({"filed":1,"receipts":2,"keys_twice":0,"tickets_twice":0})");
}

TEST_CASE("a ticket that was filed under two keys is counted as filed twice") {
  scratch s;
  desk::ticketing aut;
  open(aut, s);

  aut.file("one", first);
  auto other = aut.file("two", first);

  CHECK(other.body == R"({"ticket":"DESK-2","queue":"billing"})");
  CHECK(aut.counts().body == R"({"filed":2,"receipts":2,"keys_twice":0,"tickets_twice":1})");
}

TEST_CASE("the same key with another body is refused and files nothing") {
  scratch s;
  desk::ticketing aut;
  open(aut, s);
  aut.file("k", first);

  auto refused = aut.file("k", R"({"id":"T-1001","queue":"spam"})");

  CHECK(refused.status == 422);
  CHECK(aut.by_key("k").body == R"({"ticket":"DESK-1","queue":"billing"})");
  CHECK(aut.counts().body == R"({"filed":1,"receipts":2,"keys_twice":0,"tickets_twice":0})");
}

TEST_CASE("a ticket without key, or what is no ticket, is refused") {
  scratch s;
  desk::ticketing aut;
  open(aut, s);

  CHECK(aut.file("", first).status == 400);
  CHECK(aut.file(std::string(256, 'k'), first).status == 400);
  CHECK(aut.file("k", "not json").status == 400);
  CHECK(aut.file("k", R"({"id":"T-1001"})").status == 400);
  CHECK(aut.by_key("k").status == 404);
}

TEST_CASE("filed tickets are still known after a restart, but for a line that was cut off") {
  scratch s;
  {
    desk::ticketing before;
    open(before, s);
    before.file("one", first);
    before.file("one", first);
  }
  std::ofstream{s.file(), std::ios::app} << R"({"key":"tw)";

  desk::ticketing aut;
  open(aut, s);

  CHECK(aut.counts().body == R"({"filed":1,"receipts":2,"keys_twice":0,"tickets_twice":0})");
  CHECK(aut.file("one", first).body == R"({"ticket":"DESK-1","queue":"billing"})");
  CHECK(aut.file("two", R"({"id":"T-2","queue":"sales"})").body
        == R"({"ticket":"DESK-2","queue":"sales"})");

  desk::ticketing later;
  open(later, s);
  CHECK(later.counts().body == R"({"filed":2,"receipts":4,"keys_twice":0,"tickets_twice":0})");
}

TEST_CASE("a key that the file says was filed twice is counted, whatever the code would do") {
  scratch s;
  std::string line = R"({"key":"k","id":"T-1","request":"","ticket":"DESK-1","queue":"q",)"
                     R"("filed":true})";
  std::ofstream{s.file()} << line << '\n' << line << '\n';

  desk::ticketing aut;
  open(aut, s);

  CHECK(aut.counts().body == R"({"filed":2,"receipts":2,"keys_twice":1,"tickets_twice":1})");
}

TEST_CASE("a damaged state file is an error that names the line") {
  scratch s;
  std::ofstream{s.file()} << "garbage\n";

  desk::ticketing aut;
  auto opened = aut.open(s.file());

  REQUIRE(!opened);
  CHECK(opened.error().code == troupe::errc::corrupted);
  CHECK(opened.error().message.find("state.jsonl:1") != std::string::npos);
}

TEST_CASE("each post is one more message, and is found by its ref") {
  scratch s;
  desk::chat aut;
  open(aut, s);

  auto posted = aut.post(R"({"channel":"desk","text":"a \"b\" 😀","ref":"i/0/0//4"})");
  aut.post(R"({"channel":"desk","text":"again","ref":"i/0/0//4"})");
  aut.post(R"({"channel":"desk","text":"other","ref":"x"})");

  CHECK(posted.body == R"({"id":"MSG-1","ref":"i/0/0//4"})");
  CHECK(aut.find("x").body
        == R"({"messages":[{"id":"MSG-3","channel":"desk","text":"other","ref":"x"}]})");
  CHECK(aut.find("y").body == R"({"messages":[]})");
  CHECK(aut.counts().body == R"({"posted":3,"refs":2,"refs_twice":1})");
}

TEST_CASE("posted messages are still there after a restart") {
  scratch s;
  {
    desk::chat before;
    open(before, s);
    before.post(R"({"channel":"desk","text":"one","ref":"r"})");
  }

  desk::chat aut;
  open(aut, s);

  CHECK(aut.find("r").body
        == R"({"messages":[{"id":"MSG-1","channel":"desk","text":"one","ref":"r"}]})");
  CHECK(aut.post(R"({"channel":"desk"})").status == 400);
  CHECK(aut.counts().body == R"({"posted":1,"refs":1,"refs_twice":0})");
}

TEST_CASE("faults come by count, and an error before the effect wins over a cut after it") {
  using desk::fault;
  desk::fault_plan aut{{.error_before_effect_every = 6, .drop_after_effect_every = 3}};

  std::vector<fault> seen;
  for (int i = 0; i < 7; ++i)
    seen.push_back(aut.next());

  std::vector<fault> expected(7, fault::none);
  expected[2] = fault::drop_after_effect;
  expected[5] = fault::error_before_effect;
  CHECK(seen == expected);
}

TEST_CASE("without options there are no faults") {
  desk::fault_plan aut{{}};

  CHECK(aut.next() == desk::fault::none);
  CHECK(aut.next() == desk::fault::none);
}
