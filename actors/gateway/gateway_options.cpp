#include "actors/gateway/gateway_options.hpp"

namespace troupe {

using namespace std::chrono_literals;

bool is_loopback(std::string_view host) noexcept {
  return host == "localhost" || host == "::1" || host == "[::1]"
         || (host.starts_with("127.")
             && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

option_problems gateway_options::validate() const {
  option_problems found;
  if (enabled && token.empty() && !is_loopback(host))
    found.push_back({"listen", "is open to other machines, but no token guards it",
                     "set token = \"${TROUPE_TOKEN}\" in [gateway], or listen on 127.0.0.1"});
  if (wait_max <= 0ms)
    found.push_back({"wait_max", "must be above 0", "the default is \"60s\""});
  if (completion_timeout <= 0ms)
    found.push_back({"completion_timeout", "must be above 0", "the default is \"10m\""});
  if (body_max == 0)
    found.push_back({"body_max", "is 0, so no input would be accepted", "the default is \"4MiB\""});
  if (header_max < 1'024)
    found.push_back({"header_max", "is below 1KiB: ordinary requests would be refused",
                     "the default is \"16KiB\""});
  if (connections_max == 0)
    found.push_back({"connections_max", "is 0, so nobody could connect", "the default is 10000"});
  if (read_timeout <= 0ms)
    found.push_back({"read_timeout", "must be above 0", "the default is \"30s\""});
  if (idle_timeout <= 0ms)
    found.push_back({"idle_timeout", "must be above 0", "the default is \"75s\""});
  return found;
}

} // namespace troupe
