#include "config/suggest.hpp"
#include "config/units.hpp"
#include "tests/support/catch.hpp"

namespace troupe::config {

using namespace std::chrono_literals;

TEST_CASE("durations are read as people write them") {
  CHECK(parse_duration("200ms").value() == 200ms);
  CHECK(parse_duration("3s").value() == 3s);
  CHECK(parse_duration("5m").value() == 5min);
  CHECK(parse_duration("24h").value() == 24h);
  CHECK(parse_duration("7d").value() == 168h);
  CHECK(parse_duration("1h30m").value() == 90min);
  CHECK(parse_duration("1s500ms").value() == 1'500ms);
  CHECK(parse_duration("0").value() == 0ms);
}

TEST_CASE("what is no duration is refused") {
  for (auto text : {"", "3", "s", "-3s", "3 s", "3S", "1.5s", "30m1h", "1s1s", "3sec", "5ms2",
                    "99999999999999999999s", "36526d", "18446744073709551615ms"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("a duration reads back as it was written") {
  for (auto text : {"0", "1ms", "1500ms", "3s", "1m30s", "1h30m", "24h", "7d", "1d1ms"}) {
    INFO(text);
    auto d = parse_duration(text).value();
    CHECK(parse_duration(to_text(d)).value() == d);
  }
  CHECK(to_text(std::chrono::milliseconds{1'500}) == "1500ms");
  CHECK(to_text(std::chrono::milliseconds{24h}) == "1d");
}

TEST_CASE("sizes are read in bytes and in powers of two and ten") {
  CHECK(parse_size("4096").value() == 4'096);
  CHECK(parse_size("512B").value() == 512);
  CHECK(parse_size("16KiB").value() == 16'384);
  CHECK(parse_size("1MiB").value() == 1'048'576);
  CHECK(parse_size("2GiB").value() == 2'147'483'648);
  CHECK(parse_size("1MB").value() == 1'000'000);
  for (auto text : {"", "MiB", "-1", "1 MiB", "1mib", "1.5MiB", "99999999999999999GiB"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text));
  }
  CHECK(size_to_text(4'100) == "4100");
  CHECK(size_to_text(std::size_t{1} << 20) == "1MiB");
}

TEST_CASE("addresses are read with their port") {
  CHECK(parse_address("127.0.0.1:7070").value().port == 7070);
  CHECK(parse_address("[::1]:80").value().host == "::1");
  CHECK(parse_address(":0").value().host == "127.0.0.1");
  CHECK(to_text(parse_address("[::1]:80").value()) == "[::1]:80");
  for (auto text : {"", "7070", "h", "h:", "h:x", "h:65536", "::1:80", "http://h:80", "h:80x"}) {
    INFO(text);
    CHECK_FALSE(parse_address(text));
  }
}

TEST_CASE("the nearest name is the one with the fewest slips") {
  std::vector<std::string> names{"timeout", "total_timeout", "class", "attempts_max", "key"};

  CHECK(nearest("timout", names) == "timeout");
  CHECK(nearest("tiemout", names) == "timeout");
  CHECK(nearest("clas", names) == "class");
  CHECK(nearest("class_name", names) == "class");
  CHECK(nearest("max_attempts", names) == "attempts_max");
  CHECK(nearest("colour", names).empty());
  CHECK(edit_distance("ab", "ba") == 1);
}

} // namespace troupe::config
