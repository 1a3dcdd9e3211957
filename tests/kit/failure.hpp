#pragma once
// How the kit says that a test has failed, whatever the test framework.

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace troupe::kit {

/// What a test did not expect, in sentences for people.
class failure : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Throws `failure` with `what` unless `holds`.
void require(bool holds, std::string_view what);

/// The test framework tells the kit what it knows (tests/kit/catch.hpp does it for Catch2): the
/// test that runs now, and each of its assertions that failed without an exception.
void note_test(std::string name);
void note_failed_assertion() noexcept;
/// Assertions that failed so far, and the test that runs now; empty where nobody said.
std::uint64_t failed_assertions() noexcept;
const std::string& current_test() noexcept;

/// `--seed N`: only this seed. Wins over the environment's TROUPE_SEED.
void choose_seed(std::uint64_t seed);
std::optional<std::uint64_t> chosen_seed() noexcept;

} // namespace troupe::kit
