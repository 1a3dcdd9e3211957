// `troupe invoke AGENT --input-lines FILE`: one invocation a line.
#include "runtime/bin/invoking.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace troupe::cli {
namespace {

struct work {
  std::size_t line = 0;
  std::string input;
  std::string key;
};

/// The line's own field, or else its content and place: the same file asks for the same work.
result<std::string> key_of(const invoke_options& o, std::size_t line, const std::string& text) {
  auto json = parse_json(text);
  if (!json)
    return error{errc::invalid_input,
                 fmt::format("{}:{}: {}", o.input_lines, line, json.error().message)};
  if (o.key_field.empty())
    return fmt::format("line-{}-{}", line, to_hex(sha256(text)).substr(0, 24));
  auto key = text_of(*json, o.key_field);
  if (key.empty())
    return error{errc::invalid_input, fmt::format("{}:{}: there is no \"{}\" (--key-field)",
                                                  o.input_lines, line, o.key_field)};
  return o.key.empty() ? key : o.key + "-" + key;
}

result<std::vector<work>> read_lines(const invoke_options& o) {
  auto text = read_file(o.input_lines);
  if (!text)
    return std::move(text).error();
  std::vector<work> all;
  std::size_t line = 0;
  for (std::size_t at = 0; at < text->size();) {
    auto end = std::min(text->find('\n', at), text->size());
    auto one = text->substr(at, end - at);
    at = end + 1;
    ++line;
    if (one.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    auto key = key_of(o, line, one);
    if (!key)
      return std::move(key).error();
    all.push_back({line, std::move(one), std::move(*key)});
  }
  return all;
}

/// Several threads that take the next line until there is none.
class batch {
public:
  batch(const invoke_options& o, std::vector<work> todo)
    : options_(o), invoker_(o), todo_(std::move(todo)), done_(todo_.size()) {}

  int run() {
    std::vector<std::thread> workers;
    auto n = std::min<std::size_t>(std::max(1U, options_.parallel), todo_.size());
    for (std::size_t i = 0; i < n; ++i)
      workers.emplace_back([this] { take_lines(); });
    for (auto& w : workers)
      w.join();
    return report();
  }

private:
  void take_lines() {
    for (auto i = next_++; i < todo_.size(); i = next_++) {
      done_[i] = invoker_.invoke(todo_[i].input, todo_[i].key);
      std::lock_guard lock{mutex_};
      ++ended_;
      failed_ += done_[i].code == exit_ok ? 0 : 1;
      line_.show(fmt::format("{}: {} of {}, {} failed, {} repeated", options_.agent, ended_,
                             todo_.size(), failed_, invoker_.repeats()));
    }
  }

  int report() {
    int worst = exit_ok;
    for (std::size_t i = 0; i < done_.size(); ++i) {
      const auto& d = done_[i];
      worst = worst == exit_ok ? d.code : worst;
      if (options_.client.json)
        say(fmt::format(R"({{"line":{},"key":{},"id":{},"ok":{},"result":{},"problem":{}}})",
                        todo_[i].line, to_json(todo_[i].key), to_json(d.id), d.code == exit_ok,
                        d.result.empty() ? "null" : d.result, to_json(d.problem)));
      else if (d.code != exit_ok)
        complain(fmt::format("{}:{}: {} {}", options_.input_lines, todo_[i].line, d.id, d.problem));
    }
    if (!options_.client.json)
      say(fmt::format("{} invocations of {}: {} {}, {} failed, {} requests repeated", done_.size(),
                      options_.agent, ended_ - failed_,
                      options_.wait_seconds ? "completed" : "accepted", failed_,
                      invoker_.repeats()));
    return worst;
  }

  const invoke_options& options_;
  invoker invoker_;
  std::vector<work> todo_;
  std::vector<invoked> done_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::size_t ended_ = 0;
  std::size_t failed_ = 0;
  progress_line line_;
};

} // namespace

int invoke_lines(const invoke_options& o) {
  auto todo = read_lines(o);
  if (!todo) {
    complain(todo.error().message);
    return exit_usage;
  }
  batch all{o, std::move(*todo)};
  return all.run();
}

} // namespace troupe::cli
