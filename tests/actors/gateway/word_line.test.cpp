#include "actors/gateway/word_line.hpp"

#include "runtime/net/http_client.hpp"
#include "runtime/net/http_server.hpp"
#include "tests/runtime/net/await.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::gateway;

namespace {

/// A client that follows, over real sockets, with no actor between.
struct followed {
  followed() {
    net::http_server_options o;
    o.port = 0;
    server = net::http_server::start(std::move(o), [this](auto, net::responder out) {
               out.start_stream({});
               slots.put(answer_slot{std::move(out), route::events, {}});
             }).value();
    net::http_request r;
    r.url = "http://127.0.0.1:" + std::to_string(server->port()) + "/";
    r.proxy = "";
    r.timeout = std::chrono::seconds{10};
    r.on_chunk = [this](std::string_view text) {
      pieces.put(std::string{text});
      return true;
    };
    client.send(std::move(r), [this](net::http_response_or_error) { ended.put(true); });
    line->out = slots.take();
    line->otherwise = [this] { ++otherwise; };
    line->words = hub.follow("k-1", line->writer());
  }
  void finish() {
    stream_reader words;
    {
      std::lock_guard lock{line->mutex};
      line->closed = true;
      words = std::move(line->words);
      line->out.raw().finish();
    }
    ended.take();
  }

  test::inbox<answer_slot> slots;
  test::inbox<std::string> pieces;
  test::inbox<bool> ended;
  std::unique_ptr<net::http_server> server;
  net::http_client client;
  stream_hub hub;
  std::atomic<int> otherwise{0};
  std::shared_ptr<word_line> line = std::make_shared<word_line>();
};

} // namespace

TEST_CASE("a word goes to its client on the thread on which it came") {
  followed f;
  auto words = f.hub.begin("k-1", "0/0/-/4");

  words.add(stream_kind::text, "Hel");
  CHECK(f.pieces.take().find(R"("text":"Hel")") != std::string::npos);
  words.add(stream_kind::text, "lo");
  CHECK(f.pieces.take().find(R"("text":"lo")") != std::string::npos);

  CHECK(f.otherwise == 0);
  f.finish();
}

TEST_CASE("words of children come with their invocation and agent, where they are asked for") {
  followed f;
  f.line->hub = &f.hub;
  f.hub.adopt("k-1", stream_child{"k-2", "helper"});
  f.hub.adopt("k-2", stream_child{"k-3", "scout"});

  f.hub.begin("k-2", "0/0/-/1").add(stream_kind::text, "below");
  CHECK(f.pieces.take().find(R"({"invocation":"k-2","agent":"helper","stream":"0/0/-/1")")
        != std::string::npos);
  f.hub.begin("k-3", "0/0/-/1").add(stream_kind::text, "further below");
  CHECK(f.pieces.take().find(R"({"invocation":"k-3","agent":"scout","stream":"0/0/-/1")")
        != std::string::npos);
  f.finish();

  followed plain;
  plain.hub.adopt("k-1", stream_child{"k-2", "helper"});
  plain.hub.begin("k-2", "0/0/-/1").add(stream_kind::text, "below");
  plain.hub.begin("k-1", "0/0/-/4").add(stream_kind::text, "its own");
  CHECK(plain.pieces.take().find("its own") != std::string::npos);
  plain.finish();
  CHECK(plain.pieces.size() == 0);
}

TEST_CASE("a line that is closed takes no words, and one whose client has gone says so") {
  followed f;
  auto words = f.hub.begin("k-1", "0/0/-/4");
  f.finish();
  words.add(stream_kind::text, "late");
  CHECK(f.otherwise == 0);
  CHECK(f.pieces.size() == 0);

  followed gone;
  gone.server.reset(); // cuts the connection
  gone.ended.take();
  gone.hub.begin("k-1", "0/0/-/4").add(stream_kind::text, "too late");
  CHECK(gone.otherwise == 1);
}
