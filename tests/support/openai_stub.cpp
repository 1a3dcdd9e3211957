#include "tests/support/openai_stub.hpp"

#include "runtime/core/json.hpp"

namespace troupe::test {

openai_stub::openai_stub() {
  net::http_server_options options;
  options.port = 0;
  server_
    = std::move(net::http_server::start(options,
                                        [this](net::http_server_request in, net::responder out) {
                                          serve(std::move(in), std::move(out));
                                        }))
        .value();
}

std::string openai_stub::base_url() const {
  return "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1";
}

openai_stub& openai_stub::say(const std::string& text) {
  return answer(200,
                R"({"id":"c","object":"chat.completion","model":"stub-1","choices":[{"index":0,)"
                R"("message":{"role":"assistant","content":)"
                  + to_json(text)
                  + R"(},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,)"
                    R"("completion_tokens":5,"total_tokens":16}})");
}

openai_stub& openai_stub::answer(int status, std::string body, net::http_headers headers) {
  headers.add("content-type", "application/json");
  return plan({manner::answer, status, std::move(body), std::move(headers)});
}

openai_stub& openai_stub::cut() {
  return plan({manner::cut, 200, {}, {}});
}

openai_stub& openai_stub::hold() {
  return plan({manner::hold, 200, {}, {}});
}

openai_stub& openai_stub::plan(planned p) {
  std::lock_guard lock{mutex_};
  plan_.push_back(std::move(p));
  return *this;
}

std::vector<net::http_server_request> openai_stub::requests() const {
  std::lock_guard lock{mutex_};
  return seen_;
}

bool openai_stub::wait_for_requests(std::size_t n, std::chrono::seconds within) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, within, [&] { return seen_.size() >= n; });
}

bool openai_stub::wait_for_gone(std::size_t n, std::chrono::seconds within) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, within, [&] { return gone_ >= n; });
}

void openai_stub::serve(net::http_server_request in, net::responder out) {
  planned next{manner::answer, 500, R"({"error":{"message":"the test planned no answer"}})", {}};
  {
    std::lock_guard lock{mutex_};
    seen_.push_back(std::move(in));
    if (!plan_.empty()) {
      next = std::move(plan_.front());
      plan_.pop_front();
    }
  }
  changed_.notify_all();
  if (next.how == manner::answer) {
    out.respond(next.status, std::move(next.headers), std::move(next.body));
  } else if (next.how == manner::cut) {
    out.start_stream({{"content-type", "application/json"}});
    (void)out.write_chunk(R"({"choices":)"); // and then the responder goes
  } else {
    auto kept = std::make_shared<net::responder>(std::move(out));
    kept->on_close([this] {
      std::lock_guard lock{mutex_};
      ++gone_;
      changed_.notify_all();
    });
    std::lock_guard lock{mutex_};
    held_.push_back(std::move(kept));
  }
}

} // namespace troupe::test
