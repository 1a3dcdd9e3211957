#include "actors/tool/mcp_backend.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include <algorithm>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// From the client's timeout to its answer.
constexpr milliseconds answer_margin{1'000};

class mcp_backend final : public tool_backend {
public:
  mcp_backend(caf::actor_addr client, std::uint64_t number, std::shared_ptr<const mcp_tool> tool,
              mcp_result form, milliseconds grace)
    : client_(std::move(client)), number_(number), tool_(std::move(tool)), form_(form),
      grace_(grace) {}

  void start(attempt_request request, attempt_done done) override {
    auto to = caf::actor_cast<caf::actor>(client_);
    if (!to) {
      done(error{errc::unavailable, "the client of the MCP server is being restarted"});
      return;
    }
    mcp_attempt attempt{number_, tool_, form_, std::move(request), std::move(done)};
    caf::anon_send(to, std::move(attempt));
  }

  void cancel(attempt_id id) override {
    if (auto to = caf::actor_cast<caf::actor>(client_))
      caf::anon_send(to, mcp_attempt_cancel{number_, id});
  }

  milliseconds grace() const override { return grace_; }

private:
  caf::actor_addr client_; ///< weak: the client owns the tool's supervisor, which owns this
  std::uint64_t number_;
  std::shared_ptr<const mcp_tool> tool_;
  mcp_result form_;
  milliseconds grace_;
};

} // namespace

std::shared_ptr<tool_backend> make_mcp_backend(caf::actor_addr client, std::uint64_t number,
                                               std::shared_ptr<const mcp_tool> tool,
                                               mcp_result form, milliseconds timeout,
                                               milliseconds progress_max) {
  auto grace = std::max(milliseconds{0}, progress_max - timeout) + answer_margin;
  return std::make_shared<mcp_backend>(std::move(client), number, std::move(tool), form, grace);
}

} // namespace troupe
