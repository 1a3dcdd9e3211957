// Fault 10: a checkpoint that another version of the agent's class has written.
#include "tests/sim/fault_ground.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

struct order_of_v2 {
  std::string id;
  int amount = 0;
  std::string currency; ///< new, and everybody must have it
};
BOOST_DESCRIBE_STRUCT(order_of_v2, (), (id, amount, currency))

struct order_of_v3 {
  std::string id;
  int amount = 0;
  std::optional<std::string> currency; ///< new, and old ones do without
};
BOOST_DESCRIBE_STRUCT(order_of_v3, (), (id, amount, currency))

struct till_of_v2 {
  int count = 0;
  std::vector<std::string> log;
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(till_of_v2, (), (count, log, cents))

// Charges, checkpoints, waits to be told, charges again.
template <class Order>
class in_two_parts final : public agent<Order, receipt> {
  task<receipt> run(Order in) override {
    if (in.amount == 2)
      (void)co_await signal<raw_json>("go");
    auto paid = co_await tool("charge").arg("id", in.id).arg("part", in.amount).template call<std::string>();
    if (in.amount < 2) {
      ++in.amount;
      co_return continue_as(in);
    }
    receipt out;
    out.id = in.id;
    out.steps = paid ? in.amount : 0;
    co_return out;
  }
};

template <class Order>
void deploy() {
  agent_class c;
  c.name = "in_two_parts";
  c.make = [] { return std::make_unique<in_two_parts<Order>>(); };
  c.accepts = [](std::string_view) -> result<void> { return {}; };
  c.input_schema = [] { return schema_of<Order>(); };
  c.output_schema = [] { return schema_of<receipt>(); };
  register_agent(std::move(c));
}

template <class State>
class till final : public keyed_agent<order, receipt, State> {
  task<receipt> run(order in) override {
    auto paid = co_await tool("charge").arg("id", in.id).arg("n", in.amount).template call<std::string>();
    this->state().count += in.amount;
    receipt out;
    out.id = in.id;
    out.steps = paid ? this->state().count : 0;
    co_return out;
  }
};

template <class State>
void deploy_till() {
  agent_class c;
  c.name = "till";
  c.make = [] { return std::make_unique<till<State>>(); };
  c.accepts = [](std::string_view) -> result<void> { return {}; };
  c.input_schema = [] { return schema_of<order>(); };
  c.output_schema = [] { return schema_of<receipt>(); };
  register_agent(std::move(c));
}

} // namespace

TEST_CASE("fault 10, checkpoint of an older schema: it waits for code that can read it", "[fault]") {
  kit::world w;
  std::string id;
  {
    deploy<order>();
    kit::stage v1{w, cast_of({"in_two_parts"})};
    auto a = v1.invoke("in_two_parts", one_order, "k");
    v1.run(1min);
    REQUIRE(a->accepted);
    id = a->id;
    CHECK(w.total("tool:charge") == 1);
  }
  {
    deploy<order_of_v2>();
    kit::stage v2{w, cast_of({"in_two_parts"})};
    REQUIRE(signal_it(v2, id, "go"));
    CHECK(reaches(v2, id, store::status::paused, 1min));
    CHECK(said(v2.trace(), {"invocation.paused", "schema_mismatch", "checkpoint of generation 1",
                            "currency"}));
    CHECK(w.total("tool:charge") == 1);
  }
  deploy<order_of_v3>();
  kit::stage v3{w, cast_of({"in_two_parts"})};
  auto again = v3.invoke("in_two_parts", one_order, "k");
  v3.run_until([&] { return again->ended; }, 1min);

  REQUIRE(again->state == store::status::completed);
  CHECK(again->id == id);
  CHECK(receipt_of(*again).steps == 2);
  CHECK(w.effects["tool:charge"].size() == 2);
  CHECK(w.most("tool:charge") == 1);
}

TEST_CASE("fault 10, checkpoint of an older schema: a key's state is not begun anew", "[fault]") {
  auto o = cast_of({});
  o.agents.push_back(keyed("till"));
  kit::world w;
  auto pay = [&](kit::stage& s, int cents, const std::string& key) {
    auto a = s.invoke("till", R"({"id":"T-1","amount":)" + std::to_string(cents) + "}", key);
    s.run_until([&] { return a->ended; }, 10s);
    return a;
  };
  {
    deploy_till<ledger>();
    kit::stage v1{w, o};
    CHECK(receipt_of(*pay(v1, 5, "a")).steps == 5);
  }
  {
    deploy_till<till_of_v2>();
    kit::stage v2{w, o};
    auto b = pay(v2, 7, "b");
    CHECK_FALSE(b->ended);
    CHECK(said(v2.trace(), {"invocation.paused", "schema_mismatch", "saved state", "cents"}));
  }
  deploy_till<ledger>();
  kit::stage back{w, o};

  auto b = pay(back, 7, "b");

  REQUIRE(b->state == store::status::completed);
  CHECK(receipt_of(*b).steps == 12);
  CHECK(w.effects["tool:charge"].size() == 2);
}
