#include "runtime/core/checksum.hpp"
#include "runtime/journal/exported.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

using namespace troupe;
using namespace troupe::journal;

namespace {

payload text(std::string s) {
  return {std::move(s), false, {}};
}

digest named(std::string_view s) {
  return sha256(s);
}

// One entry of each kind, with the values that are hard to write.
exported one_of_each() {
  auto t = utc_time{std::chrono::microseconds{1'700'000'000'000'001}};
  exported x;
  x.id = "k3f9x2-17";
  x.no = 17;
  x.agent = "refunds";
  x.agent_class = "refund";
  x.key = "customer 4";
  x.status = "completed";
  x.parent = "k3f9x2-16";
  x.chain[named("a")] = {digest{}, R"({"role":"system","content":"Be kind."})"};
  x.chain[named("b")] = {named("a"), R"({"role":"user","content":"Hello"})"};
  command model{{"3.0", 1},  effect_kind::model, effect_class::read, "fast",
                0x10712ce6c61a89bc, "",          t,                  {"", true, named("b")}};
  row outside_row{3, outside, outside, {}};
  outside_row.entries = {started{"refunds", "2", text(R"({"id":"A-1"})"), t, t, "00-ab-cd-01"}};
  row first{5, 0, 1, {}};
  first.entries = {
    state_loaded{text("")},
    model,
    command{{"", 0}, effect_kind::tool, effect_class::idempotent, "charge", 7, "order 1", t,
            text("{\"a\":\n1}")},
    completion{{"", 0}, true, text("\x80\xff raw"), error{errc::none}, t, 12},
    completion{{"", 1}, false, {}, error{errc::rate_limited, "slow \"down\"", certainty::unknown},
               t, 0},
    local{{"", 2}, effect_kind::uuid, text("null")},
    note{"drift", text("no JSON"), t},
  };
  std::get<completion>(first.entries[4]).failure.retry_after = std::chrono::milliseconds{250};
  row second{9, 1, 2, {}};
  second.entries = {
    signalled{4, "approve", text("true"), t},
    cancel_asked{cancel_reason::parent, t},
    cancel_delivered{},
    generation_began{text(R"({"$odd":1})"), {{"loud", true}, {"quiet", false}}},
    run_began{afresh},
    parked{{"1.2", 3}, "nobody knows", t},
    resolved{{"1.2", 3}, verdict::abort, {}},
    died{{"", 4}, "boom", t},
    ended{false, {}, error{errc::failed, "declined"}, t},
    ended{true, text("\"done\""), error{errc::none}, t},
  };
  x.rows = {outside_row, first, second};
  return x;
}

std::string changed(std::string file, std::string_view what, std::string_view with) {
  auto at = file.find(what);
  REQUIRE(at != file.npos);
  return file.replace(at, what.size(), with);
}

std::string refusal(const std::string& file) {
  auto read = read_export(file, "x.journal");
  REQUIRE_FALSE(read);
  return read.error().message;
}

} // namespace

TEST_CASE("an exported journal reads back as it was written, to the last byte") {
  auto x = one_of_each();

  auto file = write_export(x).value();
  auto back = read_export(file, "x.journal").value();

  CHECK(back.id == x.id);
  CHECK(back.no == 17);
  CHECK(back.agent_class == "refund");
  CHECK(back.key == x.key);
  CHECK(back.status == "completed");
  CHECK(back.parent == x.parent);
  REQUIRE(back.rows.size() == x.rows.size());
  for (std::size_t i = 0; i < x.rows.size(); ++i) {
    CHECK(back.rows[i].at == x.rows[i].at);
    CHECK(back.rows[i].run == x.rows[i].run);
    CHECK(back.rows[i].generation == x.rows[i].generation);
    REQUIRE(back.rows[i].entries.size() == x.rows[i].entries.size());
    for (std::size_t k = 0; k < x.rows[i].entries.size(); ++k) {
      INFO("row " << i << ", entry " << k);
      CHECK((back.rows[i].entries[k] == x.rows[i].entries[k]));
    }
  }
  CHECK(back.messages(named("b"))
        == R"([{"role":"system","content":"Be kind."},{"role":"user","content":"Hello"}])");
  CHECK(write_export(back).value() == file);
}

TEST_CASE("an export is one JSON object a line, values as they stood") {
  auto file = write_export(one_of_each()).value();

  CHECK(file.starts_with(R"({"troupe_journal":1,"id":"k3f9x2-17","no":17,"agent":"refunds",)"
                         R"("agent_class":"refund","key":"customer 4","status":"completed",)"
                         R"("parent":"k3f9x2-16","sum":")"));
  CHECK(file.find(R"({"entry":"started","lsn":3,"agent":"refunds","version":"2",)"
                  R"("value":{"id":"A-1"},"when_us":1700000000000001,)")
        != file.npos);
  CHECK(file.find(R"("arguments":"10712ce6c61a89bc")") != file.npos);
  CHECK(file.find(R"("value":{"$text":"{\"a\":\n1}"})") != file.npos);
  CHECK(file.find(R"("value":{"$hex":"80ff20726177"})") != file.npos);
}

TEST_CASE("a message that several calls send stands in the file once") {
  auto x = one_of_each();
  auto more = x.rows[1].entries[1];
  for (int i = 0; i < 50; ++i)
    x.rows[1].entries.push_back(more);

  auto file = write_export(x).value();

  CHECK(file.find("Be kind.") == file.rfind("Be kind."));
}

TEST_CASE("whatever is changed in an exported journal is found in its line") {
  auto file = write_export(one_of_each()).value();

  for (std::size_t at = 0; at < file.size(); ++at) {
    auto damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    auto line = 1 + std::count(file.begin(), file.begin() + static_cast<long>(at), '\n');
    auto why = refusal(damaged);
    INFO(at << ": " << why);
    // A line break that is gone makes one line of two.
    CHECK(why.starts_with("x.journal:" + std::to_string(line) + ": "));
  }
  CHECK(refusal(changed(file, "order 1", "order 2"))
        == "x.journal:7: the checksum does not match: this line was changed, or one before it is "
           "missing");
}

TEST_CASE("a line that is missing, or a file that was cut off, is refused") {
  auto file = write_export(one_of_each()).value();
  auto second = file.find('\n') + 1;
  auto third = file.find('\n', second) + 1;

  auto gap = file;
  gap.erase(second, third - second);
  CHECK(refusal(gap).starts_with("x.journal:2: the checksum does not match"));

  auto last = file.rfind('\n', file.size() - 2) + 1;
  CHECK(refusal(file.substr(0, last))
        == "x.journal:21: the file ends here, without its last line: it was cut off");
  CHECK(refusal(file + file).starts_with("x.journal:22: something follows this line"));
  CHECK(refusal("").find("this is no exported journal") != std::string::npos);
  CHECK(refusal("{}\n").find("this is no exported journal") != std::string::npos);
}

TEST_CASE("an export of another version is refused by name") {
  auto file = write_export(one_of_each()).value();
  auto line = changed(file.substr(0, file.find(",\"sum\"")), "\"troupe_journal\":1",
                      "\"troupe_journal\":2");
  line += fmt::format(",\"sum\":\"{:08x}\"}}\n", checksum(line));

  CHECK(refusal(line)
        == "x.journal:1: version 2 of this format is not known here, which is version 1");
}

TEST_CASE("a journal past the bound of an export is refused by name") {
  exported x;
  x.id = "k3f9x2-1";
  row r{1, 0, 0, {}};
  for (int i = 0; i < 70; ++i)
    r.entries.emplace_back(note{"long", text(std::string(1 << 20, 'x')), {}});
  x.rows.push_back(r);

  auto file = write_export(x);

  REQUIRE_FALSE(file);
  CHECK(file.error().code == errc::output_too_large);
  CHECK(file.error().message
        == "the journal of k3f9x2-1 is longer than 64 MiB (export_size_max)");
}
