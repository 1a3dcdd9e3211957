#pragma once
// The keys of the guards, which tools and models share. Private to this room.

#include "config/fields.hpp"

namespace troupe::config {

/// The keys of `retry_options`, which stand flat in the table of their owner.
template <auto Retry>
void add_retry(fields<decltype(owner_of(Retry))>& to) {
  using retry = retry_options;
  auto more = {
    entry<duration_codec, Retry, &retry::timeout>("timeout", "longest time of one attempt"),
    entry<duration_codec, Retry, &retry::total_timeout>(
      "total_timeout", "longest time over all attempts and the waits between them"),
    entry<count_codec, Retry, &retry::attempts_max>("attempts_max",
                                                    "attempts in all; 1 never retries"),
    entry<duration_codec, Retry, &retry::retry_after_max>(
      "retry_after_max", "a longer `Retry-After` fails the call instead of being waited for"),
    entry<duration_codec, Retry, &retry::backoff_base>(
      "backoff_base", "delay before retry i is random up to base * 2^i"),
    entry<duration_codec, Retry, &retry::backoff_max>("backoff_max", "longest such delay"),
    entry<duration_codec, Retry, &retry::backoff_throttled>("backoff_throttled",
                                                            "the base after 429"),
    entry<count_codec, Retry, &retry::budget>(
      "retry_budget", "tokens for retries that all calls share; at zero nothing is retried"),
    entry<count_codec, Retry, &retry::budget_cost>("retry_cost",
                                                   "tokens of a retry after a transient failure"),
    entry<count_codec, Retry, &retry::budget_cost_throttled>("retry_cost_throttled",
                                                             "tokens of a retry after 429"),
  };
  to.insert(to.end(), more.begin(), more.end());
}

/// The table `limits`.
template <auto Limits>
void add_limits(fields<decltype(owner_of(Limits))>& to) {
  using l = rate_limit_options;
  auto more = {
    entry<count_codec, Limits, &l::requests_per_minute>(
      "limits.requests_per_minute", "with one key, as the following; 0: no limit"),
    entry<count_codec, Limits, &l::input_tokens_per_minute>("limits.input_tokens_per_minute",
                                                            "0: no limit"),
    entry<count_codec, Limits, &l::output_tokens_per_minute>("limits.output_tokens_per_minute",
                                                             "0: no limit"),
    entry<count_codec, Limits, &l::concurrent>("limits.concurrent",
                                               "requests in flight; 0: `concurrent` of the model"),
    entry<flag_codec, Limits, &l::adaptive>(
      "limits.adaptive", "finds out how many requests in flight the server takes"),
    entry<number_codec, Limits, &l::slow_first_token>(
      "limits.slow_first_token", "of `adaptive`: fewer where streamed answers begin so many times "
                                 "later than usual; 0: not looked at"),
    entry<duration_codec, Limits, &l::burst>(
      "limits.burst", "so much of a minute's limit may be used at once"),
    entry<duration_codec, Limits, &l::jitter>(
      "limits.jitter", "a request may come so much later than those that were sent with it"),
    entry<duration_codec, Limits, &l::ageing>(
      "limits.ageing", "waiting this long is worth one step of priority; `\"0s\"`: nothing"),
    entry<duration_codec, Limits, &l::cooling>(
      "limits.cooling", "rest of a key after a 429 that does not say; doubled with each further"),
    entry<duration_codec, Limits, &l::cooling_max>("limits.cooling_max", "longest such rest"),
    entry<duration_codec, Limits, &l::set_aside>(
      "limits.set_aside", "a key that was refused (401, 402, 403) is tried again after it"),
  };
  to.insert(to.end(), more.begin(), more.end());
}

/// The tables `fallback`, `cache` and `price` of a model.
inline void add_instead(fields<endpoint_options>& to) {
  using model = endpoint_options;
  using f = model_fallback_options;
  using k = model_cache_options;
  using p = price_options;
  auto more = {
    entry<texts_codec, &model::fallback, &f::models>("fallback", "short for `fallback.models`"),
    entry<texts_codec, &model::fallback, &f::models>(
      "fallback.models", "models that are asked, one after the other, when this one cannot serve"),
    entry<duration_codec, &model::fallback, &f::reserve>(
      "fallback.reserve", "of the call's time, kept for each of them, but at most an equal share; "
                          "`\"0s\"`: as much as `timeout`"),
    entry<duration_codec, &model::fallback, &f::cached>(
      "fallback.cached", "then: an earlier answer to the same question, no older than this"),
    entry<text_codec, &model::fallback, &f::text>(
      "fallback.text", "then: this; with a schema only where it holds a value that fits"),
    entry<duration_codec, &model::cache, &k::ttl>(
      "cache.ttl", "the same request gets its earlier answer for so long; `\"0s\"`: never"),
    entry<size_codec, &model::cache, &k::size>("cache.size", "of requests and answers kept"),
    entry<flag_codec, &model::cache, &k::coalesce>(
      "cache.coalesce", "a request that is the same as one in flight gets its answer"),
    entry<number_codec, &model::price, &p::input>("price.input",
                                                  "money for a million tokens, for `budgets`"),
    entry<number_codec, &model::price, &p::cached_input>(
      "price.cached_input", "of those that the provider had kept; 0: as the others"),
    entry<number_codec, &model::price, &p::output>("price.output", "of an answer"),
  };
  to.insert(to.end(), more.begin(), more.end());
}

/// The table `breaker`.
template <auto Breaker>
void add_breaker(fields<decltype(owner_of(Breaker))>& to) {
  using b = breaker_options;
  auto more = {
    entry<flag_codec, Breaker, &b::enabled>("breaker.enabled",
                                            "false: lets everything through"),
    entry<count_codec, Breaker, &b::window>("breaker.window", "calls that are looked at: the last"),
    entry<duration_codec, Breaker, &b::window_time>(
      "breaker.window_time", "instead: those of this time; `\"0\"`: by count"),
    entry<count_codec, Breaker, &b::calls_min>("breaker.calls_min",
                                               "fewer calls than this say nothing"),
    entry<number_codec, Breaker, &b::failure_rate>(
      "breaker.failure_rate", "opens at this part of failures; above 1: never"),
    entry<duration_codec, Breaker, &b::slow_call>(
      "breaker.slow_call", "a call that takes this long is slow; `\"0\"`: 0.8 of `timeout`"),
    entry<number_codec, Breaker, &b::slow_rate>("breaker.slow_rate",
                                                "opens at this part of slow calls; above 1: never"),
    entry<duration_codec, Breaker, &b::open_for>("breaker.open_for",
                                                 "then it lets probes through"),
    entry<duration_codec, Breaker, &b::open_for_max>(
      "breaker.open_for_max", "`open_for` doubles with each failed round of probes, up to this"),
    entry<count_codec, Breaker, &b::half_open_calls>("breaker.half_open_calls",
                                                     "probes that decide"),
    entry<number_codec, Breaker, &b::jitter>("breaker.jitter",
                                             "`open_for` is longer by up to this part, at random"),
  };
  to.insert(to.end(), more.begin(), more.end());
}

} // namespace troupe::config
