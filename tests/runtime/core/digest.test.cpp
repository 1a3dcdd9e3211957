#include "runtime/core/digest.hpp"

#include "runtime/core/checksum.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

using namespace troupe;

TEST_CASE("SHA-256 gives the digests of FIPS 180-4") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc"))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256(std::string(1'000'000, 'a')))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a digest goes to hexadecimal and back, and nothing else is one") {
  auto d = sha256("x");
  CHECK(digest_from_hex(to_hex(d)) == d);
  auto upper = to_hex(d);
  for (auto& c : upper)
    c = static_cast<char>(c >= 'a' ? c - 0x20 : c);
  CHECK(digest_from_hex(upper) == d);
  CHECK(digest_from_hex("") == std::nullopt);
  CHECK(digest_from_hex(to_hex(d).substr(1)) == std::nullopt);
  CHECK(digest_from_hex(to_hex(d) + "0") == std::nullopt);
  CHECK(digest_from_hex(std::string(64, 'g')) == std::nullopt);
  CHECK(digest{} < sha256(""));
  CHECK(std::unordered_set<digest>{d, d, sha256("y")}.size() == 2);
}

TEST_CASE("the short hash is the first eight bytes, least significant first") {
  CHECK(short_hash("abc") == 0xEACF018FBF1678BAULL);
}

TEST_CASE("threads hash without disturbing each other") {
  auto expected = sha256("shared");
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (auto& count : wrong)
    threads.emplace_back([&count, &expected] {
      for (int i = 0; i < 1000; ++i)
        count += sha256("shared") == expected ? 0 : 1;
    });
  for (auto& t : threads)
    t.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("JSON that means the same has one canonical text") {
  CHECK(canonical(R"( { "b" : [1.0, 1e2, -0, 0.10] , "a" : "\u0041\/" } )").value()
        == R"({"a":"A/","b":[1,100,0,0.1]})");
  CHECK(canonical(R"({"a":1,"b":2})").value() == canonical(R"({"b":2.0,"a":1})").value());
  CHECK(canonical(R"({"a":1,"a":2})").value() == R"({"a":2})");
  CHECK(canonical(R"(["[",[],{},[[]],"",null,true,false])").value()
        == R"(["[",[],{},[[]],"",null,true,false])");
  CHECK(canonical(R"("\ud83d\ude00\u000a")").value() == "\"\U0001F600\\n\"");
}

TEST_CASE("numbers that differ stay different") {
  CHECK(canonical("12345678901234567890123").value() == "12345678901234567890123");
  CHECK(canonical("9007199254740993").value() == "9007199254740993");
  CHECK(canonical("1e400").value() == "1e400");
  CHECK(canonical("1.5e300").value() == "1.5e+300");
}

TEST_CASE("what is not JSON has no canonical text") {
  for (auto bad : {"", "{", "[1,]", R"({"a"})", "1 1", "\"\xff\""}) {
    CAPTURE(bad);
    auto r = canonical(bad);
    REQUIRE_FALSE(r);
    CHECK(r.error().code == errc::invalid_input);
  }
  CHECK_FALSE(canonical(std::string(65, '[') + std::string(65, ']')));
}

TEST_CASE("canonical text is canonical") {
  CHECK(rc::check("twice", [](const std::map<std::string, std::vector<double>>& value) {
    std::string text = "{";
    for (const auto& [key, numbers] : value) {
      text += (text.size() > 1 ? ",\"" : "\"") + to_hex(sha256(key)) + "\":[";
      for (std::size_t i = 0; i < numbers.size(); ++i)
        text += (i > 0 ? "," : "") + std::to_string(numbers[i]);
      text += "]";
    }
    text += "}";
    auto once = canonical(text).value();
    RC_ASSERT(canonical(once).value() == once);
  }));
}

TEST_CASE("the checksum is CRC-32C") {
  CHECK(checksum("") == 0);
  CHECK(checksum("123456789") == 0xE3069283);
  CHECK(checksum(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(checksum(std::string(32, '\xff')) == 0x62A8AB43);
}

TEST_CASE("the checksum is the same by instruction and by table, in one piece and in two") {
  CHECK(rc::check("checksum", [](const std::string& a, const std::string& b) {
    RC_ASSERT(checksum(a + b) == detail::checksum_by_table(a + b));
    RC_ASSERT(checksum(b, checksum(a)) == checksum(a + b));
    RC_ASSERT(detail::checksum_by_table(b, checksum(a)) == checksum(a + b));
  }));
}
