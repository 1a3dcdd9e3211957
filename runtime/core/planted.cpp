#include "runtime/core/planted.hpp"

#ifdef TROUPE_PLANTED

namespace troupe::detail {

std::atomic<planted_bug> planted_now{planted_bug::none};

} // namespace troupe::detail

#endif
