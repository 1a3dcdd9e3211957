// The wall's streams, read by somebody while they break: what was read is taken back in words, or the
// call ends. Nobody is left with half an answer.

#include "runtime/net/sse_parser.hpp"
#include "tests/chaos/llm_wall/wall_ground.hpp"

#include <condition_variable>

using namespace troupe;
using namespace troupe::test;

namespace {

using std::chrono::seconds;

/// Reads the events of one invocation, on a thread of its own, from now until its end.
class follower {
public:
  follower(const std::string& url, const std::string& id) {
    net::http_request r;
    r.url = url + "/v1/invocations/" + id + "/events";
    r.timeout = seconds{60};
    r.proxy = std::string{};
    r.on_chunk = [this](std::string_view piece) {
      take(piece);
      return true;
    };
    client_.send(std::move(r), [this](net::http_response_or_error got) {
      std::lock_guard lock{mutex_};
      failure_ = got ? "" : got.error().message;
      over_ = true;
      changed_.notify_all();
    });
  }

  /// Whether a piece has been read.
  bool has_read() {
    return wait([this] { return !text_.empty(); });
  }
  bool has_ended() {
    return wait([this] { return over_; });
  }

  // After the end.
  const std::string& text() const { return text_; } ///< all that counts still
  const std::string& before() const { return before_; } ///< what counts no more
  int resets() const { return resets_; }
  const std::string& end() const { return end_; } ///< of the stream: its error, where it failed
  const std::string& failure() const { return failure_; }

private:
  bool wait(const std::function<bool()>& what) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, seconds{30}, what);
  }

  void take(std::string_view piece) {
    std::lock_guard lock{mutex_};
    std::vector<net::sse_event> events;
    static_cast<void>(parser_.feed(piece, events));
    for (const auto& e : events)
      take(e);
    changed_.notify_all();
  }

  void take(const net::sse_event& e) {
    if (e.type == "reset") {
      ++resets_;
      before_ = std::exchange(text_, {});
    }
    auto data = parse_json(e.data);
    if (e.type != "delta" || !data)
      return;
    const auto& o = data->as_object();
    if (o.at("kind").as_string() == "end")
      end_ = o.contains("error") ? std::string{o.at("error").as_string()} : "ok";
    else
      text_ += std::string_view{o.at("text").as_string()};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  net::sse_parser parser_;
  std::string text_;
  std::string before_;
  std::string end_;
  std::string failure_;
  int resets_ = 0;
  bool over_ = false;
  net::http_client client_; // the last: its callbacks use the rest
};

struct followed_case {
  const wall_fault* fault = nullptr;
  std::string kind;
  std::string then; ///< `after_first_chunk`

  std::string model() const { return fault->name + "_" + kind + "_" + then; }
};

std::vector<followed_case> followed_cases(std::string_view then) {
  std::vector<followed_case> out;
  for (const auto& f : held_faults())
    for (const auto& kind : wall_kinds())
      out.push_back({&f, kind, std::string{then}});
  return out;
}

std::vector<wall_model> models_of(const std::vector<followed_case>& cases) {
  std::vector<wall_model> out;
  for (const auto& c : cases)
    out.push_back({c.model(), c.kind, c.fault->name,
                   "after_first_chunk = \"" + c.then + "\"\n"});
  return out;
}

/// Asks the model of `c`, and lets its stream break once a piece of it has been read.
class watched {
public:
  watched(wall_ground& on, const followed_case& c)
    : peer_(on.url()), id_(on.ask(peer_, c.model(), c.model(), true)), by(on.url(), id_) {
    REQUIRE(by.has_read());
    http_peer wall{on.wall_url()};
    REQUIRE(wall.post("/release").status == 200);
    REQUIRE(by.has_ended());
    REQUIRE(by.failure().empty());
    outcome = peer_.get("/v1/invocations/" + id_);
  }

private:
  http_peer peer_;
  std::string id_;

public:
  follower by;
  http_answer outcome;
};

} // namespace

TEST_CASE("llm_wall with faults 33 to 36: a stream that breaks while it is read begins again with a reset") {
  auto cases = followed_cases("reset");
  wall_ground on{models_of(cases)};

  for (const auto& c : cases) {
    watched w{on, c};

    auto whole = wall_answer(c.model());
    INFO(c.model() << ": " << w.outcome.body);
    CHECK(w.by.resets() == 1);
    CHECK_FALSE(w.by.before().empty());
    CHECK(whole.starts_with(w.by.before()));
    CHECK(w.by.text() == whole);
    CHECK(w.by.end() == "ok");
    CHECK(w.outcome.json().at("result").at("text").as_string() == whole);
  }
}

TEST_CASE("llm_wall with faults 33 to 36: a stream that breaks while it is read fails where that is asked for") {
  auto cases = followed_cases("fail");
  wall_ground on{models_of(cases)};

  for (const auto& c : cases) {
    watched w{on, c};

    INFO(c.model() << ": " << w.outcome.body);
    CHECK(w.by.resets() == 0);
    CHECK(w.by.text().size() < wall_answer(c.model()).size());
    CHECK(w.by.end() == c.fault->expect);
    CHECK(w.outcome.text("status") == "failed");
    CHECK(w.outcome.json().at("error").at("code").as_string()
          == boost::json::string_view{c.fault->expect.data(), c.fault->expect.size()});
  }
}
