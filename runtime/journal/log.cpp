#include "runtime/journal/log.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/planted.hpp"

#include <caf/event_based_actor.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe::journal {

/// Commits what the log has queued. One message at a time, so one writer.
class journal_actor : public caf::event_based_actor {
public:
  journal_actor(caf::actor_config& cfg, commit_log& log)
    : caf::event_based_actor(cfg), log_(log), pause_(log.options_.probe_min) {}

  const char* name() const override { return "journal"; }

  // Woken by the first append of a batch, it goes to the end of its worker's queue once: whoever is
  // ready before it appends too, and shares the commit. Without this the first of 64 agents that
  // one commit has woken would make the next commit alone.
  resume_result resume(caf::execution_unit* worker, std::size_t messages_max) override {
    yielded_ = !yielded_;
    if (yielded_)
      return resumable::resume_later;
    return caf::event_based_actor::resume(worker, messages_max);
  }

protected:
  caf::behavior make_behavior() override {
    return {
      [this](flush_log) { commit_some(); },
      [this](probe_log) { probe(); },
    };
  }

private:
  void commit_some() {
    take_batch();
    if (batch_.units.empty())
      return;
    if (planted(planted_bug::told_before_synced))
      tell();
    auto begin = log_.env_.clock.steady();
    auto done = log_.store_.commit(batch_);
    if (log_.on_commit)
      log_.on_commit({batch_.units.size(),
                      std::chrono::duration_cast<std::chrono::microseconds>(
                        log_.env_.clock.steady() - begin),
                      done.has_value()});
    if (!done) {
      fail(done.error());
      return;
    }
    pause_ = log_.options_.probe_min; // not at the probe: a full disk may have room for that alone
    log_.durable_.store(batch_.units.back().at, std::memory_order_release);
    if (auto bound = log_.too_large_.load(std::memory_order_relaxed);
        bound != 0 && largest() >= bound)
      log_.too_large_.store(0, std::memory_order_relaxed); // there is room now
    tell();
    if (more())
      send(this, flush_log{});
  }

  void take_batch() {
    batch_.units.clear();
    notify_.clear();
    std::unique_lock lock{log_.mutex_};
    auto n = std::min(log_.queue_.size(), log_.options_.batch_units_max);
    for (std::size_t i = 0; i < n; ++i) {
      batch_.units.push_back(std::move(log_.queue_[i].what));
      notify_.push_back(std::move(log_.queue_[i].notify));
    }
    if (n == log_.queue_.size())
      log_.queue_.clear();
    else
      log_.queue_.erase(log_.queue_.begin(), log_.queue_.begin() + static_cast<long>(n));
    batch_.owner = log_.store_.owner();
    if (n == 0)
      log_.scheduled_ = false;
    log_.depth_.store(log_.queue_.size(), std::memory_order_relaxed);
  }

  void tell() {
    for (std::size_t i = 0; i < notify_.size(); ++i)
      if (notify_[i])
        send(std::exchange(notify_[i], nullptr),
             durable{batch_.units[i].at, batch_.units[i].invocation});
  }

  bool more() {
    std::unique_lock lock{log_.mutex_};
    if (log_.queue_.empty())
      log_.scheduled_ = false;
    return log_.scheduled_;
  }

  std::size_t largest() const {
    std::size_t n = 0;
    for (const auto& u : batch_.units)
      n = std::max(n, bytes_of(u));
    return n;
  }

  // With the log's lock held: the next one of this size does not get into a batch with others.
  void suspect(std::size_t bytes, const error& why) {
    const auto& o = log_.options_;
    if (bytes < o.large_unit || why.code != errc::store_failed)
      return;
    bytes -= bytes / 16; // who asks knows the payload, not what stands around it
    auto bound = log_.too_large_.load(std::memory_order_relaxed);
    log_.refuse_for_ = bound == 0 ? o.refuse_min : std::min(log_.refuse_for_ * 2, o.refuse_max);
    log_.too_large_.store(bound == 0 ? bytes : std::min(bound, bytes), std::memory_order_relaxed);
    log_.refuse_until_ = log_.env_.clock.steady() + log_.refuse_for_;
    log_.refuse_why_ = why;
  }

  void fail(const error& why) {
    auto bytes = largest();
    std::vector<commit_log::waiting> dropped;
    caf::actor observer;
    {
      std::unique_lock lock{log_.mutex_};
      log_.failed_.store(true, std::memory_order_release);
      log_.incarnation_.fetch_add(1, std::memory_order_acq_rel);
      log_.why_ = why;
      suspect(bytes, why);
      log_.scheduled_ = false;
      dropped.swap(log_.queue_);
      log_.depth_.store(0, std::memory_order_relaxed);
      observer = log_.observer_;
    }
    notify_.clear();
    log_.env_.events.write({level::error, "journal.commit_failed", {}, {}, {},
                            std::string{to_string(why.code)}, 0, {},
                            {{"why", to_json(why.message)}}});
    if (observer)
      send(observer, log_failed{why});
    // A newer owner has taken over: nothing that this process does can become durable again.
    if (why.code != errc::fenced)
      probe_later();
  }

  void probe_later() {
    delayed_send(this, pause_, probe_log{});
    pause_ = std::min(pause_ * 2, log_.options_.probe_max);
  }

  void probe() {
    auto done = log_.store_.commit(store::batch{log_.store_.owner(), {}});
    if (!done) {
      probe_later();
      return;
    }
    caf::actor observer;
    {
      std::unique_lock lock{log_.mutex_};
      log_.failed_.store(false, std::memory_order_release);
      log_.why_ = error{errc::none};
      observer = log_.observer_;
    }
    log_.env_.events.write({level::warning, "journal.recovered", {}, {}, {}, "ok", 0, {}, {}});
    if (observer)
      send(observer, log_recovered{});
  }

  commit_log& log_;
  store::batch batch_;
  std::vector<caf::actor> notify_;
  std::chrono::milliseconds pause_;
  bool yielded_ = false;
};

commit_log::commit_log(store::durable_store& store, const environment& env, log_options options)
  : store_(store), env_(env), options_(options), next_(store.last_lsn() + 1),
    durable_(store.last_lsn()) {}

lsn commit_log::append(store::unit u, caf::actor notify, std::uint64_t incarnation,
                       caf::execution_unit* ctx) {
  lsn at = 0;
  caf::actor wake; // `stop` may drop the writer meanwhile
  {
    std::unique_lock lock{mutex_};
    if (failed_.load(std::memory_order_relaxed)
        || incarnation != incarnation_.load(std::memory_order_relaxed))
      return 0;
    at = next_++;
    u.at = at;
    queue_.push_back({std::move(u), std::move(notify)});
    depth_.store(queue_.size(), std::memory_order_relaxed);
    if (!std::exchange(scheduled_, true))
      wake = writer_;
  }
  if (wake)
    wake->enqueue(nullptr, caf::make_message_id(), caf::make_message(flush_log{}), ctx);
  return at;
}

error commit_log::why() const {
  std::unique_lock lock{mutex_};
  return why_;
}

std::optional<error> commit_log::refuses(std::size_t bytes) const {
  auto bound = too_large_.load(std::memory_order_relaxed);
  if (bound == 0 || bytes < bound)
    return std::nullopt;
  std::unique_lock lock{mutex_};
  auto left = std::chrono::ceil<std::chrono::milliseconds>(refuse_until_ - env_.clock.steady());
  if (left.count() <= 0)
    return std::nullopt; // perhaps there is room by now
  error why{errc::store_failed,
            fmt::format("no room for {} bytes: a commit of such a size has failed ({})", bytes,
                        refuse_why_.message)};
  why.retry_after = left;
  return why;
}

std::size_t bytes_of(const store::unit& u) noexcept {
  auto n = u.row.size() + (u.state ? u.state->body.size() : 0);
  for (const auto& b : u.blobs)
    n += b.bytes.size();
  return n;
}

caf::actor commit_log::start(caf::actor_system& system) {
  writer_ = system.spawn<journal_actor>(std::ref(*this));
  return writer_;
}

void commit_log::observe(caf::actor observer) {
  std::unique_lock lock{mutex_};
  observer_ = std::move(observer);
}

void commit_log::stop() {
  std::unique_lock lock{mutex_};
  if (writer_)
    caf::anon_send_exit(writer_, caf::exit_reason::user_shutdown);
  writer_ = nullptr;
  observer_ = nullptr;
  queue_.clear();
}

} // namespace troupe::journal
