#include "tests/kit/faulty_network.hpp"

#include <caf/event_based_actor.hpp>

#include <map>

namespace troupe::kit {
namespace {

struct arrived {
  std::shared_ptr<std::function<void()>> what;
};

struct call_arrives {
  call_request what;
  caf::response_promise to; ///< none: a duplicate, whose answer nobody takes
};

struct question_arrives {
  reconcile_request what;
  caf::response_promise to;
};

} // namespace
} // namespace troupe::kit

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::arrived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::call_arrives)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::question_arrives)

namespace troupe::kit {
namespace {

call_reply connection_cut() {
  return {error{errc::unavailable, "simulated network: the connection was cut",
                certainty::unknown},
          1};
}

// Takes the calls of a service and passes them on as the network lets it.
class link_actor final : public caf::event_based_actor {
public:
  link_actor(caf::actor_config& cfg, std::shared_ptr<faulty_network> net, caf::actor service,
             service_info info)
    : caf::event_based_actor(cfg), net_(std::move(net)), service_(std::move(service)),
      info_(info) {
    link_to(service_);
  }

  const char* name() const override { return "faulty_link"; }
  void on_exit() override { service_ = nullptr; }

protected:
  caf::behavior make_behavior() override {
    return {
      [this](call_request& r) { on_call(r); },
      [this](call_arrives& c) { pass_on(c); },
      [this](call_cancel& c) {
        if (!net_->cut_request())
          delayed_send(service_, net_->delay(), c);
      },
      [this](reconcile_request& r) { on_question(r); },
      [this](question_arrives& q) { pass_on(q); },
      [](arrived& a) { (*a.what)(); },
    };
  }

private:
  void on_call(call_request& r) {
    auto promise = make_response_promise();
    if (net_->cut_request()) {
      if (!net_->noticed())
        return;
      promise.deliver(connection_cut());
      if (net_->noticed()) // by the caller alone: it still lies in somebody's queue
        delayed_send(this, net_->delay(), call_arrives{std::move(r), {}});
      return;
    }
    if (r.cls != effect_class::at_most_once && net_->duplicate())
      delayed_send(this, net_->delay(), call_arrives{r, {}});
    delayed_send(this, net_->delay(), call_arrives{std::move(r), std::move(promise)});
  }

  void pass_on(call_arrives& c) {
    request(service_, caf::infinite, std::move(c.what))
      .then(
        [this, to = c.to](call_reply& reply) mutable {
          if (to.pending())
            answer(std::move(to), std::move(reply));
        },
        [to = c.to](const caf::error& why) mutable {
          if (to.pending())
            to.deliver(why);
        });
  }

  void on_question(reconcile_request& r) {
    auto promise = make_response_promise();
    if (!net_->cut_request())
      delayed_send(this, net_->delay(), question_arrives{std::move(r), std::move(promise)});
    else if (net_->noticed())
      promise.deliver(reconcile_reply{reconcile_state::unknown, "the connection was cut"});
  }

  void pass_on(question_arrives& q) {
    request(service_, caf::infinite, std::move(q.what))
      .then([this, to = q.to](reconcile_reply& reply) mutable { answer(to, std::move(reply)); },
            [to = q.to](const caf::error& why) mutable { to.deliver(why); });
  }

  template <class Reply>
  void answer(caf::response_promise to, Reply reply) {
    if (net_->cut_reply()) {
      if (!net_->noticed())
        return;
      if constexpr (std::is_same_v<Reply, call_reply>)
        reply = connection_cut();
      else
        reply = {reconcile_state::unknown, "the connection was cut"};
    }
    auto deliver = [to, reply = std::move(reply)]() mutable { to.deliver(std::move(reply)); };
    delayed_send(this, net_->delay(),
                 arrived{std::make_shared<std::function<void()>>(std::move(deliver))});
  }

  std::shared_ptr<faulty_network> net_;
  caf::actor service_;
  service_info info_;
};

// An HTTP exchange through the network. A cut that nobody notices ends with the request's timeout.
class link_transport final : public net::http_transport {
public:
  link_transport(std::shared_ptr<faulty_network> net, net::http_transport& beneath, later when)
    : net_(std::move(net)), beneath_(beneath), later_(std::move(when)) {}

  net::request_id send(net::http_request request, net::http_done done) override {
    auto id = ++last_id_;
    auto open = std::make_shared<exchange>();
    open->done = [this, id, done = std::move(done)](net::http_response_or_error how) {
      open_.erase(id);
      done(std::move(how));
    };
    open_[id] = open;
    auto patience = request.timeout;
    later_(patience, [open] { open->end(error{errc::timed_out, "no answer", certainty::unknown}); });
    if (net_->cut_request()) {
      if (net_->noticed())
        later_(net_->delay(), [open] { open->end(cut()); });
      return id;
    }
    if (request.repeatable && net_->duplicate())
      later_(net_->delay(), [this, request] {
        beneath_.send(request, [](const net::http_response_or_error&) {});
      });
    later_(net_->delay(), [this, open, request = std::move(request)]() mutable {
      if (open->over)
        return;
      open->beneath = beneath_.send(std::move(request), [this, open](auto got) {
        open->beneath.reset();
        come_back(open, std::move(got));
      });
    });
    return id;
  }

  void cancel(net::request_id id) override {
    auto found = open_.find(id);
    if (found == open_.end())
      return;
    auto open = found->second;
    if (open->beneath)
      beneath_.cancel(*open->beneath);
    open->end(error{errc::cancelled, "cancelled", certainty::unknown});
  }

private:
  struct exchange {
    net::http_done done;
    std::optional<net::request_id> beneath;
    bool over = false;

    void end(net::http_response_or_error how) {
      if (!std::exchange(over, true))
        done(std::move(how));
    }
  };

  static error cut() {
    return error{errc::unavailable, "simulated network: the connection was cut",
                 certainty::unknown};
  }

  void come_back(const std::shared_ptr<exchange>& open, net::http_response_or_error got) {
    bool lost = net_->cut_reply();
    if (lost && !net_->noticed())
      return;
    if (lost)
      got = cut();
    later_(net_->delay(), [open, got = std::move(got)]() mutable { open->end(std::move(got)); });
  }

  std::shared_ptr<faulty_network> net_;
  net::http_transport& beneath_;
  later later_;
  net::request_id last_id_ = 0;
  std::map<net::request_id, std::shared_ptr<exchange>> open_;
};

// What a client is told, late, twice or never.
class link_observer final : public invocation_observer {
public:
  link_observer(std::shared_ptr<answer> a, std::shared_ptr<faulty_network> net, later when)
    : answer_(std::move(a)), net_(std::move(net)), later_(std::move(when)) {}

  void on_accepted(const std::string& id, bool attached) override {
    tell([a = answer_, id, attached] {
      a->accepted = true;
      a->attached = attached;
      a->id = id;
    });
  }
  void on_ended(const std::string& id, const outcome& how) override {
    tell([a = answer_, id, how] {
      a->ended = true;
      a->id = id;
      a->state = how.state;
      a->value = how.value;
    });
  }
  void on_refused(const error& why) override {
    tell([a = answer_, why] {
      if (a->ended)
        return;
      a->refused = true;
      a->value = why;
    });
  }

private:
  void tell(std::function<void()> what) {
    if (net_->cut_reply())
      return;
    if (net_->duplicate())
      later_(net_->delay(), what);
    later_(net_->delay(), std::move(what));
  }

  std::shared_ptr<answer> answer_;
  std::shared_ptr<faulty_network> net_;
  later later_;
};

} // namespace

std::shared_ptr<faulty_network> faulty_network::around(world& w, network_faults faults) {
  auto net = std::make_shared<faulty_network>(faults);
  w.network = net;
  return net;
}

caf::actor faulty_network::before(caf::actor_system& system, caf::actor service,
                                  const service_info& info) {
  return system.spawn<link_actor>(shared_from_this(), std::move(service), info);
}

std::unique_ptr<net::http_transport> faulty_network::before(net::http_transport& transport,
                                                            later when) {
  return std::make_unique<link_transport>(shared_from_this(), transport, std::move(when));
}

std::shared_ptr<answer> faulty_network::invoke(stage& s, std::string agent, std::string input,
                                               std::string key) {
  auto a = std::make_shared<answer>();
  auto when = later_on(s);
  if (cut_request())
    return a;
  auto send = [this, to = s.dispatcher(), a, when, agent, input, key] {
    invoke_request r;
    r.agent = agent;
    r.input = input;
    r.idempotency_key = key;
    r.observer = std::make_shared<link_observer>(a, shared_from_this(), when);
    caf::anon_send(to, std::move(r));
  };
  if (duplicate())
    when(delay(), send);
  when(delay(), send);
  return a;
}

bool faulty_network::duplicate() {
  bool yes = happens(faults_.duplicate);
  counts_.duplicated += yes ? 1 : 0;
  return yes;
}

std::chrono::milliseconds faulty_network::delay() {
  auto span = (faults_.delay_max - faults_.delay_min).count();
  if (span <= 0)
    return faults_.delay_min;
  return faults_.delay_min
         + std::chrono::milliseconds{chance_() % static_cast<std::uint64_t>(span + 1)};
}

bool faulty_network::cut(double part) {
  bool yes = happens(part);
  counts_.cut += yes ? 1 : 0;
  return yes;
}

bool faulty_network::happens(double part) {
  return part > 0 && static_cast<double>(chance_() >> 11U) * 0x1.0p-53 < part;
}

later later_on(stage& s) {
  // Ends with the dispatcher, and so with the stage.
  auto runner = s.system().spawn([to = s.dispatcher()](caf::event_based_actor* self) {
    self->link_to(to);
    return caf::behavior{[](arrived& a) { (*a.what)(); }};
  });
  return [runner](std::chrono::milliseconds wait, std::function<void()> what) {
    caf::delayed_anon_send(runner, wait,
                           arrived{std::make_shared<std::function<void()>>(std::move(what))});
  };
}

} // namespace troupe::kit
