#pragma once
// One model, as an actor: `llm:NAME` in the directory.
//
// The problem: a model is slow, dear, rate limited, now and then down, and it answers in prose when
// asked for JSON. This actor is the one place that deals with it, so that an agent gets a value of
// the shape that it asked for, or one error.
//
// A call (`call_request`, its body as in question.hpp) goes through
//   cache     an earlier answer to the same question, and one that is on its way, where asked for
//   fallback  where the model cannot serve: other models, an earlier answer, a text; marked degraded
//   budget    what the request may take is reserved before, and settled after (budget.hpp)
//   limiter   never more than `concurrent` requests in flight, and no more of them and of their
//             tokens than `limits` allows for each key; who waits does so fairly (limiter.hpp). More
//             than `concurrent + queue` calls at once are `overloaded`, with `retry_after`
//   breaker   refuses at once with `circuit_open` while the model fails: see breaker.hpp
//   attempt   one request to the backend, at most `retry.timeout` long
//   retry     after a failure that passes, after a pause, within the budget: see retry.hpp
//   repair    with a schema: what stands around the JSON is taken off; where the value misses the
//             schema, the model is told what is wrong and asked again at temperature 0, up to
//             `repairs_max` times, then `schema_mismatch` with the beginning of its last answer
// under one deadline, the earlier of the call's own and `retry.total_timeout` from its arrival.
// A repair is a new question, so it has attempts of its own.
//
// The outcome is the JSON value that fits the schema; without a schema
// `{"text":..,"input_tokens":n,"output_tokens":n}`. `call_cancel` ends the request at the backend.
// `llm_stats_request` is answered with `llm_stats`.
//
// Events: `llm.call` for each attempt (result, attempt, latency, model, tokens, finish reason) and
// `llm.done` for each call. Never what was said.
//
// Lifecycle: ends by an exit message; whoever waits gets `unavailable` first, and requests in
// flight are cancelled. Threads: an ordinary scheduled actor; backends call back from theirs.

#include "actors/guard/breaker.hpp"
#include "actors/guard/budget.hpp"
#include "actors/guard/fallback.hpp"
#include "actors/guard/limiter.hpp"
#include "actors/llm/llm_messages.hpp"
#include "actors/llm/llm_options.hpp"
#include "actors/llm/model_backend.hpp"
#include "runtime/core/env.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <map>
#include <memory>
#include <string>

namespace troupe {

namespace net {
class http_transport;
}

/// Whom an agent asks for, when many want the same model: `[agents.*]` in a topology.
struct llm_caller {
  std::string tenant;
  std::uint32_t priority = 0; ///< higher goes first
  double share = 1;           ///< within its tenant
};

/// By the agent's name.
using llm_callers = std::map<std::string, llm_caller, std::less<>>;

/// The shares of tenants, by name; who is not in it has 1.
using tenant_shares = std::map<std::string, double, std::less<>>;

/// What an endpoint is made with. `env` outlives it; the backend is kept over its restarts.
struct llm_setup {
  const environment& env;
  caf::actor timer;
  endpoint_options options;
  std::shared_ptr<model_backend> backend;
  std::shared_ptr<breaker> gate{}; ///< null: made anew; kept over restarts like the backend
  /// Where its checkpoints go, and what it begins with; both may be empty.
  caf::actor supervisor{};
  std::string child_id{};
  std::string checkpoint{};
  /// Null: made anew, with an actor of its own; else somebody runs its actor.
  std::shared_ptr<limiter> meter{};
  /// Those that are not in it, or where it is null: a caller of no tenant, with no priority.
  std::shared_ptr<const llm_callers> callers{};
  /// What all models may spend together; null: what they like.
  std::shared_ptr<budget_book> budgets{};
  /// Null: all the same.
  std::shared_ptr<const tenant_shares> shares{};
  /// Earlier answers, kept over its restarts; null: made anew.
  std::shared_ptr<answer_cache> answers{};
};

/// The breaker before a model, as the options say.
std::shared_ptr<breaker> make_llm_breaker(const endpoint_options& options, const environment& env);

/// Earlier answers of a model, as large as the options say.
std::shared_ptr<answer_cache> make_answer_cache(const endpoint_options& options);

/// What meters a model, as the options say.
std::shared_ptr<limiter> make_llm_limiter(const endpoint_options& options, const environment& env);

/// The backend that the options ask for. `transport` is used by openai only.
///
/// @returns `errc::invalid_input` or `errc::not_found` where the script cannot be used
result<std::shared_ptr<model_backend>>
make_model_backend(caf::actor_system& system, const environment& env, const caf::actor& timer,
                   const endpoint_options& options, std::shared_ptr<net::http_transport> transport);

/// What callers of an endpoint must know: it only reads, and how long it may take.
service_info llm_service_info(const endpoint_options& options);

/// Starts an endpoint and puts it into the directory as `llm:NAME`, in the place of an earlier one.
caf::actor start_llm_endpoint(caf::actor_system& system, llm_setup setup);

} // namespace troupe
