#include "actors/tool/tool_options.hpp"

#include "actors/guard/url_check.hpp"

#include <algorithm>
#include <array>

namespace troupe {

namespace {

constexpr std::string_view name_characters =
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

constexpr std::array<std::string_view, 6> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

/// Calls `on_text(piece)` and `on_field(name)` for the parts of a template, in order.
template <class OnText, class OnField>
void split_template(std::string_view text, OnText on_text, OnField on_field) {
  std::size_t done = 0;
  for (auto open = text.find('{'); open != text.npos; open = text.find('{', open + 1)) {
    auto close = text.find_first_not_of(name_characters, open + 1);
    if (close == text.npos || text[close] != '}' || close == open + 1)
      continue;
    on_text(text.substr(done, open - done));
    on_field(text.substr(open + 1, close - open - 1));
    done = close + 1;
    open = close;
  }
  on_text(text.substr(done));
}

/// The problem of a URL template: judged with a letter in each field's place.
std::string template_url_problem(std::string_view url) {
  std::string sample;
  bool field_in_host = false;
  split_template(
    url, [&](std::string_view piece) { sample += piece; },
    [&](std::string_view) {
      auto scheme = sample.find("://");
      if (scheme == sample.npos || sample.find_first_of("/?#", scheme + 3) == sample.npos)
        field_in_host = true;
      sample += 'x';
    });
  if (field_in_host)
    return "takes its host from the arguments: a model could send the request anywhere";
  return http_url_problem(sample);
}

bool names_key(std::string_view text) {
  auto names = placeholders(text);
  return std::ranges::find(names, "idempotency_key") != names.end();
}

bool is_pointer(std::string_view text) {
  return text.empty() || text.front() == '/';
}

void check_method(const std::string& key, const std::string& method, option_problems& found) {
  if (std::ranges::find(methods, method) == methods.end())
    found.push_back({key, "is not a method that is known here",
                     "one of GET, HEAD, POST, PUT, PATCH, DELETE, in capitals"});
}

void check_headers(const std::map<std::string, secret>& headers, option_problems& found) {
  for (const auto& [name, value] : headers) {
    bool token = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
      return c > ' ' && c < 127
             && std::string_view{"()<>@,;:\\\"/[]?={}"}.find(char(c)) == std::string_view::npos;
    });
    if (!token)
      found.push_back({"headers." + name, "is not a header's name", ""});
    if (value.reveal().find_first_of("\r\n") != std::string::npos)
      found.push_back({"headers." + name, "has a line break in its value", ""});
  }
}

void check_http(const tool_options& o, option_problems& found) {
  const auto& h = o.http;
  if (h.url.empty())
    found.push_back({"url", "is missing: an http tool must say whom it calls",
                     "e.g. url = \"http://127.0.0.1:8080/tickets/{id}\""});
  else if (auto wrong = template_url_problem(h.url); !wrong.empty())
    found.push_back({"url", std::move(wrong), "e.g. \"https://host/path/{field}\""});
  check_method("method", h.method, found);
  check_headers(h.headers, found);
  if (h.success.empty())
    found.push_back({"success", "is empty, so no answer would count as success",
                     "the default is [\"2xx\"]"});
  if (!is_pointer(h.result))
    found.push_back({"result", "is not a JSON pointer", "it begins with '/', e.g. \"/data/id\""});
  if (!is_pointer(h.success_if.at))
    found.push_back({"success_if.at", "is not a JSON pointer", "it begins with '/', e.g. \"/ok\""});
  if (!h.tls_verify && !h.tls_ca.empty())
    found.push_back({"tls_ca", "has no meaning where tls_verify is off",
                     "drop `tls_verify = false`: the authorities of tls_ca are enough"});
  if (auto wrong = h.proxy.empty() ? "" : http_url_problem(h.proxy); !wrong.empty())
    found.push_back({"proxy", std::move(wrong), "e.g. \"http://127.0.0.1:3128\""});
  if (h.response_size_max == 0)
    found.push_back(
      {"response_size_max", "is 0, so no answer would fit", "the default is \"1MiB\""});
  bool by_nature = h.method != "POST" && h.method != "PATCH";
  if (o.effect == effect_class::idempotent && !by_nature && h.idempotency_header.empty()
      && !names_key(h.url) && !names_key(h.body))
    found.push_back({"idempotency_header", "is empty and the key stands nowhere else, so the far "
                                           "side cannot tell a repeat from a second call",
                     "set it, put {idempotency_key} into url or body, or use at_most_once"});
}

void check_command(const command_tool_options& c, option_problems& found) {
  if (c.argv.empty() || c.argv.front().empty())
    found.push_back({"argv", "is empty: a command tool must name its program",
                     "e.g. argv = [\"python3\", \"search.py\"]"});
  else if (!placeholders(c.argv.front()).empty())
    found.push_back({"argv", "takes its program from the arguments: a model could run anything",
                     "name the program, fill only what follows it"});
  if (c.output_max == 0)
    found.push_back({"output_max", "is 0, so no answer would fit", "the default is \"1MiB\""});
  if (c.files_max < 8)
    found.push_back({"files_max", "is below 8: most programs could not start",
                     "the default is 256"});
}

bool only_looks(effect_class c) {
  return c == effect_class::pure || c == effect_class::read;
}

void check_reconcile(const tool_options& o, option_problems& found) {
  const auto& r = o.reconcile;
  if (!r.given()) {
    if (!r.result.empty() || r.method != "GET")
      found.push_back({"reconcile", "says neither tool nor url nor argv", "give one of the three"});
    return;
  }
  if (int(!r.tool.empty()) + int(!r.argv.empty()) + int(!r.url.empty()) > 1)
    found.push_back({"reconcile", "has more than one of tool, url and argv", "keep one"});
  if (only_looks(o.effect))
    found.push_back({"reconcile", "has no meaning for pure and read: they are simply repeated",
                     "drop it, or name the right effect"});
  if (!r.url.empty()) {
    if (auto wrong = template_url_problem(r.url); !wrong.empty())
      found.push_back({"reconcile.url", std::move(wrong),
                       "e.g. \"https://host/posts/{idempotency_key}\""});
    check_method("reconcile.method", r.method, found);
  }
  if (!is_pointer(r.result))
    found.push_back({"reconcile.result", "is not a JSON pointer",
                     "it begins with '/', e.g. \"/items/0\""});
}

void check_guards(const tool_options& o, option_problems& found) {
  for (auto& p : o.breaker.validate())
    found.push_back(std::move(p));
  if (o.fallback.cached.count() < 0)
    found.push_back({"fallback.cached", "must not be below 0", "\"0\" keeps no answers"});
  if (o.fallback.cached.count() > 0 && !only_looks(o.effect))
    found.push_back({"fallback.cached", "has no meaning for a tool that changes something: an "
                                        "earlier answer does not mean that it happened again",
                     "drop it, or say effect = \"read\""});
  if (o.hedge.after.count() < 0)
    found.push_back({"hedge.after", "must not be below 0", "\"0\" is the measured p95"});
  if (o.hedge.enabled && !only_looks(o.effect))
    found.push_back({"hedge.enabled", "sends a call twice, and this tool is not pure or read",
                     "drop it, or say effect = \"read\""});
}

} // namespace

std::vector<std::string> placeholders(std::string_view text) {
  std::vector<std::string> names;
  split_template(
    text, [](std::string_view) {}, [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

option_problems tool_options::validate() const {
  auto found = retry.validate();
  if (kind == tool_kind::http)
    check_http(*this, found);
  if (kind == tool_kind::command)
    check_command(command, found);
  check_reconcile(*this, found);
  check_guards(*this, found);
  if (!is_pointer(key))
    found.push_back({"key", "is not a JSON pointer", "it begins with '/', e.g. \"/order\""});
  else if (!key.empty() && !has_effect(effect))
    found.push_back({"key", "has no meaning for pure and read: they may be repeated at will",
                     "drop it, or name the right effect"});
  if (key_ttl < retry.total_timeout)
    found.push_back({"key_ttl", "is below total_timeout: a retry could come after the far side "
                                "has forgotten the key",
                     "the default is \"24h\""});
  if (concurrent == 0)
    found.push_back({"concurrent", "is 0, so it would never be called", "the default is 25"});
  return found;
}

} // namespace troupe
