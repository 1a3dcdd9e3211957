#include "tests/kit/failure.hpp"

#include <utility>

namespace troupe::kit {
namespace {

// What the test framework has said. Test executables run their cases on one thread.
std::string test_now;
std::uint64_t assertions_failed = 0;
std::optional<std::uint64_t> seed_chosen;

} // namespace

void require(bool holds, std::string_view what) {
  if (!holds)
    throw failure{std::string{what}};
}

void note_test(std::string name) {
  test_now = std::move(name);
}

void note_failed_assertion() noexcept {
  ++assertions_failed;
}

std::uint64_t failed_assertions() noexcept {
  return assertions_failed;
}

const std::string& current_test() noexcept {
  return test_now;
}

void choose_seed(std::uint64_t seed) {
  seed_chosen = seed;
}

std::optional<std::uint64_t> chosen_seed() noexcept {
  return seed_chosen;
}

} // namespace troupe::kit
