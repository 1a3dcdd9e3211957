#include "tests/kit/faulty_time.hpp"

namespace troupe::kit {

void jump_wall_clock(world& w, std::chrono::microseconds by) {
  w.wall_ahead += by;
}

void pause_machine(world& w, std::chrono::milliseconds how_long) {
  w.wall_ahead += how_long;
}

} // namespace troupe::kit
