#pragma once
// "Did you mean": the nearest of the names that would have been right.

#include <span>
#include <string>
#include <string_view>

namespace troupe::config {

/// Typing errors between two names: letters added, lost, exchanged, or swapped with a neighbour.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that was probably meant; empty when none is near.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// `did you mean 'timeout'?`, or the candidates when none is near and they are few.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

} // namespace troupe::config
