#pragma once
// What goes in and out of the refund agent, its tools and its model.

#include "runtime/core/json.hpp"

#include <string>

struct refund_request {
  std::string order;
  std::string reason; ///< what the customer says
};
BOOST_DESCRIBE_STRUCT(refund_request, (), (order, reason))

struct refund_answer {
  std::string order;
  bool granted = false;
  std::string receipt; ///< of the payment; empty where nothing was paid
};
BOOST_DESCRIBE_STRUCT(refund_answer, (), (order, granted, receipt))

struct order_record {
  std::string order;
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_record, (), (order, cents))

struct ruling {
  bool grant = false;
  std::string note; ///< for the customer
};
BOOST_DESCRIBE_STRUCT(ruling, (), (grant, note))
