// Does the kit find bugs? Each planted one must be found by the general scenario within a thousand
// seeds; with none planted the same seeds find nothing.
#include "runtime/core/planted.hpp"
#include "tests/kit/counts.hpp"
#include "tests/kit/explore.hpp"
#include "tests/sim/planted_cast.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim::planted;

namespace {

constexpr std::uint64_t seeds_max = 1'000;

void perform(kit::world& w) {
  auto seed = w.order->options().seed;
  kit::rehearse(w, draw_production(seed), seed);
}

} // namespace

TEST_CASE("with no bug planted a thousand histories of a whole cast keep every invariant",
          "[planted]") {
  auto report = kit::for_each_seed(seeds_max, perform);
  WARN("histories: " << report.seeds << " seeds, " << report.turns << " turns of actors, "
                     << report.virtual_time / std::chrono::hours{1} << " virtual hours");
}

#ifdef TROUPE_PLANTED

namespace {

void must_find(planted_bug bug, const char* name) {
  kit::exploration how;
  how.seeds = seeds_max;
  how.tries_max = 0;
  how.from_environment = false;
  plant(bug);
  auto report = kit::explore(how, perform);
  plant(planted_bug::none);
  bool found = report.failed.has_value();
  kit::count("planted bugs", found ? 1 : 0, 1);
  REQUIRE(found);
  WARN(name << " found by seed " << report.failed->seed << ": " << report.failed->what);
}

} // namespace

#  define FINDS(bug)                                                                               \
    TEST_CASE("the planted bug " #bug " is found", "[planted]") {                                  \
      must_find(planted_bug::bug, #bug);                                                           \
    }

FINDS(told_before_synced)
FINDS(signal_renumbered)
FINDS(older_owner_accepted)
FINDS(blob_dropped_early)
FINDS(output_before_gate)
FINDS(key_reused_by_generation)
FINDS(key_fresh_per_sending)
FINDS(repeated_blindly)
FINDS(not_done_trusted_early)
FINDS(late_answer_delivered)
FINDS(cancel_misses_child)
FINDS(signal_lost_in_race)
FINDS(recorded_on_arrival)
FINDS(signal_not_marked_consumed)
FINDS(signal_not_carried_over)
FINDS(early_signal_dropped)
FINDS(branch_not_begun_again)
FINDS(child_not_asked_again)
FINDS(state_saved_at_checkpoint)
FINDS(wakeup_lost)
FINDS(key_released_early)
FINDS(second_writer_admitted)
FINDS(mail_lost_to_passivation)
FINDS(concurrency_leaked)
FINDS(command_told_early)
FINDS(idempotency_forgotten)
FINDS(admitted_twice)
FINDS(rollback_keeps_table)
FINDS(sleeper_not_rearmed)
FINDS(deadline_not_rearmed)
FINDS(pause_timer_lost)
FINDS(slot_leaked)
FINDS(late_result_counted)
FINDS(unsafe_retry)
FINDS(mail_left_at_restart)

#endif
