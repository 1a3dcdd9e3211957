// The shop's side, for playing the topology: three tools as plain functions.
#include "refund.hpp"

#include "actors/tool/function_tool.hpp"

namespace {

struct order_wanted {
  std::string order;
};
BOOST_DESCRIBE_STRUCT(order_wanted, (), (order))

struct payment_wanted {
  std::string order;
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(payment_wanted, (), (order, cents))

struct letter {
  std::string order;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(letter, (), (order, text))

troupe::result<order_record> find_order(order_wanted wanted) {
  if (!wanted.order.starts_with("A-"))
    return troupe::error{troupe::errc::not_found, "no order " + wanted.order};
  order_record found;
  found.order = wanted.order;
  found.cents = 990;
  return found;
}
TROUPE_TOOL(shop_orders, find_order)

troupe::result<std::string> pay(payment_wanted wanted) {
  return "receipt of " + wanted.order;
}
TROUPE_TOOL(shop_payment, pay)

troupe::result<bool> send(letter) {
  return true;
}
TROUPE_TOOL(shop_mail, send)

} // namespace
