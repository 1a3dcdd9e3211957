#pragma once
// How one value is read and written: a codec for each kind of value that a topology knows.
//
// `read` stores the value, or reports what was expected and leaves the default. `show` writes the
// default as it would stand in TOML, for the reference.

#include "config/context.hpp"
#include "config/units.hpp"

#include <limits>
#include <span>
#include <utility>

namespace troupe::config {

/// The words of an enumeration in TOML.
template <class E>
std::span<const std::pair<std::string_view, E>> words();

struct text_codec {
  static constexpr std::string_view type = "text";
  static void read(context& c, const std::string& path, const node& n, std::string& out);
  static std::string show(const std::string& v);
};

struct secret_codec {
  static constexpr std::string_view type = "secret text";
  static void read(context& c, const std::string& path, const node& n, secret& out);
  static std::string show(const secret&) { return {}; }
};

struct path_codec {
  static constexpr std::string_view type = "path";
  static void read(context& c, const std::string& path, const node& n,
                   std::filesystem::path& out);
  static std::string show(const std::filesystem::path& v);
};

/// A path that must name a file that can be read.
struct file_codec : path_codec {
  static void read(context& c, const std::string& path, const node& n,
                   std::filesystem::path& out);
};

struct flag_codec {
  static constexpr std::string_view type = "true or false";
  static void read(context& c, const std::string& path, const node& n, bool& out);
  static std::string show(bool v) { return v ? "true" : "false"; }
};

/// Reads an integer of 0 to `max`.
std::optional<std::uint64_t> read_count(context& c, const std::string& path, const node& n,
                                        std::uint64_t max);

struct count_codec {
  static constexpr std::string_view type = "integer";
  template <class N>
  static void read(context& c, const std::string& path, const node& n, N& out) {
    if (auto v = read_count(c, path, n, std::numeric_limits<N>::max()))
      out = static_cast<N>(*v);
  }
  static std::string show(std::uint64_t v) { return std::to_string(v); }
};

struct number_codec {
  static constexpr std::string_view type = "number";
  static void read(context& c, const std::string& path, const node& n, double& out);
  static void read(context& c, const std::string& path, const node& n, std::optional<double>& out);
  static std::string show(double v);
  static std::string show(const std::optional<double>& v) { return v ? show(*v) : ""; }
};

struct duration_codec {
  static constexpr std::string_view type = "duration";
  static void read(context& c, const std::string& path, const node& n,
                   std::chrono::milliseconds& out);
  static std::string show(std::chrono::milliseconds v) { return "\"" + to_text(v) + "\""; }
};

struct size_codec {
  static constexpr std::string_view type = "size";
  static void read(context& c, const std::string& path, const node& n, std::size_t& out);
  static std::string show(std::size_t v) { return "\"" + size_to_text(v) + "\""; }
};

struct texts_codec {
  static constexpr std::string_view type = "list of texts";
  static void read(context& c, const std::string& path, const node& n,
                   std::vector<std::string>& out);
  static std::string show(const std::vector<std::string>& v);
};

/// Names of environment variables; what has an `=` may hold a secret and is not repeated.
struct names_codec : texts_codec {
  static constexpr std::string_view type = "list of names";
  static void read(context& c, const std::string& path, const node& n,
                   std::vector<std::string>& out);
};

/// One such name, or a list of them.
struct variables_codec : names_codec {
  static constexpr std::string_view type = "name or list of names";
  static void read(context& c, const std::string& path, const node& n,
                   std::vector<std::string>& out);
};

struct paths_codec {
  static constexpr std::string_view type = "list of paths";
  static void read(context& c, const std::string& path, const node& n,
                   std::vector<std::filesystem::path>& out);
  static std::string show(const std::vector<std::filesystem::path>&) { return "[]"; }
};

/// A table of texts whose values are secrets.
struct headers_codec {
  static constexpr std::string_view type = "table of texts";
  static constexpr bool takes_table = true;
  static void read(context& c, const std::string& path, const node& n,
                   std::map<std::string, secret>& out);
  static std::string show(const std::map<std::string, secret>&) { return {}; }
};

/// `200`, `"2xx"`, `"200-204"`.
struct statuses_codec {
  static constexpr std::string_view type = "list of statuses";
  static void read(context& c, const std::string& path, const node& n,
                   std::vector<status_range>& out);
  static std::string show(const std::vector<status_range>&) { return "[\"2xx\"]"; }
};

/// JSON text, or the path of a file that holds it.
struct json_codec {
  static constexpr std::string_view type = "JSON or path";
  static void read(context& c, const std::string& path, const node& n, std::string& out);
  static std::string show(const std::string&) { return {}; }
};

/// `127.0.0.1:7070`, into host and port.
struct listen_codec {
  static constexpr std::string_view type = "host:port";
  static void read(context& c, const std::string& path, const node& n, gateway_options& out);
  static std::string show(const gateway_options& v);
};

/// Names, or tables `{id, restart, shutdown}`.
struct children_codec {
  static constexpr std::string_view type = "list of children";
  static void read(context& c, const std::string& path, const node& n,
                   std::vector<child_options>& out);
  static std::string show(const std::vector<child_options>&) { return "[]"; }
};

/// Reads one of `names`; the index, or nothing and a diagnostic.
std::optional<std::size_t> read_choice(context& c, const std::string& path, const node& n,
                                       const std::vector<std::string>& names);

template <class E>
struct choice_codec {
  static constexpr std::string_view type = "one of";
  static std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& [word, value] : words<E>())
      all.emplace_back(word);
    return all;
  }
  static void read(context& c, const std::string& path, const node& n, E& out) {
    if (auto i = read_choice(c, path, n, names()))
      out = words<E>()[*i].second;
  }
  static std::string show(E v) {
    for (const auto& [word, value] : words<E>())
      if (value == v)
        return "\"" + std::string{word} + "\"";
    return {};
  }
};

} // namespace troupe::config
