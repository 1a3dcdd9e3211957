#pragma once
// The Chat Completions API, as OpenAI and many other servers speak it. Private to this folder; made
// by `make_chat_wire`.

#include "actors/llm/model_wire.hpp"

namespace troupe {

class chat_wire final : public model_wire {
public:
  std::string url(std::string_view base) const override;
  void add_headers(net::http_headers& out, const secret& key) const override;
  std::string body(const model_request& request, std::string_view model,
                   const wire_dialect& dialect) const override;
  result<model_answer> read(const net::http_response& response, utc_time now) const override;
  std::unique_ptr<answer_stream> stream() const override;
  bool adapt(wire_dialect& dialect, const wire_dialect& sent, const net::http_response& response,
             const model_request& request) const override;
};

} // namespace troupe
