#include "actors/gateway/rest_world.hpp"

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

void answer_slot::problem(const rest_world& world, const error& why) {
  count(world, net::http_status(why.code));
  out_.respond(why);
}

void answer_slot::problem(const rest_world& world, int status, const error& why) {
  count(world, status);
  net::http_headers headers;
  headers.add("Content-Type", std::string{net::problem_content_type});
  out_.respond(status, std::move(headers), net::problem_json(status, why.code, why.message));
}

void answer_slot::text(const rest_world& world, std::string_view type, std::string body) {
  count(world, 200);
  net::http_headers headers;
  headers.add("Content-Type", std::string{type});
  out_.respond(200, std::move(headers), std::move(body));
}

} // namespace troupe::gateway
