#include "actors/tool/mcp_options.hpp"

#include "actors/guard/url_check.hpp"
#include "runtime/net/http_headers.hpp"

#include <algorithm>

namespace troupe {
namespace {

/// `*` stands for any text, also none.
bool matches(std::string_view pattern, std::string_view text) {
  auto star = pattern.find('*');
  if (star == pattern.npos)
    return pattern == text;
  if (!text.starts_with(pattern.substr(0, star)))
    return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (;; text.remove_prefix(1)) {
    if (matches(pattern, text))
      return true;
    if (text.empty())
      return false;
  }
}

void check_times(const mcp_options& o, option_problems& found) {
  auto positive = [&](std::string_view key, std::chrono::milliseconds time,
                      std::string_view usual) {
    if (time.count() <= 0)
      found.push_back({std::string{key}, "must be above 0",
                       "the default is \"" + std::string{usual} + "\""});
  };
  positive("probe_timeout", o.probe_timeout, "3s");
  positive("request_timeout", o.request_timeout, "30s");
  positive("progress_max", o.progress_max, "5m");
  if (o.start_timeout.count() < 0)
    found.push_back({"start_timeout", "must not be below 0", "\"0\" does not wait at all"});
  if (o.backoff.min.count() <= 0 || o.backoff.max < o.backoff.min)
    found.push_back({"backoff.max", "is below backoff.min, or one of them is 0",
                     "the defaults are \"200ms\" and \"30s\""});
}

} // namespace

option_problems mcp_options::validate() const {
  option_problems found;
  if (argv.empty() == url.empty())
    found.push_back({argv.empty() ? "argv" : "url",
                     argv.empty() ? "is missing, and so is url: nothing says where the server is"
                                  : "stands beside argv: a server is one or the other",
                     "e.g. argv = [\"npx\", \"some-server\"] or url = \"http://127.0.0.1:3001/mcp\""});
  if (!argv.empty() && argv.front().empty())
    found.push_back({"argv", "names no program", "e.g. argv = [\"python3\", \"server.py\"]"});
  if (auto wrong = url.empty() ? "" : http_url_problem(url); !wrong.empty())
    found.push_back({"url", std::move(wrong), "e.g. \"http://127.0.0.1:3001/mcp\""});
  if (auto wrong = proxy.empty() ? "" : http_url_problem(proxy); !wrong.empty())
    found.push_back({"proxy", std::move(wrong), "e.g. \"http://127.0.0.1:3128\""});
  for (const auto& [header, value] : headers)
    if (!net::is_token(header) || !net::is_field_value(value.reveal()))
      found.push_back({"headers", "holds a name or a value that cannot stand in a header",
                       "no line ends, names of letters, digits and '-'"});
  if (response_size_max == 0)
    found.push_back({"response_size_max", "is 0, so no answer would fit", "the default is \"4MiB\""});
  if (tools_max == 0)
    found.push_back({"tools_max", "is 0, so it would have no tools", "the default is 256"});
  check_times(*this, found);
  return found;
}

const tool_options& mcp_options::of(const std::string& tool) const {
  auto own = tools.find(tool);
  return own == tools.end() ? defaults : own->second;
}

bool mcp_options::allows(std::string_view tool) const {
  return std::ranges::any_of(allow, [&](const std::string& p) { return matches(p, tool); });
}

} // namespace troupe
