#include "actors/gateway/rest_world.hpp"

#include "actors/gateway/completions.hpp"
#include "runtime/net/problem.hpp"

#include <fmt/format.h>

namespace troupe::gateway {
namespace {

constexpr const char* json_type = "application/json";

} // namespace

route_counts::route_counts(const troupe_metrics& numbers) : requests_(numbers.http_requests) {
  auto latency = numbers.http_latency;
  for (std::size_t i = 0; i < routes_count; ++i) {
    auto name = to_string(static_cast<route>(i));
    ok_.push_back(requests_.with({name, "200"}));
    latency_.push_back(latency.with({name}));
  }
}

void route_counts::count(route r, int status, std::chrono::nanoseconds took) const {
  auto i = static_cast<std::size_t>(r);
  latency_[i].observe(took);
  if (status == 200)
    ok_[i].add();
  else
    requests_.with({to_string(r), fmt::format_int{status}.c_str()}).add();
}

bool wait_list::add(utc_time due, std::weak_ptr<waiting_request> who, place& at) {
  std::lock_guard lock{mutex_};
  at = {due, ++last_};
  waits_.emplace(at, std::move(who));
  if (due >= armed_)
    return false;
  armed_ = due;
  return true;
}

void wait_list::remove(const place& at) {
  std::lock_guard lock{mutex_};
  waits_.erase(at);
}

std::vector<std::shared_ptr<waiting_request>> wait_list::take(utc_time now, utc_time& next) {
  std::vector<std::shared_ptr<waiting_request>> late;
  std::lock_guard lock{mutex_};
  while (!waits_.empty() && waits_.begin()->first.first <= now) {
    if (auto who = waits_.begin()->second.lock())
      late.push_back(std::move(who));
    waits_.erase(waits_.begin());
  }
  next = armed_ = waits_.empty() ? never : waits_.begin()->first.first;
  return late;
}

void answer_slot::count(const rest_world& world, int status) const {
  world.counts.count(which_, status, world.env.clock.steady() - began_);
}

void answer_slot::json(const rest_world& world, int status, std::string body,
                       net::http_headers more) {
  count(world, status);
  more.add("Content-Type", json_type);
  out_.respond(status, std::move(more), std::move(body));
}

bool answer_slot::speaks_openai() const noexcept {
  return which_ == route::completions || which_ == route::models;
}

void answer_slot::problem(const rest_world& world, const error& why) {
  if (speaks_openai()) {
    problem(world, completion_status(why), why);
    return;
  }
  count(world, net::http_status(why.code));
  out_.respond(why);
}

void answer_slot::problem(const rest_world& world, int status, const error& why,
                          net::http_headers more) {
  count(world, status);
  bool openai = speaks_openai();
  more.add("Content-Type", openai ? json_type : std::string{net::problem_content_type});
  if (openai && why.retry_after) {
    auto seconds = std::chrono::ceil<std::chrono::seconds>(*why.retry_after);
    more.add("Retry-After", std::to_string(seconds.count()));
  }
  out_.respond(status, std::move(more),
               openai ? completion_error_json(status, why)
                      : net::problem_json(status, why.code, why.message));
}

void answer_slot::ended_badly(const rest_world& world, const error& why) {
  net::http_headers more;
  more.add("x-should-retry", "false");
  problem(world, completion_status(why), why, std::move(more));
}

void answer_slot::text(const rest_world& world, std::string_view type, std::string body) {
  count(world, 200);
  net::http_headers headers;
  headers.add("Content-Type", std::string{type});
  out_.respond(200, std::move(headers), std::move(body));
}

} // namespace troupe::gateway
