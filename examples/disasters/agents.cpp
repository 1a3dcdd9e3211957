// The four jobs that ended in disasters, as agents.
//
// There is no code against duplicates in here but the names of things: an alert is posted under the
// alert's name, an invoice charged under the invoice's, and the alerts of one incident come to one
// agent, one after another. A service that is down is waited for. The rest is the runtime's, told by topology.toml.

#include "runtime/core/agent.hpp"

#include <chrono>

namespace disasters {
namespace {

using namespace std::chrono_literals;

// -- patience ---------------------------------------------------------------------------------------

/// A service that is down for now: worth a durable pause, whatever its length. Asking again is safe
/// because the key is the same.
bool passes(const troupe::error& why) {
  using enum troupe::errc;
  return why.code == circuit_open || why.code == overloaded || why.code == unavailable
         || why.code == timed_out || why.code == deadline_exceeded;
}

std::chrono::milliseconds pause_after(const troupe::error& why) {
  return why.retry_after.value_or(1s);
}

// -- the message storm -----------------------------------------------------------------------------

struct alert {
  std::string id;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(alert, (), (id, text))

struct message {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(message, (), (id))

class notifier final : public troupe::agent<alert, troupe::raw_json> {
  troupe::task<troupe::raw_json> run(alert in) override {
    for (;;) {
      auto posted = co_await tool("chat").key("alert/" + in.id).arg("alert", in.id)
                      .arg("text", in.text).call();
      if (posted || !passes(posted.error()))
        co_return std::move(posted);
      co_await sleep(pause_after(posted.error()));
    }
  }
};
TROUPE_AGENT(notifier)

// -- the duplicate charge --------------------------------------------------------------------------

struct invoice {
  std::string id;
  std::uint64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(invoice, (), (id, cents))

struct receipt {
  std::string charge;
};
BOOST_DESCRIBE_STRUCT(receipt, (), (charge))

class biller final : public troupe::agent<invoice, receipt> {
  troupe::task<receipt> run(invoice in) override {
    for (;;) {
      auto booked = co_await tool("payments").key("invoice/" + in.id).arg("invoice", in.id)
                      .arg("cents", in.cents).call<receipt>();
      if (booked || !passes(booked.error()))
        co_return std::move(booked);
      co_await sleep(pause_after(booked.error()));
    }
  }
};
TROUPE_AGENT(biller)

// -- the ticket cascade ----------------------------------------------------------------------------

struct page {
  std::string incident;
  std::string alert;
};
BOOST_DESCRIBE_STRUCT(page, (), (incident, alert))

struct ticket {
  std::string ticket;
};
BOOST_DESCRIBE_STRUCT(ticket, (), (ticket))

/// One of them for each incident (`key = "incident"`): it files the first alert, and adds the others
/// to the ticket that it remembers.
class dispatcher final : public troupe::keyed_agent<page, ticket, ticket> {
  troupe::task<ticket> run(page in) override {
    if (state().ticket.empty()) {
      auto filed = co_await tool("file_ticket").arg("incident", in.incident)
                     .arg("alert", in.alert).call<ticket>();
      if (filed)
        state() = *filed;
      co_return std::move(filed);
    }
    auto known = state();
    auto added = co_await tool("add_alert").arg("ticket", known.ticket)
                   .arg("alert", in.alert).call();
    if (!added)
      co_return std::move(added).error();
    co_return known;
  }
};
TROUPE_AGENT(dispatcher)

// -- the timeout cascade ---------------------------------------------------------------------------

struct question {
  std::string order;
  std::string customer; ///< empty: not needed
};
BOOST_DESCRIBE_STRUCT(question, (), (order, customer))

struct customer {
  std::optional<std::string> name; ///< nobody knows: the fallback in topology.toml
};
BOOST_DESCRIBE_STRUCT(customer, (), (name))

struct reply {
  std::string text;
  bool degraded = false;
};
BOOST_DESCRIBE_STRUCT(reply, (), (text, degraded))

class support final : public troupe::agent<question, reply> {
  troupe::task<reply> run(question in) override {
    auto order = co_await tool("orders").arg("id", in.order).call();
    if (!order)
      co_return std::move(order).error();
    reply out;
    out.text = "Order " + in.order + " is on its way";
    if (in.customer.empty())
      co_return out;
    auto who = co_await tool("crm").arg("id", in.customer).call<customer>();
    if (!who)
      co_return std::move(who).error();
    out.degraded = !who->name;
    out.text += ", " + who->name.value_or("dear customer");
    co_return out;
  }
};
TROUPE_AGENT(support)

} // namespace
} // namespace disasters
