#include "tests/kit/sweep.hpp"

#include "tests/kit/counts.hpp"

namespace troupe::kit {

sweep_report for_each_crash_point(const scenario& s, bool twice, std::uint64_t window) {
  sweep_report report;
  {
    world w;
    s(w);
    report.crash_points = w.boundaries;
    ++report.runs;
  }
  for (std::uint64_t k = 0; k < report.crash_points; ++k) {
    for (std::uint64_t second = 0; second <= (twice ? window : 0); ++second) {
      world w;
      w.crash_at.insert(k);
      if (second > 0)
        w.crash_at.insert(k + second);
      s(w);
      ++report.runs;
    }
  }
  count("crash points", report.crash_points);
  count("crash runs", report.runs - 1);
  return report;
}

} // namespace troupe::kit
