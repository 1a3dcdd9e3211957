#pragma once
// Effects: everything that an agent may wait for.
//
// An effect is a small object that lives in the awaiting coroutine's frame. It is inert until it is
// awaited; then it gets its address, the invocation journals it, gates it, carries it out, and
// journals its outcome. Agents make effects with the builders in runtime/core/effects.hpp.

#include "runtime/core/clock.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/task.hpp"
#include "runtime/journal/entry.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

class effect_base;

namespace detail {

/// What a saga knows of one of its steps. Set by the invocation, by issue and delivery alone, so that
/// it is the same on every replay.
struct saga_step {
  enum class outcome : std::uint8_t {
    none,    ///< not issued
    open,    ///< issued, and nobody has taken its answer
    done,    ///< it happened
    failed,  ///< it did not happen
    unknown, ///< it may have happened
    shared,  ///< it happened under a business key, by another one's hand
    undone,
  };
  outcome now = outcome::none;
  std::uint32_t order = 0; ///< of its issue, within the generation
  std::uint32_t run = 0;   ///< that its key names
  journal::address at;
  std::string name;        ///< of the effect
  std::string key;         ///< its business key; empty: none
};

/// An effect's part in a saga.
struct saga_part {
  std::shared_ptr<saga_step> step;
  bool undoes = false;   ///< it compensates the step; else it is the step
  bool last = false;     ///< if it fails too, a person decides
  std::string account{}; ///< what that person must know
};

} // namespace detail

/// What a coroutine stands on: the invocation, as its effects see it.
class context {
public:
  virtual ~context() = default;

  /// Gives the effect its place in the journal and begins it.
  /// @returns true when its outcome is there already
  virtual bool issue(effect_base& e) = 0;

  /// The effect is destroyed before its outcome was delivered.
  virtual void abandon(effect_base& e) noexcept = 0;
};

/// The part of an effect that does not depend on what it yields.
class effect_base {
public:
  using kind_type = journal::effect_kind;

  effect_base(kind_type kind, std::string name, effect_class cls)
    : kind_(kind), cls_(cls), name_(std::move(name)) {}
  effect_base(effect_base&&) = default;
  effect_base(const effect_base&) = delete;
  effect_base& operator=(const effect_base&) = delete;
  effect_base& operator=(effect_base&&) = delete;
  virtual ~effect_base() {
    if (pending_)
      on_->ctx().abandon(*this);
  }

  /// Awaited: hands it to the context of `on`. @returns true when it need not suspend.
  bool issue(detail::branch& on) {
    on_ = &on;
    return on.ctx().issue(*this);
  }

  /// Carries it out on the spot (`run`, `random`, `uuid`, `now`): its value as JSON text.
  virtual result<std::string> perform(context&) {
    return error{errc::internal, "this effect is not carried out in place"};
  }

  /// Whether this outcome is of the shape that the coroutine asked for.
  virtual result<void> fits(std::string_view) const { return {}; }

  // What the invocation needs to know of it; set before it is awaited.
  kind_type kind() const noexcept { return kind_; }
  effect_class cls() const noexcept { return cls_; }
  const std::string& name() const noexcept { return name_; }
  const std::string& body() const noexcept { return body_; }
  const std::string& key() const noexcept { return key_; }
  const std::vector<std::string>& items() const noexcept { return items_; }
  bool streams() const noexcept { return streams_; }

  // What the invocation keeps in it while it is pending.
  detail::branch* on() const noexcept { return on_; }
  journal::address at() const { return {on_->path(), seq_}; }
  std::uint32_t seq() const noexcept { return seq_; }

  bool undoes() const noexcept { return saga_ && saga_->undoes; }

  /// Where it is a step of a saga, whose context says what becomes of it: `steps` were issued before
  /// it in this generation; its outcome was delivered, and is another effect's (`shared`).
  void note_issue(std::uint32_t& steps);
  void note_outcome(bool shared);

protected:
  friend class invocation;
  friend class saga;

  /// How far it has come.
  enum class phase : std::uint8_t {
    idle,     ///< not awaited yet
    replayed, ///< issued during replay; its completion may be in the journal
    gated,    ///< waits for its command to be durable
    claiming, ///< waits for its business key
    started,  ///< handed to whoever carries it out
    settling, ///< its outcome was lost: being reconciled
    parked,   ///< waits for a person
    ready,    ///< outcome known, waits for its turn
  };

  kind_type kind_;
  effect_class cls_;
  phase phase_ = phase::idle;
  bool pending_ = false;
  bool sent_ = false;              ///< something may have left the process
  bool repeated_ = false;          ///< issued in an earlier life of this invocation
  bool streams_ = false;           ///< model: followers get its pieces; the journal knows nothing of it
  bool business_ = false;          ///< has a business key: the ledger knows what became of it
  bool claimed_ = false;           ///< and it is this one that does it
  std::uint8_t rounds_ = 0;        ///< how often it was issued again after `not_done`
  std::uint32_t seq_ = 0;
  std::uint32_t run_ = 0;          ///< the run that its key names
  std::uint64_t id_ = 0;           ///< in the invocation's table while pending
  journal::lsn gate_ = 0;          ///< LSN of its command; 0: not appended yet
  std::uint64_t call_ = 0;         ///< of the call in flight
  utc_time when_{};                ///< sleep: due; else first sent
  steady_time left_{};             ///< last sent, in this life of its invocation
  detail::branch* on_ = nullptr;
  std::string name_;
  std::string body_;               ///< arguments, JSON text
  std::string key_;                ///< business key; or the address's, once it is spelled out
  std::vector<std::string> items_; ///< model: messages, stored as a chain; tool: options
  result<std::string> outcome_;
  std::unique_ptr<detail::saga_part> saga_;
};

/// Whether a service outside of the journal carries it out.
constexpr bool is_call(journal::effect_kind k) noexcept {
  return k == journal::effect_kind::tool || k == journal::effect_kind::model;
}

/// The address-derived idempotency key of an effect.
std::string effect_key(std::string_view invocation, std::uint32_t run, std::uint32_t generation,
                       const journal::address& at);

} // namespace troupe
