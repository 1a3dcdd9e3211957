#pragma once
// An LLM endpoint's options: `[models.*]` in a topology.

#include "actors/guard/breaker_options.hpp"
#include "actors/guard/rate_limit_options.hpp"
#include "actors/guard/retry_options.hpp"
#include "runtime/core/options.hpp"
#include "runtime/core/secret.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

enum class endpoint_kind : std::uint8_t {
  scripted,  ///< answers from a file: offline, deterministic
  openai,    ///< Chat Completions at `base_url`: OpenAI, vLLM, Ollama, llama.cpp, gateways
  openai_responses, ///< OpenAI's Responses at `base_url`
  anthropic,        ///< Anthropic's Messages at `base_url`
  automatic, ///< `auto` in TOML: openai where `api_key_env` is set, else scripted; the loader
             ///< resolves it, so no actor meets it
};

/// Where the API of a kind is, when nobody says otherwise; empty for scripted ones.
std::string default_base_url(endpoint_kind kind);

/// What becomes of a stream that breaks when followers have read a part of it.
enum class broken_stream : std::uint8_t {
  reset, ///< asked again; followers are told to forget what they have
  fail,  ///< the call fails: nobody sees words taken back
};

/// What takes the place of an answer when the model cannot serve, the first that has something;
/// such an answer is marked degraded.
struct model_fallback_options {
  std::vector<std::string> models;     ///< get the same question, one after the other
  /// Of the call's time, for each of them, so that a model that hangs leaves enough for one whole
  /// attempt; at most an equal share. 0: as much as `timeout`.
  std::chrono::milliseconds reserve{0};
  std::chrono::milliseconds cached{0}; ///< an earlier answer to the same question, no older
  /// What is said instead. A call with a schema gets it where it holds a value that fits.
  std::string text;

  bool given() const noexcept {
    return !models.empty() || cached.count() > 0 || !text.empty();
  }
};

/// Answers that serve again, for requests that are the same to the byte (cassette.hpp says which).
struct model_cache_options {
  std::chrono::milliseconds ttl{0}; ///< 0: each request is sent
  std::size_t size = std::size_t{16} << 20; ///< bytes of requests and answers
  /// A request that is the same as one in flight waits for its answer.
  bool coalesce = false;
};

/// Money for a million tokens, in any one unit.
struct price_options {
  double input = 0;
  double cached_input = 0; ///< of those that the provider had kept; 0: as the others
  double output = 0;
};

struct endpoint_options {
  // Behaviour
  std::string name;
  endpoint_kind kind = endpoint_kind::scripted;
  std::string model; ///< sent as `model`; required but for scripted
  /// Empty: the API's own (`default_base_url`).
  std::string base_url;
  secret api_key; ///< empty: no Authorization header (local servers)
  /// Environment variables that hold the key, or several.
  std::vector<std::string> api_key_env;
  std::vector<secret> further_keys; ///< of `api_key_env`, beside `api_key`
  /// What each key may be used for; its `queue` is the endpoint's.
  rate_limit_options limits;
  std::filesystem::path script;      ///< answers of a scripted endpoint
  /// Cassettes (cassette.hpp): what the model says is added to this file;
  std::filesystem::path record;
  /// or the answers come from this one, and no model, key or script is needed.
  std::filesystem::path replay;
  std::optional<double> temperature; ///< not sent where absent
  std::uint32_t max_tokens = 0;      ///< of the answer (the name of the API); 0: not sent
  /// Times a model is told what was wrong with its answer and asked again.
  std::uint32_t repairs_max = 2;
  /// Hands the schema of an answer over in the place that the API has for it. A server that
  /// refuses it is told in words from then on; false does so from the beginning.
  bool native_schema = true;
  /// Models think: 60 s an attempt. The total leaves room for three and their waits.
  retry_options retry{.timeout = std::chrono::seconds{60},
                      .total_timeout = std::chrono::seconds{200}};
  // Of streamed answers, whose attempts may take as long as the call. Reasoning models keep silent
  // for longest before their first word; after it, silence is a dead connection.
  std::chrono::milliseconds first_chunk_timeout{60'000};
  std::chrono::milliseconds stall_timeout{30'000};
  broken_stream after_first_chunk = broken_stream::reset;
  breaker_options breaker;
  model_fallback_options fallback;
  model_cache_options cache;
  price_options price;
  bool tls_verify = true;
  std::string proxy; ///< URL; empty: none

  // Performance
  /// Requests in flight, with all keys; a common limit of the cheaper tiers.
  std::uint32_t concurrent = 20;
  std::uint32_t queue = 1'000;   ///< requests waiting; above it: `overloaded`
  /// Bytes of one answer; a full context in tokens is far below.
  std::size_t response_size_max = std::size_t{8} << 20;

  option_problems validate() const;
  /// All keys; one that is empty where there is none.
  std::vector<secret> keys() const;
};

} // namespace troupe
