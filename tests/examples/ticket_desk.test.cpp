// The example's data are what the example shows: a ticket without an answer of its own would make a
// run that looks right and is not.

#include "examples/ticket_desk/knowledge_search.hpp"
#include "runtime/core/json.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

namespace {

namespace fs = std::filesystem;

struct ticket {
  std::string id;
  std::string customer;
  std::string subject;
  std::string body;
  std::string channel;
  std::string received;
};
BOOST_DESCRIBE_STRUCT(ticket, (), (id, customer, subject, body, channel, received))

struct verdict {
  std::string queue;
  std::string priority;
  std::string summary;
  std::string reply;
};
BOOST_DESCRIBE_STRUCT(verdict, (), (queue, priority, summary, reply))

struct condition {
  std::vector<std::string> contains;
};
BOOST_DESCRIBE_STRUCT(condition, (), (contains))

struct usage_counts {
  std::uint64_t input_tokens = 0;
  std::uint64_t output_tokens = 0;
};
BOOST_DESCRIBE_STRUCT(usage_counts, (), (input_tokens, output_tokens))

struct rule {
  condition when;
  verdict answer;
  usage_counts usage;
};
BOOST_DESCRIBE_STRUCT(rule, (), (when, answer, usage))

struct fault_rule {
  std::uint64_t every = 0;
  std::string error;
};
BOOST_DESCRIBE_STRUCT(fault_rule, (), (every, error))

struct script {
  std::array<std::uint64_t, 2> latency_ms{};
  std::vector<rule> rules;
  std::vector<verdict> sequence;
  verdict otherwise;
  std::vector<fault_rule> faults;
};
BOOST_DESCRIBE_STRUCT(script, (), (latency_ms, rules, sequence, otherwise, faults))

fs::path folder() {
  return fs::path{troupe::test::paths::source_dir} / "examples/ticket_desk";
}

std::string read(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::vector<std::string> ticket_lines() {
  std::ifstream in{folder() / "tickets.jsonl"};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

std::vector<ticket> all_tickets() {
  std::vector<ticket> tickets;
  for (auto& line : ticket_lines()) {
    auto one = troupe::from_json<ticket>(line);
    INFO(line);
    REQUIRE(one);
    tickets.push_back(*one);
  }
  return tickets;
}

script the_script() {
  auto read_in = troupe::from_json<script>(read(folder() / "fast.script.json"));
  INFO((read_in ? std::string{} : to_string(read_in.error())));
  REQUIRE(read_in);
  return *read_in;
}

std::string lower(std::string text) {
  for (auto& c : text)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

bool matches(const rule& r, const std::string& text) {
  return std::all_of(r.when.contains.begin(), r.when.contains.end(), [&](const auto& part) {
    return lower(text).find(lower(part)) != std::string::npos;
  });
}

bool one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void check_verdict(const verdict& v) {
  CHECK(one_of(v.queue, {"billing", "technical", "account", "shipping", "security", "sales",
                         "spam"}));
  CHECK(one_of(v.priority, {"low", "normal", "high", "urgent"}));
  CHECK(v.summary.size() > 20);
  CHECK(v.summary.back() == '.');
  CHECK(v.reply.size() > 60);
}

const desk::knowledge& base() {
  static auto opened = desk::knowledge::open(folder() / "knowledge");
  return opened.value();
}

std::string first_for(std::string_view query) {
  auto found = base().search(query, 3);
  return found.empty() ? std::string{} : found.front().document;
}

} // namespace

TEST_CASE("there are 47 tickets, each with an id of its own") {
  auto tickets = all_tickets();

  std::set<std::string> ids;
  for (auto& t : tickets) {
    ids.insert(t.id);
    INFO(t.id);
    CHECK(one_of(t.channel, {"email", "chat", "web", "phone"}));
    CHECK(t.received.size() >= std::string_view{"2026-03-02T07:14:09Z"}.size());
    CHECK(!t.customer.empty());
    CHECK(!t.subject.empty());
    CHECK(!t.body.empty());
  }

  CHECK(tickets.size() == 47);
  CHECK(ids.size() == 47);
}

TEST_CASE("several customers wrote more than once") {
  std::map<std::string, int> times;
  for (auto& t : all_tickets())
    ++times[t.customer];

  auto again = std::count_if(times.begin(), times.end(), [](auto& t) { return t.second > 1; });

  CHECK(again >= 5);
}

TEST_CASE("each ticket finds the rule that was written for it, and each rule has its ticket") {
  auto rules = the_script().rules;

  std::set<const rule*> used;
  for (auto& line : ticket_lines()) {
    auto id = troupe::from_json<ticket>(line).value().id;
    auto fits = [&](auto& r) { return matches(r, line); };
    auto first = std::find_if(rules.begin(), rules.end(), fits);
    INFO(id);
    REQUIRE(first != rules.end());
    CHECK(first->when.contains == std::vector<std::string>{id});
    used.insert(&*first);
  }

  CHECK(used.size() == rules.size());
}

TEST_CASE("a knowledge page never names a ticket, so it cannot choose the answer of another") {
  for (auto& page : fs::directory_iterator{folder() / "knowledge"}) {
    auto text = read(page.path());
    for (auto& t : all_tickets())
      CHECK(text.find(t.id) == std::string::npos);
  }
}

TEST_CASE("every scripted answer is a verdict that the agent may give") {
  auto s = the_script();

  for (auto& r : s.rules) {
    INFO(r.when.contains.front());
    check_verdict(r.answer);
    CHECK(r.usage.input_tokens > 0);
    CHECK(r.usage.output_tokens > 0);
  }
  check_verdict(s.otherwise);
  CHECK(s.latency_ms[0] <= s.latency_ms[1]);
  for (auto& f : s.faults) {
    CHECK(f.every > 1);
    CHECK(one_of(f.error, {"unavailable", "rate_limited", "timed_out", "malformed"}));
  }
}

TEST_CASE("the knowledge search finds the page that answers the question") {
  CHECK(base().size() == 20);
  CHECK(first_for("Our card was charged twice for one invoice") == "double-charges.md");
  CHECK(first_for("hub shows amber light after router change") == "hub-offline.md");
  CHECK(first_for("two-factor code invalid, new phone") == "sign-in-and-two-factor.md");
  CHECK(first_for("SAML audience_mismatch with Keycloak") == "single-sign-on.md");
  CHECK(first_for("probe reads -127 constantly") == "probe-readings-and-calibration.md");
  CHECK(first_for("webhook HMAC signature does not match") == "api-and-webhooks.md");
  CHECK(first_for("tracking says label created, nothing moves") == "shipping-and-delivery.md");
  CHECK(first_for("send back sealed unused hardware") == "returns-and-warranty.md");
  CHECK(first_for("dashboard error 502, is there an outage?") == "outages-and-status.md");
  CHECK(first_for("roll back firmware 3.8.1") == "firmware-updates.md");
}

TEST_CASE("the knowledge search understands the languages that customers write in") {
  CHECK(first_for("Auskunft nach Art. 15 DSGVO") == "privacy-and-gdpr.md");
  CHECK(first_for("Cobro doble en mi tarjeta") == "double-charges.md");
  CHECK(first_for("résilier l'abonnement et remboursement") == "refunds-and-cancellation.md");
  CHECK(first_for("ハブがオフラインのままです") == "hub-offline.md");
  CHECK(first_for("領収書の発行") == "billing-and-invoices.md");
}

TEST_CASE("hits are ordered, named and short enough for a prompt") {
  auto hits = base().search("charged twice, refund to the card", 3);

  REQUIRE(hits.size() == 3);
  CHECK(hits.front().title == "Charged twice: duplicate charges and pending authorisations");
  for (std::size_t i = 0; i < hits.size(); ++i) {
    CHECK(!hits[i].excerpt.empty());
    CHECK(hits[i].excerpt.size() <= desk::knowledge::excerpt_max);
    CHECK((i == 0 || hits[i - 1].score >= hits[i].score));
  }
}

TEST_CASE("a query without a known word finds nothing, and none is asked for more than there is") {
  CHECK(base().search("", 3).empty());
  CHECK(base().search("the of and", 3).empty());
  CHECK(base().search("xyzzyplugh", 3).empty());
  CHECK(base().search("hub", 0).empty());
  CHECK(base().search("hub", 1'000).size() <= base().size());
}

TEST_CASE("words are folded, and what is not UTF-8 separates them") {
  using words = std::vector<std::string>;

  CHECK(desk::tokens("Łódź ŽIŽEK Ünïcødé") == words{"lodz", "zizek", "unicode"});
  CHECK(desk::tokens("e\xCC\x81te\xCC\x81 don’t") == words{"ete", "dont"});
  CHECK(desk::tokens("ab\xFF" "cd\xC3") == words{"ab", "cd"});
  CHECK(desk::tokens("ok😍fine<b>bold</b>") == words{"ok", "fine", "bold"});
  CHECK(desk::tokens("東京都") == words{"東京", "京都"});
}

TEST_CASE("a folder without pages is an error that names it") {
  auto opened = desk::knowledge::open(folder() / "no-such-folder");

  REQUIRE(!opened);
  CHECK(opened.error().code == troupe::errc::not_found);
  CHECK(opened.error().message.find("no-such-folder") != std::string::npos);
}
