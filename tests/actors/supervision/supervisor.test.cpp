#include "actors/supervision/supervisor.hpp"

#include "actors/supervision/supervisor_messages.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/support/catch.hpp"

#include <map>

using namespace troupe;
using namespace troupe::test;

namespace {

/// To a child: what it should do to itself.
struct fall {
  bool normally = false;
};
struct save {
  std::string state;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(fall)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(save)

namespace {

/// Everything that happens to the children, in order: `+a` started, `-a` ended.
using diary = std::shared_ptr<std::vector<std::string>>;

struct fixture {
  actor_stage stage;
  diary notes = std::make_shared<std::vector<std::string>>();
  std::map<std::string, caf::actor> now;   ///< the children that live
  std::map<std::string, std::vector<std::string>> given; ///< checkpoints at each start
  std::map<std::string, int> failing;      ///< starts that will fail
  std::vector<error> gave_up;
  supervisor_options options;
  caf::actor aut;

  explicit fixture(restart_strategy strategy = restart_strategy::one_for_one) {
    options.name = "inner";
    options.strategy = strategy;
    options.backoff.jitter = 0;
  }

  child_spec spec(std::string id, restart_policy restart = restart_policy::permanent) {
    child_spec s;
    s.options.id = id;
    s.options.restart = restart;
    s.start = [this, id](const child_start& with) { return start(id, with); };
    return s;
  }

  result<caf::actor> start(const std::string& id, const child_start& with) {
    if (failing[id] > 0) {
      --failing[id];
      return error{errc::unavailable, "no port"};
    }
    given[id].push_back(with.checkpoint);
    notes->push_back("+" + id);
    auto born = stage.system().spawn([n = notes, id, with](caf::event_based_actor* self) {
      self->attach_functor([n, id] { n->push_back("-" + id); });
      return caf::behavior{
        [self](const fall& f) {
          self->quit(f.normally ? caf::exit_reason::normal
                                : caf::exit_reason::unhandled_exception);
        },
        [self, with](const save& s) {
          self->send(with.supervisor, save_checkpoint{with.id, s.state});
        },
        [](call_request& r) {
          call_reply reply;
          reply.outcome = r.body;
          return reply;
        },
        [](const reconcile_request&) { return reconcile_reply{}; },
        [](const call_cancel&) {},
      };
    });
    now[id] = born;
    return born;
  }

  void supervise(std::vector<child_spec> children) {
    supervisor_setup setup{.env = stage.env,
                           .options = options,
                           .children = std::move(children),
                           .timer = stage.timer,
                           .on_give_up = [this](const error& e) { gave_up.push_back(e); }};
    auto started = spawn_supervisor(stage.system(), std::move(setup));
    REQUIRE(started);
    aut = *started;
    stage.run();
  }

  void supervise_all(std::vector<std::string> ids) {
    std::vector<child_spec> children;
    for (auto& id : ids)
      children.push_back(spec(id));
    supervise(std::move(children));
  }

  void kill(const std::string& id) {
    auto one = now.at(id);
    stage.tell(one, fall{});
  }

  std::vector<std::string> written() { return std::exchange(*notes, {}); }

  ~fixture() {
    now.clear();
    if (aut)
      stage.end(aut, caf::exit_reason::user_shutdown);
    stage.advance(30s, 1s);
    aut = nullptr;
  }
};

using strings = std::vector<std::string>;

} // namespace

TEST_CASE("children are started in order and stopped in reverse") {
  fixture f;
  f.supervise_all({"a", "b", "c"});
  CHECK(f.written() == strings{"+a", "+b", "+c"});

  f.stage.end(f.aut, caf::exit_reason::user_shutdown);

  CHECK(f.written() == strings{"-c", "-b", "-a"});
}

TEST_CASE("one_for_one restarts the one that died, after its backoff") {
  fixture f;
  f.supervise_all({"a", "b", "c"});
  f.written();

  f.kill("b");
  f.stage.advance(95ms);
  CHECK(f.written() == strings{"-b"});
  f.stage.advance(5ms);
  CHECK(f.written() == strings{"+b"});

  f.kill("b"); // the second delay is twice as long
  f.stage.advance(195ms);
  CHECK(f.written() == strings{"-b"});
  f.stage.advance(5ms);
  CHECK(f.written() == strings{"+b"});
  CHECK(f.stage.events.count("supervisor.restart") == 2);
}

TEST_CASE("one_for_all restarts all, rest_for_one those started later") {
  fixture all{restart_strategy::one_for_all};
  all.supervise_all({"a", "b", "c"});
  all.written();
  all.kill("b");
  all.stage.advance(100ms);
  CHECK(all.written() == strings{"-b", "-c", "-a", "+a", "+b", "+c"});

  fixture rest{restart_strategy::rest_for_one};
  rest.supervise_all({"a", "b", "c"});
  rest.written();
  rest.kill("b");
  rest.stage.advance(100ms);
  CHECK(rest.written() == strings{"-b", "-c", "+b", "+c"});
}

TEST_CASE("a death during a recovery widens it, and nobody is started twice") {
  fixture f{restart_strategy::rest_for_one};
  f.supervise_all({"a", "b", "c"});
  f.written();

  f.kill("c");
  f.stage.advance(50ms);
  f.kill("a");
  f.stage.advance(1s);

  CHECK(f.written() == strings{"-c", "-a", "-b", "+a", "+b", "+c"});
}

TEST_CASE("transient children come back only after an abnormal end, temporary ones never") {
  fixture f;
  f.supervise({f.spec("transient", restart_policy::transient),
               f.spec("temporary", restart_policy::temporary), f.spec("permanent")});
  f.written();

  f.kill("temporary");
  f.kill("transient");
  f.stage.advance(1s);
  CHECK(f.written() == strings{"-temporary", "-transient", "+transient"});

  f.stage.tell(caf::actor{f.now["transient"]}, fall{true});
  f.stage.tell(caf::actor{f.now["permanent"]}, fall{true});
  f.stage.advance(1s);
  CHECK(f.written() == strings{"-transient", "-permanent", "+permanent"});
}

TEST_CASE("the end of a significant child ends the supervisor") {
  fixture f;
  auto main = f.spec("main", restart_policy::transient);
  main.significant = true;
  f.supervise({f.spec("helper"), main});
  f.written();

  f.stage.tell(caf::actor{f.now["main"]}, fall{true});

  CHECK(f.written() == strings{"-main", "-helper"});
  CHECK(f.gave_up.empty());
}

TEST_CASE("more deaths than intensity within the period stop everything and escalate") {
  fixture f;
  f.options.intensity = 2;
  f.supervise_all({"a", "b"});

  f.kill("b");
  f.stage.advance(500ms);
  f.kill("b");
  f.stage.advance(500ms);
  CHECK(f.gave_up.empty());
  f.written();
  f.kill("b");
  f.stage.advance(10s, 100ms);

  CHECK(f.written() == strings{"-b", "-a"});
  REQUIRE(f.gave_up.size() == 1);
  CHECK(f.gave_up[0].message.find("'b'") != std::string::npos);
  CHECK(f.stage.events.count("supervisor.gave_up") == 1);
}

TEST_CASE("deaths that lie apart are restarted for ever") {
  fixture f;
  f.options.intensity = 1;
  f.supervise_all({"a"});

  for (int i = 0; i < 10; ++i) {
    f.kill("a");
    f.stage.advance(70s, 1s);
  }

  CHECK(f.gave_up.empty());
  CHECK(f.given["a"].size() == 11);
}

TEST_CASE("a restart that fails counts, and is tried again") {
  fixture f;
  f.options.intensity = 3;
  f.supervise_all({"a"});

  f.failing["a"] = 2;
  f.kill("a");
  f.stage.advance(2s);
  CHECK(f.given["a"].size() == 2);
  CHECK(f.gave_up.empty());

  f.kill("a");
  CHECK(f.gave_up.size() == 1);
}

TEST_CASE("a child that cannot be started the first time is a mistake, and said at once") {
  fixture f;
  f.failing["b"] = 1;

  auto started = spawn_supervisor(f.stage.system(), {.env = f.stage.env,
                                                     .options = f.options,
                                                     .children = {f.spec("a"), f.spec("b")},
                                                     .timer = f.stage.timer});
  f.stage.run();

  REQUIRE_FALSE(started);
  CHECK(started.error().message == "'b' cannot be started: no port");
  CHECK(f.written() == strings{"+a", "-a"});
}

TEST_CASE("escalation restarts the supervisor below as a child of the one above") {
  fixture f;
  f.options.intensity = 1;
  child_spec inner;
  inner.options.id = "supervisors.inner";
  inner.start = [&](const child_start&) {
    return spawn_supervisor(f.stage.system(), {.env = f.stage.env,
                                               .options = f.options,
                                               .children = {f.spec("a")},
                                               .timer = f.stage.timer});
  };
  f.supervise({inner});

  f.kill("a");
  f.stage.advance(200ms);
  f.kill("a");
  f.stage.advance(200ms);

  CHECK(f.written() == strings{"+a", "-a", "+a", "-a", "+a"});
  CHECK(f.gave_up.empty());
}

TEST_CASE("a restarted child gets its last checkpoint, one that dies at once gets the one before") {
  fixture f;
  f.supervise_all({"a"});
  f.stage.tell(caf::actor{f.now["a"]}, save{"one"});
  f.stage.tell(caf::actor{f.now["a"]}, save{"two"});
  f.stage.advance(6s, 100ms);

  f.kill("a");
  f.stage.advance(1s);
  f.kill("a");
  f.stage.advance(1s);
  f.kill("a");
  f.stage.advance(1s);

  CHECK(f.given["a"] == strings{"", "two", "one", ""});
}

TEST_CASE("a start that fails leaves the checkpoints of a child that was well") {
  fixture f{restart_strategy::one_for_all};
  f.supervise_all({"a", "b"});
  f.stage.tell(caf::actor{f.now["b"]}, save{"one"});
  f.stage.tell(caf::actor{f.now["b"]}, save{"two"});
  f.stage.advance(6s, 100ms);

  f.failing["b"] = 1;
  f.kill("a"); // b, which did nothing wrong, is stopped with it
  f.stage.advance(2s);

  CHECK(f.given["b"] == strings{"", "one"});
}

TEST_CASE("a checkpoint that is too large ends its child: its state could not be restored") {
  fixture f;
  f.supervise_all({"a"});
  f.written();

  f.stage.tell(caf::actor{f.now["a"]}, save{std::string(checkpoint_size_max + 1, 'x')});
  f.stage.advance(1s);

  CHECK(f.written() == strings{"-a", "+a"});
  CHECK(f.given["a"].back().empty());
}

TEST_CASE("mail that arrives while a service is down is kept for its successor") {
  fixture f;
  auto desk = f.spec("desk");
  desk.service = "tool:desk";
  f.supervise({desk});
  auto call = [&](std::string body) {
    call_request r;
    r.id = 77;
    r.body = std::move(body);
    return f.stage.call(f.stage.services.find("tool:desk")->handle, r);
  };
  CHECK(call("1")->reply->outcome.value() == "1");

  f.kill("desk");
  auto kept = call("2");
  auto asked = f.stage.ask<reconcile_reply>(f.stage.services.find("tool:desk")->handle,
                                            reconcile_request{});
  auto stand_in = f.stage.services.find("tool:desk")->handle;
  CHECK_FALSE(kept->reply);
  f.stage.advance(100ms);

  CHECK(kept->reply->outcome.value() == "2");
  CHECK(asked->reply);
  CHECK(call("3")->reply->outcome.value() == "3");
  CHECK(f.stage.services.find("tool:desk")->handle == f.now["desk"]);
  call_request late; // somebody who looked the name up before
  late.body = "4";
  CHECK(f.stage.call(stand_in, late)->reply->outcome.value() == "4");
}

TEST_CASE("mail for a service that is down is bounded, can be cancelled, and has deadlines") {
  fixture f;
  f.options.mail_max = 2;
  auto desk = f.spec("desk");
  desk.service = "tool:desk";
  f.supervise({desk});
  f.kill("desk");
  auto call = [&](call_id id, utc_time deadline = never) {
    call_request r;
    r.id = id;
    r.deadline = deadline;
    return f.stage.call(f.stage.services.find("tool:desk")->handle, r);
  };

  auto expiring = call(1, f.stage.clock.now() + 10ms);
  auto cancelled = call(2);
  auto refused = call(3);
  f.stage.tell(f.stage.services.find("tool:desk")->handle, call_cancel{2});
  CHECK(refused->reply->outcome.error().code == errc::overloaded);
  CHECK(cancelled->reply->outcome.error().code == errc::cancelled);
  f.stage.advance(100ms);
  CHECK(expiring->reply->outcome.error().code == errc::deadline_exceeded);
}

TEST_CASE("mail for a service that stays down is answered when the supervisor gives up") {
  fixture f;
  f.options.intensity = 1;
  auto desk = f.spec("desk");
  desk.service = "tool:desk";
  f.supervise({desk});
  f.failing["desk"] = 100;
  f.kill("desk");
  call_request r;
  auto kept = f.stage.call(f.stage.services.find("tool:desk")->handle, r);

  f.stage.advance(1s);

  CHECK(f.gave_up.size() == 1);
  REQUIRE(kept->reply);
  CHECK(kept->reply->outcome.error().code == errc::unavailable);
  CHECK(kept->reply->outcome.error().outcome == certainty::definite);
}

TEST_CASE("a child that does not stop in its time is killed") {
  fixture f;
  child_spec deaf;
  deaf.options.id = "deaf";
  deaf.options.shutdown = 2s;
  auto ended = std::make_shared<bool>(false);
  deaf.start = [&f, ended](const child_start&) -> result<caf::actor> {
    return caf::actor{f.stage.system().spawn([ended](caf::event_based_actor* self) {
      self->set_exit_handler([](caf::exit_msg&) {});
      self->attach_functor([ended] { *ended = true; });
      return caf::behavior{[](const fall&) {}};
    })};
  };
  f.supervise({f.spec("a"), deaf});
  f.written();

  f.stage.end(f.aut, caf::exit_reason::user_shutdown);
  f.stage.advance(1'995ms);
  CHECK_FALSE(*ended);
  f.stage.advance(5ms);

  CHECK(*ended);
  CHECK(f.written() == strings{"-a"});
}

TEST_CASE("a supervisor that is killed takes its children with it") {
  fixture f;
  f.supervise_all({"a", "b"});
  f.written();
  f.kill("b");
  f.written();

  f.stage.end(f.aut, caf::exit_reason::kill);
  f.stage.advance(1s);

  CHECK(f.written() == strings{"-a"});
}
