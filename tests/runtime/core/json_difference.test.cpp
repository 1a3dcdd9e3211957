#include "runtime/core/json_difference.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;

using found = std::vector<json_difference>;

TEST_CASE("texts that mean the same do not differ") {
  CHECK(json_differences(R"({"a":1,"b":[2.0]})", R"({ "b": [2], "a": 1e0 })").empty());
  CHECK(json_differences("no JSON", "no JSON").empty());
}

TEST_CASE("each place that differs is named with both its sides") {
  auto all = json_differences(R"({"a":1,"list":[1,{"n":2}],"gone":true})",
                              R"({"a":"1","list":[1,{"n":3},4],"new":null})");

  CHECK(all
        == found{{"/a", "1", "\"1\""},
                 {"/list/1/n", "2", "3"},
                 {"/list/2", "", "4"},
                 {"/gone", "true", ""},
                 {"/new", "", "null"}});
}

TEST_CASE("of long texts what surrounds the first difference is shown") {
  auto left = "\"" + std::string(200, 'x') + "here" + std::string(200, 'y') + "\"";
  auto right = "\"" + std::string(200, 'x') + "there" + std::string(200, 'y') + "\"";

  auto all = json_differences(left, right);

  REQUIRE(all.size() == 1);
  CHECK(all[0].path.empty());
  CHECK(all[0].left == "..." + std::string(24, 'x') + "here" + std::string(52, 'y') + "...");
  CHECK(all[0].right == "..." + std::string(24, 'x') + "there" + std::string(51, 'y') + "...");
}

TEST_CASE("no character is cut in the middle") {
  std::string umlauts;
  for (int i = 0; i < 100; ++i)
    umlauts += "ü";

  auto all = json_differences("\"" + umlauts + "a\"", "\"" + umlauts + "b\"");

  REQUIRE(all.size() == 1);
  CHECK(all[0].left.starts_with("...ü"));
}

TEST_CASE("no more places than asked for are named") {
  CHECK(json_differences("[1,2,3,4]", "[5,6,7,8]", 2).size() == 2);
}

TEST_CASE("what is not JSON is compared as a whole") {
  CHECK(json_differences("yes", "{}") == found{{"", "yes", "{}"}});
}
