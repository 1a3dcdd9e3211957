// The coroutine's life within an invocation: how it begins, its generations, its end.
#include "runtime/core/invocation.hpp"
#include "runtime/core/planted.hpp"

#include <fmt/format.h>


namespace troupe {
namespace {

constexpr std::string_view unknown_exception = "an exception that is not a std::exception";

} // namespace

void invocation::begin_generation(std::string_view input, const std::string& state) {
  try {
    agent_ = who_.cls->make();
    root_ = std::make_unique<detail::branch>(*this, std::string{});
    if (auto begun = agent_->begin(input, *root_); !begun && fresh_ && generation_ == 0)
      finish(store::status::failed, begun.error());
    else if (!begun) // of another schema: the class has changed since, and may change again
      halt_ = std::make_unique<error>(
        error{errc::schema_mismatch,
              fmt::format("{}: {}",
                          generation_ == 0 ? std::string{"the input that it began with"}
                                           : fmt::format("the checkpoint of generation {}",
                                                         generation_),
                          begun.error().message)});
    else if (auto loaded = agent_->load_state(state); !loaded)
      halt_ = std::make_unique<error>(
        error{errc::schema_mismatch, "saved state of this key: " + loaded.error().message});
  } catch (const std::exception& e) {
    die(e.what());
  } catch (...) {
    die(std::string{unknown_exception});
  }
}

void invocation::root_ended() {
  agent_base::ending end;
  try {
    end = agent_->end();
  } catch (const std::exception& e) {
    die(e.what());
    return;
  } catch (...) {
    die(std::string{unknown_exception});
    return;
  }
  if (end.continued && !cancelled_) {
    next_generation(std::move(*end.continued));
    return;
  }
  if (replay_ && !replay_->at_end()) {
    nondeterministic("the end of run()");
    return;
  }
  if (cancelled_) {
    auto why = cancel_reason_ == journal::cancel_reason::deadline
                 ? error{errc::deadline_exceeded, "the invocation's deadline has passed"}
                 : error{errc::cancelled, fmt::format("cancelled ({})", to_string(cancel_reason_))};
    bool own_error = !end.value && !end.continued;
    finish(store::status::cancelled,
           own_error ? std::move(end.value) : result<std::string>{std::move(why)});
    return;
  }
  auto state = end.value ? store::status::completed : store::status::failed;
  finish(state, std::move(end.value));
}

void invocation::next_generation(std::string state) {
  if (replay_ && !replay_->at_end()) {
    nondeterministic("continue_as");
    return;
  }
  flush();
  if (over_)
    return;
  auto saved = agent_->save_state();
  drop_coroutine();
  ++generation_;
  entries_ = 0;
  saga_steps_ = 0;
  chain_length_ = 0;
  business_keys_.clear();
  warned_ = false;
  carried_.reset();
  deaths_.clear(); // addresses begin anew
  journal::generation_began began;
  began.state = keep(state);
  began.patches = patches_;
  out_.add(journal::entry{std::move(began)});
  if (!saved.empty())
    out_.add(journal::entry{journal::state_loaded{keep_state(saved)}});
  if (!saved.empty() && planted(planted_bug::state_saved_at_checkpoint))
    extra().state = store::saved_state{who_.agent, who_.key, saved, world_.env.clock.now()};
  if (planted(planted_bug::signal_not_carried_over))
    signals_.clear();
  for (const auto& s : signals_)
    out_.add(journal::entry{
      journal::signalled{s.id, s.name, keep(s.value), world_.env.clock.now()}});
  // The first row holds the invocation itself and stays; the window is over the others.
  if (generation_rows_.size() >= world_.options.generations_kept) {
    auto keep_from = generation_rows_.size() + 1 - world_.options.generations_kept;
    if (keep_from < generation_rows_.size())
      extra().trim_before = generation_rows_[keep_from];
    generation_rows_.erase(generation_rows_.begin(),
                           generation_rows_.begin() + static_cast<long>(keep_from));
  }
  extra().changed = change_to(store::status::running);
  // A checkpoint is waited for: an agent that only counts generations would outrun the disk.
  tell_me_ = true;
  flush();
  if (over_)
    return;
  generation_rows_.push_back(last_lsn_);
  replay_.reset();
  live_ = true;
  next_ = std::make_unique<next_begin>(next_begin{std::move(state), std::move(saved)});
}

void invocation::begin_next() {
  auto next = std::move(next_);
  begin_generation(next->input, next->state);
  if (over_ || halt_)
    return;
  detail::run_branch(root_.get());
  if (cancel_asked_)
    deliver_cancel();
}

void invocation::finish(store::status state, result<std::string> value) {
  if (over_)
    return;
  bool keeps = state == store::status::completed && agent_ && agent_->keeps_state();
  if (keeps)
    extra().state = store::saved_state{who_.agent, who_.key, agent_->save_state(),
                                       world_.env.clock.now()};
  live_ = true; // what is abandoned now is noted
  drop_coroutine();
  journal::ended end;
  end.ok = value.has_value();
  if (end.ok)
    end.value = keep(*value);
  else
    end.failure = value.error();
  end.when = world_.env.clock.now();
  out_.add(journal::entry{std::move(end)});
  auto& u = extra();
  u.invocation = who_.no;
  u.row = out_.take(who_.no, run_, generation_);
  u.changed = change_to(state);
  if (held_back(u))
    return;
  over_ = true;
  auto at = world_.log.append(std::move(u), world_.dispatcher, who_.incarnation,
                              caf::local_actor::context());
  if (at != 0) {
    last_lsn_ = at;
    let_go();
    send(world_.dispatcher, invocation_ended{who_.no, at, outcome{state, std::move(value)}});
  }
  quit();
}

void invocation::die(std::string what) {
  auto where = last_at_;
  auto count = 1U + static_cast<std::uint32_t>(
                      std::count_if(deaths_.begin(), deaths_.end(),
                                    [&](const journal::died& d) { return d.at == where; }));
  out_.add(journal::entry{journal::died{where, what, world_.env.clock.now()}});
  bool enough = count >= world_.options.deaths_max;
  if (enough)
    quarantine(what + " at " + to_string(where), count);
  tearing_down_ = true;
  auto at = flush(true);
  if (over_)
    return;
  event_line(level::error, enough ? "invocation.quarantined" : "invocation.died", nullptr,
             "internal", {{"what", to_json(what)}, {"at", to_json(to_string(where))}});
  over_ = true;
  drop_coroutine();
  if (enough)
    send(world_.dispatcher,
         invocation_stopped{who_.no, at, store::status::quarantined, error{errc::internal, what}});
  else
    send(world_.dispatcher, invocation_died{who_.no, at, count, std::move(what)});
  quit();
}

void invocation::pause(error why) {
  if (over_)
    return;
  out_ = {}; // nothing that came after the mismatch may stand in the journal
  extra_.reset();
  settled_.clear();
  record_note("paused", to_json(to_string(why)));
  extra().changed = change_to(store::status::paused);
  if (!begun_) // its journal could not be read
    extra_->changed->run = extra_->changed->generation = journal::outside;
  tearing_down_ = true;
  auto at = flush(true);
  if (over_)
    return;
  event_line(level::error, "invocation.paused", nullptr, std::string{to_string(why.code)},
             {{"why", to_json(why.message)}});
  over_ = true;
  drop_coroutine();
  send(world_.dispatcher, invocation_stopped{who_.no, at, store::status::paused, std::move(why)});
  quit();
}

void invocation::drop_coroutine() noexcept {
  // The order matters: frames lie on the branch, and refer to what the agent holds.
  root_.reset();
  agent_.reset();
  pending_.clear();
  ready_.clear();
  gated_.clear();
  starting_.clear();
}

} // namespace troupe
