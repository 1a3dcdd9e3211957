#include "runtime/core/json.hpp"

#include "tests/support/catch.hpp"

#include <boost/json/value.hpp>
#include <rapidcheck.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>

namespace {

using namespace std::chrono_literals;

enum class urgency { low, normal, high };
BOOST_DESCRIBE_ENUM(urgency, low, normal, high)

struct item {
  int n = 0;
  std::string name;
  bool operator==(const item&) const = default;
};
BOOST_DESCRIBE_STRUCT(item, (), (n, name))

struct identified {
  std::uint64_t id = 0;
  bool operator==(const identified&) const = default;
};
BOOST_DESCRIBE_STRUCT(identified, (), (id))

struct order : identified {
  std::vector<item> items;
  std::optional<std::string> note = "none";
  std::map<std::string, double> prices;
  urgency how = urgency::normal;
  std::chrono::seconds age{0};
  std::pair<int, bool> pair{};
  std::monostate nothing;
  bool operator==(const order&) const = default;
};
BOOST_DESCRIBE_STRUCT(order, (identified), (items, note, prices, how, age, pair, nothing))

struct node {
  int value = 0;
  std::vector<node> children;
};
BOOST_DESCRIBE_STRUCT(node, (), (value, children))

class sealed {
public:
  int secret() const { return secret_; }

private:
  int secret_ = 7;
  BOOST_DESCRIBE_CLASS(sealed, (), (), (), (secret_))
};

struct empty {};
BOOST_DESCRIBE_STRUCT(empty, (), ())

template <class T>
std::string why(std::string_view text) {
  auto r = troupe::from_json<T>(text);
  REQUIRE_FALSE(r);
  CHECK(r.error().code == troupe::errc::schema_mismatch);
  return r.error().message;
}

template <class T>
T back(const T& value) {
  auto r = troupe::from_json<T>(troupe::to_json(value));
  REQUIRE(r);
  return *r;
}

// A code point as escapes; U+FFFD for half a pair.
std::string escaped(std::uint32_t point) {
  if (point >= 0xD800 && point <= 0xDFFF)
    point = 0xFFFD;
  char text[32];
  if (point < 0x10000)
    std::snprintf(text, sizeof text, "\"\\u%04x\"", point);
  else
    std::snprintf(text, sizeof text, "\"\\u%04x\\u%04X\"", 0xD800 + ((point - 0x10000) >> 10U),
                  0xDC00 + ((point - 0x10000) & 0x3FFU));
  return text;
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

} // namespace

using troupe::from_json;
using troupe::to_json;

TEST_CASE("each kind of value has its JSON") {
  CHECK(to_json(true) == "true");
  CHECK(to_json(-3) == "-3");
  CHECK(to_json(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(to_json("text") == R"("text")");
  CHECK(to_json(std::string_view{"view"}) == R"("view")");
  CHECK(to_json(std::optional<int>{}) == "null");
  CHECK(to_json(std::vector<bool>{true, false}) == "[true,false]");
  CHECK(to_json(std::vector<int>{}) == "[]");
  CHECK(to_json(std::tuple{1, "a", 0.5}) == R"([1,"a",0.5])");
  CHECK(to_json(std::array<int, 2>{1, 2}) == "[1,2]");
  CHECK(to_json(std::map<std::string, int>{{"b", 2}, {"a", 1}}) == R"({"a":1,"b":2})");
  CHECK(to_json(1500us) == "1");
  CHECK(to_json(2min) == "120000");
  CHECK(to_json(std::chrono::hours::max()) == "9223372036854775807");
  CHECK(to_json(std::monostate{}) == "null");
  CHECK(to_json(urgency::high) == R"("high")");
  CHECK(to_json(empty{}) == "{}");
  CHECK(to_json(sealed{}) == R"({"secret_":7})");
  CHECK(to_json(troupe::raw_json{"[1]"}) == "[1]");
}

TEST_CASE("a described struct with bases keeps everything on the way there and back") {
  order before;
  before.id = 1ULL << 63U;
  before.items = {{1, "a\"b"}, {-2, "\u00e9\U0001F600"}};
  before.note = std::nullopt;
  before.prices = {{"x/y", 0.1}, {"", 1e300}};
  before.how = urgency::high;
  before.age = 90s;
  before.pair = {4, true};

  auto text = to_json(before);

  CHECK(text.starts_with(R"({"id":9223372036854775808,"items":[{"n":1,"name":"a\"b"},)"));
  CHECK(back(before) == before);
}

TEST_CASE("an error names the path and what was expected there") {
  CHECK(why<int>(R"("x")") == "/: expected integer, found string");
  CHECK(why<std::vector<item>>(R"([{"n":"x","name":""}])")
        == "/0/n: expected integer, found string");
  CHECK(why<std::map<std::string, item>>(R"({"a/b~":{"n":1}})") == "/a~1b~0/name: missing");
  CHECK(why<std::map<std::string, urgency>>(R"({"u":"urgent"})")
        == "/u: expected one of low, normal, high, found another string");
  CHECK(why<std::pair<int, int>>("[1]") == "/: expected 2 items, found 1");
  CHECK(why<std::pair<int, int>>("[1,2,3]") == "/2: expected only 2 items");
  CHECK(why<std::vector<std::int8_t>>("[1,128]")
        == "/1: expected integer from -128 to 127, found one out of that range");
  CHECK(why<bool>("null") == "/: expected boolean, found null");
  CHECK(why<double>("null") == "/: expected number, found null");
  CHECK(why<item>("[]") == "/: expected object, found array");
}

TEST_CASE("a missing optional is nullopt whatever its initialiser, other members must be there") {
  auto r = from_json<order>(
    R"({"id":1,"items":[],"prices":{},"how":"low","age":1,"pair":[1,false],"nothing":null})");
  REQUIRE(r);
  CHECK(r->note == std::nullopt);
  CHECK(why<identified>("{}") == "/id: missing");
}

TEST_CASE("keys that the struct does not have are checked and ignored, of repeated ones the last "
          "counts") {
  auto r = from_json<item>(
    R"( { "x" : [1,{"y":null}] , "n" : 1 , "name" : "a" , "n" : 2 , "\u0078":"" } )");
  REQUIRE(r);
  CHECK(*r == item{2, "a"});
  CHECK(why<item>(R"({"x":[1,],"n":1})").starts_with("/x/1: not JSON"));
}

TEST_CASE("keys with escapes are the keys that they spell") {
  auto r = from_json<item>(R"({"\u006e":5,"na\u006De":"v"})");
  REQUIRE(r);
  CHECK(*r == item{5, "v"});
}

TEST_CASE("strings are escaped and read back, whatever they hold") {
  CHECK(to_json(std::string{"\"\\/\b\f\n\r\t\x01\x1f\x7f"})
        == "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
  CHECK(to_json(std::string{"a\0b", 3}) == "\"a\\u0000b\"");
  CHECK(from_json<std::string>(R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")").value()
        == "\"\\/\b\f\n\r\t\u00e9\U0001F600");
  CHECK(from_json<std::string>("\"\\u0000\"").value() == std::string(1, '\0'));
}

TEST_CASE("text that is not UTF-8 is replaced on the way out and refused on the way in") {
  for (std::string bad : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf0\x9f\x98", "\xff", "\xc3"}) {
    auto text = to_json("a" + bad);
    CHECK(text.starts_with("\"a\xEF\xBF\xBD"));
    CHECK(from_json<std::string>(text));
    CHECK(why<std::string>("\"a" + bad + "\"").find("not JSON: expected UTF-8 at byte 2")
          != std::string::npos);
  }
}

TEST_CASE("what is not JSON is refused with the byte where it goes wrong") {
  for (auto bad : {"", " ", "tru", "nul", "01", "-", "1.", ".5", "+1", "1e", "1e+", "0x1", "NaN",
                   "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
                   "\"\\udc00\"", "\"\n\"", "[", "[1", "[1,", "[,1]", "[1 2]", "{", "{\"a\"",
                   "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "{1:1}", "1 2", "[]]", "'a'",
                   "//", "1}"}) {
    CAPTURE(bad);
    auto tree = troupe::parse_json(bad);
    REQUIRE_FALSE(tree);
    CHECK(tree.error().code == troupe::errc::invalid_input);
    CHECK(tree.error().message.find("not JSON: expected") != std::string::npos);
    CHECK_FALSE(from_json<troupe::raw_json>(bad));
  }
  CHECK(why<std::vector<int>>("[1,2") == "/: not JSON: expected ',' or ']' at byte 4");
}

TEST_CASE("numbers keep their value at the edges") {
  using big = std::numeric_limits<std::int64_t>;
  CHECK(back(big::min()) == big::min());
  CHECK(back(big::max()) == big::max());
  CHECK(back(std::numeric_limits<std::uint64_t>::max())
        == std::numeric_limits<std::uint64_t>::max());
  CHECK_FALSE(from_json<std::int64_t>("9223372036854775808"));
  CHECK_FALSE(from_json<std::uint64_t>("18446744073709551616"));
  CHECK_FALSE(from_json<std::uint64_t>("-1"));
  CHECK(from_json<std::uint64_t>("-0").value() == 0);
  CHECK(from_json<int>("3.0").value() == 3);
  CHECK(from_json<int>("12e2").value() == 1200);
  CHECK(from_json<unsigned>("1e0").value() == 1);
  CHECK_FALSE(from_json<int>("1.5"));
  CHECK_FALSE(from_json<int>("1e400"));
  CHECK_FALSE(from_json<std::int64_t>("9.3e18"));
  CHECK(why<int>("2147483648")
        == "/: expected integer from -2147483648 to 2147483647, found one out of that range");
  CHECK(why<int>("0.5") == "/: expected integer, found a number with a fraction or out of range");
  CHECK(from_json<double>("1e-400").value() == 0);
  CHECK(from_json<double>("4.9e-324").value() == std::numeric_limits<double>::denorm_min());
  CHECK(why<double>("1e400") == "/: number is out of range");
  CHECK(why<float>("1e39") == "/: number is out of range");
  CHECK(to_json(0.1f) == "0.1");
  CHECK(to_json(1e22) == "1e+22");
  CHECK(from_json<double>(std::string(400, '9') + "e-300").value() > 9e99);
}

TEST_CASE("a double that JSON does not have is written as null") {
  CHECK(to_json(std::nan("")) == "null");
  CHECK(to_json(-std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("durations are milliseconds and bounded by their type") {
  CHECK(from_json<std::chrono::milliseconds>("1500").value() == 1500ms);
  CHECK(from_json<std::chrono::seconds>("1500").value() == 1s);
  CHECK(from_json<std::chrono::hours>("9223372036854775807"));
  CHECK_FALSE(from_json<std::chrono::nanoseconds>("9223372036854775807"));
  CHECK(from_json<std::chrono::nanoseconds>("-1").value() == -1ms);
}

TEST_CASE("nesting and size have bounds") {
  CHECK(troupe::parse_json(nested(64)));
  auto deep = troupe::parse_json(nested(65));
  REQUIRE_FALSE(deep);
  CHECK(deep.error().message.ends_with(": nested deeper than json_limits::depth_max"));
  CHECK_FALSE(from_json<item>(R"({"skipped":)" + nested(1'000'000) + "}"));

  std::string children = "[]";
  for (int i = 0; i < 100; ++i)
    children = R"([{"value":1,"children":)" + children + "}]";
  CHECK_FALSE(from_json<node>(R"({"value":1,"children":)" + children + "}"));

  auto large = from_json<std::string>(R"("abc")", {.bytes_max = 4});
  REQUIRE_FALSE(large);
  CHECK(large.error().code == troupe::errc::output_too_large);
  CHECK(from_json<std::string>(R"("abc")", {.bytes_max = 5}));
}

TEST_CASE("a recursive struct goes there and back") {
  node before{1, {{2, {}}, {3, {{4, {}}}}}};
  auto after = back(before);
  CHECK(to_json(after) == R"({"value":1,"children":[{"value":2,"children":[]},)"
                          R"({"value":3,"children":[{"value":4,"children":[]}]}]})");
}

TEST_CASE("a tree passes through, with exact numbers") {
  auto text = R"({"a":[1,-2,18446744073709551615,0.1,1e+300,null,true,"\n"],"":{}})";
  auto tree = troupe::parse_json(text);
  REQUIRE(tree);
  CHECK(tree->at("a").at(2).as_uint64() == std::numeric_limits<std::uint64_t>::max());
  CHECK(to_json(*tree) == text);
  CHECK(troupe::parse_json("123456789012345678901234567890")->as_double()
        == 123456789012345678901234567890.0);

  auto inside = from_json<std::map<std::string, boost::json::value>>(R"({"k":[1]})");
  REQUIRE(inside);
  CHECK(inside->at("k").is_array());
}

TEST_CASE("a value of a tree becomes a struct, with the same errors as text") {
  boost::json::value tree = {{"n", 4}, {"name", "x"}};
  CHECK(troupe::from_value<item>(tree).value() == item{4, "x"});
  tree.as_object()["n"] = "four";
  CHECK(troupe::from_value<item>(tree).error().message == "/n: expected integer, found string");
}

TEST_CASE("raw JSON is checked and keeps its spelling") {
  auto r = from_json<std::vector<troupe::raw_json>>(R"([ {"b" : 1.0} ,2])");
  REQUIRE(r);
  CHECK(r->at(0).text == R"({"b" : 1.0})");
  CHECK(to_json(*r) == R"([{"b" : 1.0},2])");
  CHECK(to_json(troupe::raw_json{}) == "null");
}

TEST_CASE("an error message repeats no values and no endless keys") {
  auto text = why<std::vector<int>>(R"(["hunter2"])");
  CHECK(text.find("hunter2") == std::string::npos);
  auto key = std::string(10'000, 'k');
  CHECK(why<std::map<std::string, int>>("{\"" + key + "\":true}").size() < 200);
}

TEST_CASE("whatever is written is read back the same") {
  CHECK(rc::check("doubles", [](std::uint64_t bits) {
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    RC_PRE(std::isfinite(value));
    RC_ASSERT(from_json<double>(to_json(value)).value() == value);
    RC_ASSERT(troupe::parse_json(to_json(value) + " ").has_value());
  }));
  CHECK(rc::check("floats", [](std::uint32_t bits) {
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    RC_PRE(std::isfinite(value));
    RC_ASSERT(from_json<float>(to_json(value)).value() == value);
  }));
  CHECK(rc::check("integers", [](std::int64_t value) {
    RC_ASSERT(from_json<std::int64_t>(to_json(value)).value() == value);
  }));
  CHECK(rc::check("text of any code points", [](const std::vector<std::uint32_t>& points) {
    std::string text;
    for (auto p : points)
      text += from_json<std::string>(escaped(p % 0x110000)).value();
    RC_ASSERT(from_json<std::string>(to_json(text)).value() == text);
  }));
  using lists = std::map<std::string, std::vector<std::string>>;
  using entries = std::vector<std::pair<std::string, std::vector<std::string>>>;
  CHECK(rc::check("maps of lists of text", [](const entries& all) {
    lists value;
    for (auto [key, list] : all) {
      for (auto& c : key) // keys that are not UTF-8 could become one
        c = static_cast<char>(c & 0x7f);
      value[key] = list;
    }
    auto text = to_json(value);
    auto read = from_json<lists>(text);
    RC_ASSERT(read.has_value());
    RC_ASSERT(to_json(*read) == text);
  }));
}

TEST_CASE("no bytes crash the reader, and what it takes it takes the same twice") {
  static constexpr std::string_view alphabet
    = "{}[]\",:\\u0123456789eE+-.truefalsn \x80\xc3\xa9\n";
  CHECK(rc::check("bytes", [](const std::vector<std::uint8_t>& picks) {
    std::string text;
    for (auto p : picks)
      text += alphabet[p % alphabet.size()];
    auto tree = troupe::parse_json(text);
    (void)from_json<order>(text);
    RC_ASSERT(tree.has_value() == from_json<troupe::raw_json>(text).has_value());
    if (tree)
      RC_ASSERT(to_json(*tree) == to_json(troupe::parse_json(to_json(*tree)).value()));
  }));
}
