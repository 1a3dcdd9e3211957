#pragma once
// A struct's keys as a table: name, how to read it, where it goes, what it means.
//
// One table per struct is all that there is to say about its TOML: the reader, the hints for
// misspelt keys and the reference in README.md come from it, so they cannot disagree.

#include "config/codec.hpp"
#include "config/suggest.hpp"

#include <functional>
#include <set>

namespace troupe::config {

/// One key of `T`.
template <class T>
struct field {
  std::string_view key; ///< dotted for the keys of a table below: `backoff.min`
  std::string_view type;
  std::string_view doc;
  bool takes_table = false;
  std::vector<std::string> (*words)() = nullptr; ///< of a choice
  void (*read)(context&, const std::string& path, const node&, T&) = nullptr;
  std::string (*show)(const T&) = nullptr; ///< the default, from a fresh `T`
  std::string_view alias{}; ///< path of the same thing elsewhere: both are `already given`
};

template <class T>
using fields = std::vector<field<T>>;

template <class T, class M>
T owner_of(M T::*);

/// Follows pointers to members, one into the next.
template <auto First, auto... Rest, class T>
auto& dig(T& from) {
  if constexpr (sizeof...(Rest) == 0)
    return from.*First;
  else
    return dig<Rest...>(from.*First);
}

/// A key whose value `Codec` reads into the member at the end of the path.
template <class Codec, auto First, auto... Rest>
auto entry(std::string_view key, std::string_view doc, std::string_view alias = {}) {
  using T = decltype(owner_of(First));
  field<T> f;
  f.key = key;
  f.type = Codec::type;
  f.doc = doc;
  f.alias = alias;
  if constexpr (requires { Codec::takes_table; })
    f.takes_table = true;
  if constexpr (requires { Codec::names(); })
    f.words = &Codec::names;
  f.read = [](context& c, const std::string& path, const node& n, T& out) {
    Codec::read(c, path, n, dig<First, Rest...>(out));
  };
  f.show = [](const T& from) { return Codec::show(dig<First, Rest...>(from)); };
  return f;
}

/// What to say of a key that the table does not have; empty: the nearest one.
using foreign_hint = std::function<std::string(std::string_view key)>;

/// Reads `table`, which stands at `path`, into `out`.
template <class T>
void read_fields(context& c, const std::string& path, const node& table, T& out,
                 const fields<T>& known, const foreign_hint& foreign = {},
                 const std::string& prefix = {}) {
  for (const auto& m : table.members) {
    auto key = prefix + m.key;
    auto inner = join(path, m.key);
    auto dotted = key + ".";
    const field<T>* own = nullptr;
    bool nested = false;
    std::set<std::string> here;
    for (const auto& f : known) {
      own = f.key == key ? &f : own;
      nested = nested || f.key.starts_with(dotted);
      if (f.key.starts_with(prefix))
        here.emplace(f.key.substr(prefix.size(), f.key.find('.', prefix.size()) - prefix.size()));
    }
    bool is_table = m.value.type == node_type::table;
    if (is_table && nested && !(own && own->takes_table)) {
      if (c.claim(inner, m.at, position{})) // a table's place is its name
        read_fields(c, inner, m.value, out, known, foreign, dotted);
    } else if (own) {
      if (c.claim(own->alias.empty() ? inner : std::string{own->alias}, m.at, m.value.begin))
        own->read(c, inner, m.value, out);
    } else if (nested) {
      c.report(m.value.begin, inner, "expected a table, found " + describe(m.value),
               "write [" + inner + "]");
    } else {
      if (!parse_duration(m.value.text) && !parse_size(m.value.text))
        c.mask(m.value); // a misspelt api_key is still a key
      auto hint = foreign ? foreign(key) : std::string{};
      std::vector<std::string> names{here.begin(), here.end()};
      c.report(m.at, inner, "unknown key", hint.empty() ? did_you_mean(m.key, names) : hint);
    }
  }
}

} // namespace troupe::config
