#include "actors/llm/llm_options.hpp"

#include "actors/guard/url_check.hpp"

namespace troupe {

namespace {

void check_http(const endpoint_options& o, option_problems& found) {
  if (o.model.empty())
    found.push_back({"model", "is missing: the endpoint must say which model it asks",
                     "e.g. model = \"gpt-4o-mini\""});
  auto url = o.base_url.empty() ? default_base_url(o.kind) : o.base_url;
  if (auto wrong = http_url_problem(url); !wrong.empty())
    found.push_back({"base_url", std::move(wrong), "e.g. \"https://api.openai.com/v1\""});
}

} // namespace

std::string default_base_url(endpoint_kind kind) {
  switch (kind) {
    case endpoint_kind::openai:
    case endpoint_kind::openai_responses:
    case endpoint_kind::automatic:
      return "https://api.openai.com/v1";
    case endpoint_kind::anthropic:
      return "https://api.anthropic.com/v1";
    case endpoint_kind::scripted:
      break;
  }
  return {};
}

std::vector<secret> endpoint_options::keys() const {
  std::vector<secret> all{api_key};
  all.insert(all.end(), further_keys.begin(), further_keys.end());
  return all;
}

option_problems endpoint_options::validate() const {
  auto found = retry.validate();
  for (auto& p : breaker.validate())
    found.push_back(std::move(p));
  for (auto& p : limits.validate())
    found.push_back({"limits." + p.key, std::move(p.message), std::move(p.hint)});
  if (fallback.cached.count() < 0 || cache.ttl.count() < 0)
    found.push_back({fallback.cached.count() < 0 ? "fallback.cached" : "cache.ttl",
                     "must not be negative", "e.g. \"10m\""});
  if (fallback.reserve.count() < 0)
    found.push_back({"fallback.reserve", "must not be negative", "e.g. \"30s\""});
  if (cache.size == 0)
    found.push_back({"cache.size", "is 0, so no answer would be kept", "the default is \"16MiB\""});
  for (auto [key, value] : {std::pair{"price.input", price.input},
                            std::pair{"price.cached_input", price.cached_input},
                            std::pair{"price.output", price.output}})
    if (!(value >= 0))
      found.push_back({key, "must not be negative", "money for a million tokens"});
  bool answers_from_file = kind == endpoint_kind::scripted || kind == endpoint_kind::automatic;
  if (!record.empty() && !replay.empty())
    found.push_back({"replay", "excludes record: an endpoint asks its model, or answers from a file",
                     "take one of the two out"});
  if (answers_from_file && script.empty() && replay.empty())
    found.push_back({"script", "is missing: a scripted model answers from a file",
                     "e.g. script = \"answers.json\""});
  if (kind != endpoint_kind::scripted)
    check_http(*this, found);
  if (temperature && !(*temperature >= 0.0 && *temperature <= 2.0))
    found.push_back({"temperature", "must be between 0 and 2", ""});
  if (repairs_max > 10)
    found.push_back({"repairs_max", "is above 10", "the default is 2"});
  if (auto wrong = proxy.empty() ? "" : http_url_problem(proxy); !wrong.empty())
    found.push_back({"proxy", std::move(wrong), "e.g. \"http://127.0.0.1:3128\""});
  if (concurrent == 0)
    found.push_back({"concurrent", "is 0, so it would never be asked", "the default is 20"});
  if (first_chunk_timeout.count() <= 0)
    found.push_back({"first_chunk_timeout", "must be above 0", "the default is \"60s\""});
  if (stall_timeout.count() <= 0)
    found.push_back({"stall_timeout", "must be above 0", "the default is \"30s\""});
  if (response_size_max == 0)
    found.push_back(
      {"response_size_max", "is 0, so no answer would fit", "the default is \"8MiB\""});
  return found;
}

} // namespace troupe
