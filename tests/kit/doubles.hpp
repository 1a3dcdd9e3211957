#pragma once
// Doubles for what a topology's tools and models reach: they answer what was planned, and fail the
// test at anything else.
//
// A double stands where the backend would: the actor before it (deadlines, retries, slots, schema)
// is the real one. It answers by the first rule that fits, else by its sequence, else by
// `otherwise`, else not at all: then the test fails and says what was asked. The sequence goes on
// over crashes: it is the world's, not the process's.
//
//   kit::scripted_tool chat{"chat"};
//   chat.when("T-2", kit::acts_and_hangs())     // its arguments contain this
//     .then(kit::fails(errc::unavailable))      // the first other call
//     .otherwise(kit::says("posted"));
//   options.tools.push_back(chat);
//
// Reconcile: a tool whose topology asks for it is answered from what the world remembers of the key,
// unless `reconciled` says otherwise.

#include "runtime/core/call.hpp"
#include "runtime/net/http_transport.hpp"
#include "tests/kit/answers.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::kit {

class world;

/// One call, as a double sees it.
struct scripted_call {
  std::string name; ///< `tool:chat`, `llm:fast`
  std::string body; ///< of a tool its arguments, of a model all its messages
  std::string key;  ///< idempotency key; empty for models
  std::uint32_t nth = 0; ///< of this double, over all lives
};

/// What a double was told to do.
class script {
public:
  using rule = std::function<std::optional<scripted_answer>(const scripted_call&)>;

  void add_rule(rule r) { rules_.push_back(std::move(r)); }
  void add(scripted_answer a, std::uint32_t times);
  void set_otherwise(scripted_answer a) { otherwise_ = std::move(a); }

  /// @param used how many of the sequence are used up; counted up
  std::optional<scripted_answer> answer(const scripted_call& call, std::uint32_t& used) const;

private:
  std::vector<rule> rules_;
  std::vector<scripted_answer> sequence_;
  std::optional<scripted_answer> otherwise_;
};

template <class Self>
class scripted {
public:
  explicit scripted(std::string name) : name_(std::move(name)) {}

  /// Calls that contain `text` are answered so.
  Self& when(std::string text, scripted_answer a) {
    return by([text = std::move(text), a = std::move(a)](const scripted_call& c) {
      return c.body.find(text) == c.body.npos ? std::optional<scripted_answer>{} : a;
    });
  }
  /// Any rule: nothing where it does not fit.
  Self& by(script::rule r) {
    script_.add_rule(std::move(r));
    return self();
  }
  /// The next of the sequence, so many times.
  Self& then(scripted_answer a, std::uint32_t times = 1) {
    script_.add(std::move(a), times);
    return self();
  }
  /// All others.
  Self& otherwise(scripted_answer a) {
    script_.set_otherwise(std::move(a));
    return self();
  }

  const std::string& name() const noexcept { return name_; }
  const script& plan() const noexcept { return script_; }

private:
  Self& self() { return static_cast<Self&>(*this); }

  std::string name_;
  script script_;
};

/// In place of the backend of `[tools.NAME]`.
class scripted_tool final : public scripted<scripted_tool> {
public:
  using scripted::scripted;
  using reconciler = std::function<reconcile_reply(world&, const scripted_call&)>;

  scripted_tool& reconciled(reconciler r) {
    reconciler_ = std::move(r);
    return *this;
  }
  const reconciler& how_reconciled() const noexcept { return reconciler_; }

private:
  reconciler reconciler_;
};

/// In place of the backend of `[models.NAME]`. A JSON string is said as its text, any other value
/// as JSON.
class scripted_llm final : public scripted<scripted_llm> {
public:
  using scripted::scripted;
};

/// What the far side of an HTTP request does.
struct http_reply {
  int status = 200;
  std::string body;
  net::http_headers headers;
  std::chrono::milliseconds latency{1};
  bool lost = false;            ///< never answered
  std::optional<error> failure; ///< instead of an answer
};

/// In place of the network: all HTTP of a topology's tools and models.
class scripted_http {
public:
  /// May do `world::effect`.
  using handler = std::function<http_reply(world&, const net::http_request&)>;

  /// Answers requests of this method whose URL begins so; the first that fits.
  scripted_http& on(std::string method, std::string url_prefix, handler h);

  const handler* find(const net::http_request& r) const;

private:
  struct route {
    std::string method;
    std::string prefix;
    handler serve;
  };
  std::vector<route> routes_;
};

} // namespace troupe::kit
