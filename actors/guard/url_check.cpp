#include "actors/guard/url_check.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace troupe {

std::string http_url_problem(std::string_view url) {
  auto parsed = boost::urls::parse_uri(boost::urls::string_view{url.data(), url.size()});
  if (!parsed)
    return url.find("://") == std::string_view::npos ? "is not a complete URL: it has no scheme"
                                                     : "is not a well-formed URL";
  if (parsed->scheme() != "http" && parsed->scheme() != "https")
    return "has a scheme other than http and https";
  if (parsed->encoded_host().empty())
    return "names no host";
  if (parsed->has_port()) {
    auto port = parsed->port();
    if (port.empty() || port.size() > 5 || std::stoul(std::string{port}) > 65'535)
      return "has a port above 65535";
  }
  return {};
}

} // namespace troupe
