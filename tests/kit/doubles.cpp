#include "tests/kit/doubles.hpp"

#include "runtime/core/json.hpp"
#include "tests/kit/outside.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <map>
#include <utility>

namespace troupe::kit {
namespace {

/// Bytes of a call in a message for people.
constexpr std::size_t body_shown_max = 400;

std::string shown(std::string_view body) {
  return body.size() <= body_shown_max ? std::string{body}
                                       : fmt::format("{}...", body.substr(0, body_shown_max));
}

/// Calls that are in flight at a double, each ended once.
template <class Done, class Value>
class flights {
public:
  void add(std::uint64_t id, Done done) { open_.emplace(id, std::move(done)); }
  void end(std::uint64_t id, result<Value> how) {
    auto found = open_.find(id);
    if (found == open_.end())
      return;
    auto done = std::move(found->second);
    open_.erase(found);
    done(std::move(how));
  }
  bool has(std::uint64_t id) const { return open_.contains(id); }

private:
  std::map<std::uint64_t, Done> open_;
};

/// What a script and its world make of a call; nothing where it is not answered (now).
std::optional<scripted_answer> ask(const script& plan, scripted_call& call, stage_outside& at) {
  auto& w = at.of;
  if (w.crashed)
    return std::nullopt;
  w.calls[call.name].push_back(call.key);
  call.nth = w.asked[call.name]++;
  auto a = plan.answer(call, w.sequence_used[call.name]);
  if (!a) {
    w.problem(fmt::format("'{}' was called and nothing is planned for it (its call number {}): {}",
                          call.name, call.nth + 1, shown(call.body)));
    return fails(errc::failed, "nothing is planned for this call");
  }
  if (a->effect && call.name.starts_with("tool:"))
    w.effect(call.name, call.key, call.body, a->value);
  if (a->crash && !w.crashed)
    at.kill(call.name);
  if (w.crashed || a->silent)
    return std::nullopt;
  return a;
}

class tool_double final : public tool_backend {
public:
  tool_double(script plan, std::string service, std::shared_ptr<stage_outside> outside)
    : plan_(std::move(plan)), service_(std::move(service)), outside_(std::move(outside)) {}

  void start(attempt_request r, attempt_done done) override {
    keys_[r.id] = r.key;
    open_->add(r.id, std::move(done));
    scripted_call call{service_, std::move(r.body), std::move(r.key), 0};
    if (auto a = ask(plan_, call, *outside_))
      outside_->later(a->latency, [open = open_, id = r.id, value = std::move(a->value)] {
        open->end(id, value);
      });
  }

  void cancel(attempt_id id) override {
    if (!open_->has(id))
      return;
    if (!outside_->of.crashed)
      outside_->of.cancelled[service_].push_back(keys_[id]);
    open_->end(id, error{errc::cancelled, "cancelled", certainty::unknown});
  }

private:
  script plan_;
  std::string service_;
  std::shared_ptr<stage_outside> outside_;
  std::shared_ptr<flights<attempt_done, std::string>> open_
    = std::make_shared<flights<attempt_done, std::string>>();
  std::map<attempt_id, std::string> keys_;
};

/// Answers from what the world remembers, in the words of a reconciler.
class reconciler_double final : public tool_backend {
public:
  reconciler_double(scripted_tool::reconciler how, std::string service,
                    std::shared_ptr<stage_outside> outside)
    : how_(std::move(how)), service_(std::move(service)), outside_(std::move(outside)) {}

  void start(attempt_request r, attempt_done done) override {
    auto& w = outside_->of;
    if (w.crashed)
      return;
    ++w.reconciled[service_];
    scripted_call call{service_, std::move(r.body), std::move(r.key), 0};
    auto said = how_ ? how_(w, call) : from_memory(w, call);
    auto state = said.state == reconcile_state::done       ? "done"
                 : said.state == reconcile_state::not_done ? "not_done"
                                                           : "unknown";
    auto text = fmt::format(R"({{"state":"{}","result":{}}})", state,
                            said.body.empty() ? "null" : said.body);
    outside_->later(std::chrono::milliseconds{1},
                    [done = std::move(done), text = std::move(text)] { done(text); });
  }
  void cancel(attempt_id) override {}

private:
  reconcile_reply from_memory(world& w, const scripted_call& call) const {
    if (w.count(service_, call.key) == 0)
      return {reconcile_state::not_done, {}};
    return {reconcile_state::done, w.answers[service_][call.key]};
  }

  scripted_tool::reconciler how_;
  std::string service_;
  std::shared_ptr<stage_outside> outside_;
};

model_answer to_answer(const scripted_answer& said, std::uint32_t nth,
                       const model_request& request) {
  model_answer out;
  auto text = from_json<std::string>(*said.value);
  out.text = text ? std::move(*text) : *said.value;
  for (const auto& [name, arguments] : said.tool_calls)
    out.tool_calls.push_back(
      {fmt::format("call_{}_{}", nth, out.tool_calls.size()), name, arguments});
  if (!out.tool_calls.empty())
    out.finish_reason = "tool_calls";
  // Four characters a token, as the rule of thumb says.
  std::size_t asked = 0;
  for (const auto& m : request.messages)
    asked += m.content.size();
  out.input_tokens = static_cast<std::int64_t>((asked + 3) / 4);
  out.output_tokens = static_cast<std::int64_t>((out.text.size() + 3) / 4);
  out.model = "double";
  return out;
}

class model_double final : public model_backend {
public:
  model_double(script plan, std::string service, std::shared_ptr<stage_outside> outside)
    : plan_(std::move(plan)), service_(std::move(service)), outside_(std::move(outside)) {}

  model_request_id start(const model_request& request, model_done done) override {
    auto id = ++last_;
    open_->add(id, std::move(done));
    scripted_call call{service_, {}, {}, 0};
    for (const auto& m : request.messages)
      call.body += m.content + "\n";
    auto a = ask(plan_, call, *outside_);
    if (!a)
      return id;
    auto outcome = a->value ? result<model_answer>{to_answer(*a, call.nth, request)}
                            : result<model_answer>{a->value.error()};
    outside_->later(a->latency, [open = open_, id, outcome = std::move(outcome)] {
      open->end(id, outcome);
    });
    return id;
  }

  void cancel(model_request_id id) override {
    open_->end(id, error{errc::cancelled, "cancelled", certainty::unknown});
  }

private:
  script plan_;
  std::string service_;
  std::shared_ptr<stage_outside> outside_;
  std::shared_ptr<flights<model_done, model_answer>> open_
    = std::make_shared<flights<model_done, model_answer>>();
  model_request_id last_ = 0;
};

class http_double final : public net::http_transport {
public:
  http_double(scripted_http plan, std::shared_ptr<stage_outside> outside)
    : plan_(std::move(plan)), outside_(std::move(outside)) {}

  net::request_id send(net::http_request r, net::http_done done) override {
    auto id = ++last_;
    auto& w = outside_->of;
    open_->add(id, std::move(done));
    if (w.crashed)
      return id;
    const auto* serve = plan_.find(r);
    if (serve == nullptr)
      w.problem(fmt::format("{} {} was sent and nobody is planned to serve it: {}", r.method, r.url,
                            shown(r.body)));
    auto reply = serve == nullptr ? http_reply{} : (*serve)(w, r);
    if (w.crashed)
      return id;
    // A transport keeps the time of its requests itself.
    auto end = [open = open_, id](net::http_response_or_error how) {
      return [open, id, how = std::move(how)] { open->end(id, how); };
    };
    if (serve == nullptr)
      outside_->later({}, end(error{errc::unavailable, "nobody is planned to serve it"}));
    else if (reply.lost || reply.latency > r.timeout)
      outside_->later(r.timeout, end(error{errc::timed_out, "no answer", certainty::unknown}));
    else if (reply.failure)
      outside_->later(reply.latency, end(std::move(*reply.failure)));
    else
      outside_->later(reply.latency, end(to_response(std::move(reply), r)));
    return id;
  }

  void cancel(net::request_id id) override {
    open_->end(id, error{errc::cancelled, "cancelled", certainty::unknown});
  }

private:
  static net::http_response to_response(http_reply reply, const net::http_request& r) {
    net::http_response out;
    out.status = reply.status;
    out.headers = std::move(reply.headers);
    out.timings.total = reply.latency;
    if (r.on_chunk && reply.status / 100 == 2)
      r.on_chunk(reply.body);
    else
      out.body = std::move(reply.body);
    return out;
  }

  scripted_http plan_;
  std::shared_ptr<stage_outside> outside_;
  std::shared_ptr<flights<net::http_done, net::http_response>> open_
    = std::make_shared<flights<net::http_done, net::http_response>>();
  net::request_id last_ = 0;
};

} // namespace

void script::add(scripted_answer a, std::uint32_t times) {
  sequence_.insert(sequence_.end(), times, std::move(a));
}

std::optional<scripted_answer> script::answer(const scripted_call& call,
                                              std::uint32_t& used) const {
  for (const auto& r : rules_)
    if (auto a = r(call))
      return a;
  if (used < sequence_.size())
    return sequence_[used++];
  return otherwise_;
}

scripted_http& scripted_http::on(std::string method, std::string url_prefix, handler h) {
  routes_.push_back({std::move(method), std::move(url_prefix), std::move(h)});
  return *this;
}

const scripted_http::handler* scripted_http::find(const net::http_request& r) const {
  for (const auto& route : routes_)
    if (route.method == r.method && r.url.starts_with(route.prefix))
      return &route.serve;
  return nullptr;
}

tool_parts make_tool_double(const scripted_tool& plan, std::string service, bool reconciles,
                            std::shared_ptr<stage_outside> outside) {
  tool_parts parts;
  if (reconciles)
    parts.reconciler = std::make_shared<reconciler_double>(plan.how_reconciled(), service, outside);
  parts.backend
    = std::make_shared<tool_double>(plan.plan(), std::move(service), std::move(outside));
  return parts;
}

std::shared_ptr<model_backend> make_model_double(const scripted_llm& plan, std::string service,
                                                 std::shared_ptr<stage_outside> outside) {
  return std::make_shared<model_double>(plan.plan(), std::move(service), std::move(outside));
}

std::shared_ptr<net::http_transport> make_http_double(const scripted_http& plan,
                                                      std::shared_ptr<stage_outside> outside) {
  return std::make_shared<http_double>(plan, std::move(outside));
}

} // namespace troupe::kit
