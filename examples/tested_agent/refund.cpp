#include "refund.hpp"

#include "runtime/core/agent.hpp"

class refund final : public troupe::agent<refund_request, refund_answer> {
  troupe::task<refund_answer> run(refund_request in) override {
    auto order = co_await tool("orders").arg("order", in.order).call<order_record>();
    if (!order)
      co_return std::move(order).error();

    auto prompt = "Order " + order->order + " cost " + std::to_string(order->cents)
                  + " cents. The customer says: " + in.reason;
    auto ruled = co_await llm("fast").system("Grant refunds of broken goods.").ask<ruling>(prompt);
    if (!ruled)
      co_return std::move(ruled).error();

    refund_answer out;
    out.order = in.order;
    out.granted = ruled->grant;
    if (ruled->grant) {
      auto paid = co_await tool("payment").arg("order", in.order).arg("cents", order->cents)
                    .key("refund/" + in.order).call<std::string>();
      if (!paid)
        co_return std::move(paid).error();
      out.receipt = *paid;
    }

    auto told = co_await tool("mail").arg("order", in.order).arg("text", ruled->note).call();
    if (!told)
      co_return std::move(told).error();
    co_return out;
  }
};
TROUPE_AGENT(refund)
