#pragma once
// Runs one attempt of a backend on its real threads and waits for how it ends.

#include "actors/tool/tool_backend.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

namespace troupe::test {

/// An attempt that is under way.
class backend_probe {
public:
  backend_probe(tool_backend& backend, attempt_request request) {
    auto promise = std::make_shared<std::promise<result<std::string>>>();
    outcome_ = promise->get_future();
    backend.start(std::move(request),
                  [promise](result<std::string> r) { promise->set_value(std::move(r)); });
  }

  /// Fails the test when it does not end.
  result<std::string> outcome() {
    REQUIRE(outcome_.wait_for(std::chrono::seconds{20}) == std::future_status::ready);
    return outcome_.get();
  }

private:
  std::future<result<std::string>> outcome_;
};

inline attempt_request attempt_of(std::string body, effect_class cls = effect_class::idempotent) {
  attempt_request r;
  r.id = 1;
  r.body = std::move(body);
  r.key = "inv-1/0/0//3";
  r.invocation = "inv-1";
  r.agent = "triage";
  r.cls = cls;
  r.timeout = std::chrono::seconds{10};
  return r;
}

} // namespace troupe::test
