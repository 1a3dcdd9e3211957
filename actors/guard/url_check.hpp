#pragma once
// Whether a text can be the URL of a request, asked when options are read rather than at 3 a.m.

#include <string>
#include <string_view>

namespace troupe {

/// What is wrong with `url`, or empty. Never repeats the URL: there may be a password in it.
std::string http_url_problem(std::string_view url);

} // namespace troupe
