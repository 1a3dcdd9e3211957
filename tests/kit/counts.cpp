#include "tests/kit/counts.hpp"

#include "tests/kit/failure.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace troupe::kit {

void count(std::string_view what, std::uint64_t n, std::uint64_t of) {
  const auto* file = std::getenv("TROUPE_COUNTS"); // NOLINT(concurrency-mt-unsafe)
  if (file == nullptr || *file == '\0')
    return;
  auto line = fmt::format("{}\t{}\t{}\t{}\n", what, n, of, current_test());
  auto fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  require(fd >= 0, fmt::format("TROUPE_COUNTS: cannot open {}", file));
  auto written = write(fd, line.data(), line.size());
  close(fd);
  require(written == static_cast<ssize_t>(line.size()),
          fmt::format("TROUPE_COUNTS: cannot write to {}", file));
}

} // namespace troupe::kit
