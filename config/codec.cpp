#include "config/codec.hpp"

#include "config/fields.hpp"
#include "config/tables.hpp"

#include <boost/json/parse.hpp>

#include <cmath>
#include <fstream>
#include <iterator>

namespace troupe::config {

namespace {

constexpr std::size_t schema_size_max = std::size_t{1} << 20; // models are shown schemas: small

/// Reports that a codec's kind of value was expected.
void expected(context& c, const std::string& path, const node& n, std::string_view what,
              std::string hint = {}) {
  c.report(n.begin, path, "expected " + std::string{what} + ", found " + describe(n),
           std::move(hint));
}

std::string item_path(const std::string& path, std::size_t i) {
  return path + "[" + std::to_string(i) + "]";
}

/// Calls `read(path, item)` for each item of a list; reports what is no list.
template <class Read>
bool each_item(context& c, const std::string& path, const node& n, std::string_view what,
               Read read) {
  if (n.type != node_type::list) {
    expected(c, path, n, what, n.type == node_type::text ? "put it in brackets: [..]" : "");
    return false;
  }
  for (std::size_t i = 0; i < n.items.size(); ++i) {
    auto inner = item_path(path, i);
    c.claim(inner, n.items[i].begin, n.items[i].begin);
    read(inner, n.items[i]);
  }
  return true;
}

std::optional<status_range> parse_statuses(std::string_view text) {
  auto number = [](std::string_view digits) {
    bool three = digits.size() == 3 && digits.find_first_not_of("0123456789") == digits.npos;
    return three ? std::stoi(std::string{digits}) : 0;
  };
  int first = 0, last = 0;
  if (text.size() == 3 && text.ends_with("xx") && text[0] >= '1' && text[0] <= '5') {
    first = (text[0] - '0') * 100;
    last = first + 99;
  } else if (text.size() == 7 && text[3] == '-') {
    first = number(text.substr(0, 3));
    last = number(text.substr(4));
  } else {
    first = last = number(text);
  }
  if (first < 100 || last > 599 || first > last)
    return std::nullopt;
  return status_range{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

bool is_json(std::string_view text) {
  boost::json::error_code failed;
  boost::json::parse({text.data(), text.size()}, failed);
  return !failed;
}

/// A file's text, up to `max` bytes.
std::optional<std::string> read_file(const std::filesystem::path& file, std::size_t max) {
  std::error_code failed;
  auto size = std::filesystem::file_size(file, failed);
  std::ifstream in{file, std::ios::binary};
  if (failed || size > max || !in)
    return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

void text_codec::read(context& c, const std::string& path, const node& n, std::string& out) {
  if (auto v = c.text(path, n))
    out = std::move(*v);
}

std::string text_codec::show(const std::string& v) {
  return v.empty() ? v : "\"" + v + "\"";
}

void secret_codec::read(context& c, const std::string& path, const node& n, secret& out) {
  c.mask(n);
  if (n.type != node_type::text) {
    c.report(n.begin, path, "expected text", "take it from the environment: \"${NAME}\"");
    return;
  }
  // A placeholder where the variable is missing: that is said once, not again by whoever misses it.
  out = secret{c.text(path, n).value_or("missing")};
}

void path_codec::read(context& c, const std::string& path, const node& n,
                      std::filesystem::path& out) {
  if (auto v = c.text(path, n))
    out = v->empty() ? std::filesystem::path{} : c.resolve(n.begin, *v);
}

std::string path_codec::show(const std::filesystem::path& v) {
  return text_codec::show(v.string());
}

void file_codec::read(context& c, const std::string& path, const node& n,
                      std::filesystem::path& out) {
  path_codec::read(c, path, n, out);
  std::error_code failed;
  if (!out.empty() && !std::filesystem::is_regular_file(out, failed))
    c.report(n.begin, path, "there is no file '" + n.text + "'",
             "relative paths start at the topology's folder");
}

void flag_codec::read(context& c, const std::string& path, const node& n, bool& out) {
  if (n.type == node_type::boolean)
    out = n.boolean;
  else
    expected(c, path, n, "true or false",
             n.text == "true" || n.text == "false" ? "without quotes" : "");
}

std::optional<std::uint64_t> read_count(context& c, const std::string& path, const node& n,
                                        std::uint64_t max) {
  if (n.type != node_type::integer) {
    expected(c, path, n, "an integer",
             n.type == node_type::text && !n.text.empty()
                 && n.text.find_first_not_of("0123456789") == n.text.npos
               ? "without quotes"
               : "");
    return std::nullopt;
  }
  if (n.integer < 0)
    c.report(n.begin, path, "must not be negative, found " + std::to_string(n.integer));
  else if (static_cast<std::uint64_t>(n.integer) > max)
    c.report(n.begin, path, "must be at most " + std::to_string(max));
  else
    return static_cast<std::uint64_t>(n.integer);
  return std::nullopt;
}

void number_codec::read(context& c, const std::string& path, const node& n, double& out) {
  if (n.type == node_type::number && std::isfinite(n.number))
    out = n.number;
  else if (n.type == node_type::integer)
    out = static_cast<double>(n.integer);
  else
    expected(c, path, n, "a number");
}

void number_codec::read(context& c, const std::string& path, const node& n,
                        std::optional<double>& out) {
  double v = 0;
  read(c, path, n, v);
  out = v;
}

std::string number_codec::show(double v) {
  return fmt::format("{}", v);
}

void duration_codec::read(context& c, const std::string& path, const node& n,
                          std::chrono::milliseconds& out) {
  if (n.type != node_type::text) {
    expected(c, path, n, "a duration such as \"3s\"",
             n.type == node_type::integer && n.integer >= 0
               ? "say the unit: \"" + std::to_string(n.integer) + "s\" or \""
                   + std::to_string(n.integer) + "ms\""
               : "");
    return;
  }
  auto text = c.text(path, n);
  if (!text)
    return;
  if (text->starts_with('-'))
    c.report(n.begin, path, "must not be negative");
  else if (auto v = parse_duration(*text))
    out = *v;
  else
    c.report(n.begin, path, v.error().message + ", found \"" + n.text + "\"");
}

void size_codec::read(context& c, const std::string& path, const node& n, std::size_t& out) {
  if (n.type == node_type::integer) {
    if (auto v = read_count(c, path, n, std::size_t{1} << 50))
      out = static_cast<std::size_t>(*v);
  } else if (n.type != node_type::text) {
    expected(c, path, n, "a size such as \"1MiB\"");
  } else if (auto text = c.text(path, n)) {
    if (auto v = parse_size(*text))
      out = *v;
    else
      c.report(n.begin, path, v.error().message + ", found \"" + n.text + "\"");
  }
}

void texts_codec::read(context& c, const std::string& path, const node& n,
                       std::vector<std::string>& out) {
  std::vector<std::string> all;
  if (each_item(c, path, n, "a list of texts", [&](const std::string& inner, const node& item) {
        if (auto v = c.text(inner, item))
          all.push_back(std::move(*v));
        else
          all.emplace_back("?"); // keeps the places of those behind it
      }))
    out = std::move(all);
}

std::string texts_codec::show(const std::vector<std::string>& v) {
  std::string text;
  for (const auto& one : v)
    text.append(text.empty() ? "\"" : ", \"").append(one).append("\"");
  return "[" + text + "]";
}

void names_codec::read(context& c, const std::string& path, const node& n,
                       std::vector<std::string>& out) {
  for (const auto& item : n.items)
    if (item.text.find('=') != item.text.npos) {
      c.mask(item);
      c.report(item.begin, path, "expected the name of a variable, found an '='",
               "set the variable where troupe is started, name it here");
    }
  texts_codec::read(c, path, n, out);
}

void variables_codec::read(context& c, const std::string& path, const node& n,
                           std::vector<std::string>& out) {
  if (n.type != node_type::text) {
    names_codec::read(c, path, n, out);
    return;
  }
  if (auto name = c.text(path, n))
    out = {std::move(*name)};
}

void paths_codec::read(context& c, const std::string& path, const node& n,
                       std::vector<std::filesystem::path>& out) {
  each_item(c, path, n, "a list of paths", [&](const std::string& inner, const node& item) {
    std::filesystem::path one;
    path_codec::read(c, inner, item, one);
    if (!one.empty() && std::find(out.begin(), out.end(), one) != out.end())
      c.report(item.begin, inner, "'" + item.text + "' stands here twice");
    if (!one.empty())
      out.push_back(std::move(one));
  });
}

void headers_codec::read(context& c, const std::string& path, const node& n,
                         std::map<std::string, secret>& out) {
  if (n.type != node_type::table) {
    c.mask(n);
    c.report(n.begin, path, "expected a table of texts",
             "e.g. headers = { Authorization = \"Bearer ${TOKEN}\" }");
    return;
  }
  for (const auto& m : n.members) {
    auto inner = join(path, m.key);
    c.claim(inner, m.at, m.value.begin);
    secret_codec::read(c, inner, m.value, out[m.key]);
  }
}

void statuses_codec::read(context& c, const std::string& path, const node& n,
                          std::vector<status_range>& out) {
  std::vector<status_range> all;
  auto read_one = [&](const std::string& inner, const node& item) {
    auto text = item.type == node_type::integer ? std::to_string(item.integer) : item.text;
    if (auto range = parse_statuses(text))
      all.push_back(*range);
    else
      c.report(item.begin, inner, "expected a status, found " + describe(item),
               "e.g. 200, \"2xx\" or \"200-204\"");
  };
  if (each_item(c, path, n, "a list of statuses", read_one))
    out = std::move(all);
}

void json_codec::read(context& c, const std::string& path, const node& n, std::string& out) {
  auto text = c.text(path, n);
  if (!text)
    return;
  auto first = text->find_first_not_of(" \t\r\n");
  bool in_place = first != text->npos && (*text)[first] == '{';
  if (!in_place) {
    auto from_file = read_file(c.resolve(n.begin, *text), schema_size_max);
    if (!from_file) {
      c.report(n.begin, path, "there is no file '" + n.text + "' of at most 1 MiB",
               "a schema is JSON text that begins with '{', or the path of a file that holds it");
      return;
    }
    text = std::move(from_file);
  }
  if (is_json(*text))
    out = std::move(*text);
  else
    c.report(n.begin, path, in_place ? "is not JSON" : "the file '" + n.text + "' is not JSON");
}

void listen_codec::read(context& c, const std::string& path, const node& n,
                        gateway_options& out) {
  auto text = c.text(path, n);
  if (!text)
    return;
  auto at = parse_address(*text);
  if (!at) {
    c.report(n.begin, path, at.error().message, "e.g. \"127.0.0.1:7070\"");
    return;
  }
  out.host = at->host;
  out.port = at->port;
}

std::string listen_codec::show(const gateway_options& v) {
  return "\"" + to_text(address{v.host, v.port}) + "\"";
}

void children_codec::read(context& c, const std::string& path, const node& n,
                          std::vector<child_options>& out) {
  each_item(c, path, n, "a list of children", [&](const std::string& inner, const node& item) {
    child_options child;
    if (item.type == node_type::table) {
      read_fields(c, inner, item, child, child_fields());
      if (!item.find("id"))
        c.report(item.begin, inner, "id is missing", "e.g. { id = \"tools.search\" }");
    } else if (auto v = c.text(inner, item)) {
      child.id = std::move(*v);
    }
    out.push_back(std::move(child)); // an empty id keeps the places of those behind it
  });
}

std::optional<std::size_t> read_choice(context& c, const std::string& path, const node& n,
                                       const std::vector<std::string>& names) {
  auto text = c.text(path, n);
  if (!text)
    return std::nullopt;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == *text)
      return i;
  std::string all;
  for (const auto& name : names)
    all.append(all.empty() ? "'" : ", '").append(name).append("'");
  auto meant = nearest(*text, names);
  c.report(n.begin, path, "expected one of " + all + ", found '" + n.text + "'",
           meant.empty() ? "" : "did you mean '" + meant + "'?");
  return std::nullopt;
}

} // namespace troupe::config
