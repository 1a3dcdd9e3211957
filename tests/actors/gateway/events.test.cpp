#include "actors/gateway/event_stream.hpp"
#include "tests/actors/gateway/playing.hpp"

#include <condition_variable>
#include <mutex>

namespace troupe::test {
namespace {

/// Reads a stream of events until it ends.
class listener {
public:
  listener(const std::string& base, const std::string& path, std::string last_id = {}) {
    net::http_request r;
    r.url = base + path;
    r.proxy = std::string{};
    r.timeout = std::chrono::seconds{20};
    if (!last_id.empty())
      r.headers.add("Last-Event-ID", last_id);
    r.on_chunk = [this](std::string_view piece) {
      std::lock_guard lock{mutex_};
      text_ += piece;
      changed_.notify_all();
      return true;
    };
    client_.send(std::move(r), [this](net::http_response_or_error got) {
      std::lock_guard lock{mutex_};
      status_ = got ? got->status : -1;
      changed_.notify_all();
    });
  }

  /// All that has come, once `part` is in it.
  std::string until(std::string_view part) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, std::chrono::seconds{10},
                      [&] { return text_.find(part) != std::string::npos; });
    return text_;
  }
  std::string until_end() {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, std::chrono::seconds{10}, [&] { return status_ != 0; });
    CHECK(status_ == 200);
    return text_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  int status_ = 0;
  net::http_client client_;
};

TEST_CASE("followers see what an agent emits, as it does, and its end") {
  playing aut;
  auto id = aut.begin("talker", "{}");
  auto base = "http://" + aut.cast().address();

  listener follows{base, "/v1/invocations/" + id + "/events"};
  auto early = follows.until("\"second\"");
  CHECK(early.find("\"last\"") == std::string::npos);
  aut.peer.post("/v1/invocations/" + id + "/signals/go", "1");
  auto all = follows.until_end();

  INFO(all);
  CHECK(all.find("id: 0/0/-/0\nevent: emit\ndata: {\"text\":\"first\"}\n\n") != std::string::npos);
  CHECK(all.find("event: emit\ndata: {\"text\":\"last\"}\n\n") != std::string::npos);
  CHECK(all.ends_with("data: {\"status\":\"completed\",\"result\":{\"text\":\"last\"}}\n\n"));
}

TEST_CASE("a follower that comes again with its last id misses nothing and sees nothing twice") {
  playing aut;
  auto id = aut.begin("talker", "{}");
  auto base = "http://" + aut.cast().address();
  listener{base, "/v1/invocations/" + id + "/events"}.until("\"second\"");
  aut.peer.post("/v1/invocations/" + id + "/signals/go", "1");
  aut.until(id, "status", "completed");

  listener again{base, "/v1/invocations/" + id + "/events", "0/0/-/0"};
  auto rest = again.until_end();

  CHECK(rest.find("\"first\"") == std::string::npos);
  CHECK(rest.find("\"second\"") != std::string::npos);
  CHECK(rest.find("event: ended") != std::string::npos);
}

TEST_CASE("events without follow end with what is there") {
  playing aut;
  auto id = aut.begin("talker", "{}");
  listener{"http://" + aut.cast().address(), "/v1/invocations/" + id + "/events"}.until("second");

  auto now = aut.peer.get("/v1/invocations/" + id + "/events?follow=false");

  CHECK(now.status == 200);
  CHECK(now.body.find("\"second\"") != std::string::npos);
  CHECK(aut.peer.get("/v1/invocations/zzz-1/events").status == 404);
}

TEST_CASE("data of several lines stays one event") {
  std::string out;
  gateway::append_sse(out, {"1.0", "emit", "{\n\"a\":1}"});
  CHECK(out == "id: 1.0\nevent: emit\ndata: {\ndata: \"a\":1}\n\n");
}

} // namespace
} // namespace troupe::test
