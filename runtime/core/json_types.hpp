#pragma once
// How each C++ type is written and read: the templates behind json.hpp, which includes this.

#include "runtime/core/json.hpp"

namespace troupe::detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T, class A>
inline constexpr bool is_vector<std::vector<T, A>> = true;
template <class T>
inline constexpr bool is_map = false;
template <class T, class C, class A>
inline constexpr bool is_map<std::map<std::string, T, C, A>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class R, class P>
inline constexpr bool is_duration<std::chrono::duration<R, P>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class T, std::size_t N>
inline constexpr bool is_tuple<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_tree
  = std::is_same_v<T, boost::json::value> || std::is_same_v<T, boost::json::object>
    || std::is_same_v<T, boost::json::array>;
template <class T>
inline constexpr bool is_nothing = std::is_same_v<T, std::monostate>;
template <class T>
inline constexpr bool is_character
  = std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t>
    || std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;
template <class T>
inline constexpr bool is_integer
  = std::is_integral_v<T> && !std::is_same_v<T, bool> && !is_character<T>;

template <class T>
constexpr bool has_members() {
  if constexpr (std::is_class_v<T>)
    return boost::describe::has_describe_members<T>::value;
  else
    return false;
}
template <class T>
constexpr bool has_enumerators() {
  if constexpr (std::is_enum_v<T>)
    return boost::describe::has_describe_enumerators<T>::value;
  else
    return false;
}

template <class T>
inline constexpr bool unsupported = false;

// After elements that each left a comma, or none.
inline void close(std::string& out, char bracket) {
  if (out.back() == ',')
    out.back() = bracket;
  else
    out += bracket;
}

// Trees live behind these, so that only users of trees pay for Boost.JSON's headers.
void append_tree(std::string& out, const boost::json::value& tree);
void append_tree(std::string& out, const boost::json::object& tree);
void append_tree(std::string& out, const boost::json::array& tree);
bool read_tree(json_reader& in, boost::json::value& tree);
bool read_tree(json_reader& in, boost::json::object& tree);
bool read_tree(json_reader& in, boost::json::array& tree);

// Enums.

struct enumerator {
  std::string_view name;
  std::int64_t value;
};
struct enumerators {
  const enumerator* first;
  std::size_t count;
};

template <class List>
struct enumerator_table;
template <template <class...> class L, class... D>
struct enumerator_table<L<D...>> {
  static constexpr std::array<enumerator, sizeof...(D)> all{
    enumerator{D::name, static_cast<std::int64_t>(D::value)}...};
};

template <class E>
constexpr enumerators enumerators_of() {
  using table = enumerator_table<boost::describe::describe_enumerators<E>>;
  return {table::all.data(), table::all.size()};
}

void append_enum(std::string& out, enumerators all, std::int64_t value);
bool read_enum(json_reader& in, enumerators all, std::int64_t& value);

// Structs. Their members stand in static tables, so that the loops over them compile once.

template <class T, class D>
using member_type = std::remove_reference_t<decltype(std::declval<T&>().*D::pointer)>;

template <class T, class D>
void write_member(std::string& out, const void* owner) {
  append_json(out, static_cast<const T*>(owner)->*D::pointer);
}
template <class T, class D>
bool read_member(json_reader& in, void* owner) {
  return read_json(in, static_cast<T*>(owner)->*D::pointer);
}
template <class T, class D>
constexpr auto absent_member() -> void (*)(void*) {
  if constexpr (is_optional<member_type<T, D>>)
    return [](void* owner) { (static_cast<T*>(owner)->*D::pointer).reset(); };
  else
    return nullptr;
}

template <class T>
using described = boost::describe::describe_members<T, boost::describe::mod_any_access
                                                         | boost::describe::mod_inherited>;

template <class T, class List>
struct member_table;
template <class T, template <class...> class L, class... D>
struct member_table<T, L<D...>> {
  static_assert(sizeof...(D) <= json_members::count_max, "too many members for one JSON object");
  static constexpr std::array<json_member, sizeof...(D)> all{
    json_member{D::name, &write_member<T, D>, &read_member<T, D>, absent_member<T, D>()}...};
};

template <class T>
constexpr json_members members_of() {
  using table = member_table<T, described<T>>;
  return {table::all.data(), table::all.size()};
}

// Tuples: the element of an index that is known only at run time.

template <class T, std::size_t I>
bool read_element(json_reader& in, T& out) {
  return read_json(in, std::get<I>(out));
}

template <class T>
struct tuple_target {
  T& out;
  std::size_t index = 0;
};

template <class T, std::size_t... I>
bool read_tuple(json_reader& in, T& out, std::index_sequence<I...>) {
  static constexpr std::size_t count = sizeof...(I);
  tuple_target<T> target{out};
  auto item = [](json_reader& r, void* into) {
    static constexpr std::array<bool (*)(json_reader&, T&), count> readers{&read_element<T, I>...};
    auto& t = *static_cast<tuple_target<T>*>(into);
    if (t.index == count)
      return r.fail("expected only " + std::to_string(count) + " items");
    return readers[t.index++](r, t.out);
  };
  if (!in.array(item, &target))
    return false;
  return target.index == count
         || in.fail("expected " + std::to_string(count) + " items, found "
                    + std::to_string(target.index));
}

template <class T>
bool read_vector(json_reader& in, T& out) {
  out.clear();
  auto item = [](json_reader& r, void* into) {
    typename T::value_type value{};
    if (!read_json(r, value))
      return false;
    static_cast<T*>(into)->push_back(std::move(value));
    return true;
  };
  return in.array(item, &out);
}

template <class T>
bool read_map(json_reader& in, T& out) {
  out.clear();
  auto entry = [](json_reader& r, std::string_view key, void* into) {
    return read_json(r, (*static_cast<T*>(into))[std::string{key}]);
  };
  return in.object(entry, &out);
}

template <class T>
bool read_integer(json_reader& in, T& out) {
  using limits = std::numeric_limits<T>;
  if constexpr (std::is_signed_v<T>) {
    std::int64_t value = 0;
    if (!in.integer(value, limits::min(), limits::max()))
      return false;
    out = static_cast<T>(value);
  } else {
    std::uint64_t value = 0;
    if (!in.natural(value, limits::max()))
      return false;
    out = static_cast<T>(value);
  }
  return true;
}

// Durations. A coarse one may not fit into 64 bits of milliseconds, nor these into a fine one.

template <class P>
inline constexpr long double millis_each = 1000.0L * P::num / P::den;

constexpr std::int64_t clamp_millis(long double value) noexcept {
  using limits = std::numeric_limits<std::int64_t>;
  if (value >= 9223372036854775807.0L)
    return limits::max();
  return value <= -9223372036854775808.0L ? limits::min() : static_cast<std::int64_t>(value);
}

template <class R, class P>
constexpr std::int64_t to_millis(std::chrono::duration<R, P> d) noexcept {
  static_assert(std::is_integral_v<R>, "troupe: durations in JSON count in integers");
  if constexpr (std::ratio_less_equal_v<P, std::milli>)
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  else
    return clamp_millis(static_cast<long double>(d.count()) * millis_each<P>);
}

template <class R, class P>
bool read_duration(json_reader& in, std::chrono::duration<R, P>& out) {
  using duration = std::chrono::duration<R, P>;
  std::int64_t millis = 0;
  if (!in.integer(millis, to_millis(duration::min()), to_millis(duration::max())))
    return false;
  out = std::chrono::duration_cast<duration>(std::chrono::milliseconds{millis});
  return true;
}

} // namespace troupe::detail

namespace troupe {

template <class T>
void append_json(std::string& out, const T& value) {
  using namespace detail;
  if constexpr (is_tree<T>) { // first: the type may be incomplete here
    append_tree(out, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (is_integer<T> && std::is_signed_v<T>) {
    append_integer(out, value);
  } else if constexpr (is_integer<T>) {
    append_natural(out, value);
  } else if constexpr (std::is_same_v<T, float>) {
    append_real(out, value);
  } else if constexpr (std::is_floating_point_v<T>) {
    append_real(out, static_cast<double>(value));
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    append_string(out, value);
  } else if constexpr (is_optional<T>) {
    if (value)
      append_json(out, *value);
    else
      out += "null";
  } else if constexpr (is_vector<T>) {
    out += '[';
    for (const auto& item : value) {
      append_json<typename T::value_type>(out, item);
      out += ',';
    }
    close(out, ']');
  } else if constexpr (is_map<T>) {
    out += '{';
    for (const auto& [key, item] : value) {
      append_string(out, key);
      out += ':';
      append_json(out, item);
      out += ',';
    }
    close(out, '}');
  } else if constexpr (is_tuple<T>) {
    out += '[';
    std::apply([&](const auto&... item) { ((append_json(out, item), out += ','), ...); }, value);
    close(out, ']');
  } else if constexpr (is_duration<T>) {
    append_integer(out, to_millis(value));
  } else if constexpr (is_nothing<T>) {
    out += "null";
  } else if constexpr (std::is_same_v<T, raw_json>) {
    out += value.text;
  } else if constexpr (has_enumerators<T>()) {
    append_enum(out, enumerators_of<T>(), static_cast<std::int64_t>(value));
  } else if constexpr (has_members<T>()) {
    append_object(out, members_of<T>(), &value);
  } else {
    static_assert(unsupported<T>, "troupe: this type has no JSON form; describe it with "
                                  "BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_ENUM");
  }
}

template <class T>
bool read_json(json_reader& in, T& out) {
  using namespace detail;
  if constexpr (std::is_same_v<T, bool>) {
    return in.boolean(out);
  } else if constexpr (is_integer<T>) {
    return read_integer(in, out);
  } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return in.real(out);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return in.string(out);
  } else if constexpr (is_optional<T>) {
    if (in.peek() != json_kind::null)
      return read_json(in, out.emplace());
    out.reset();
    return in.null();
  } else if constexpr (is_vector<T>) {
    return read_vector(in, out);
  } else if constexpr (is_map<T>) {
    return read_map(in, out);
  } else if constexpr (is_tuple<T>) {
    return read_tuple(in, out, std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (is_duration<T>) {
    return read_duration(in, out);
  } else if constexpr (is_nothing<T>) {
    return in.null();
  } else if constexpr (std::is_same_v<T, raw_json>) {
    return in.raw(out.text);
  } else if constexpr (is_tree<T>) {
    return read_tree(in, out);
  } else if constexpr (has_enumerators<T>()) {
    std::int64_t value = 0;
    if (!read_enum(in, enumerators_of<T>(), value))
      return false;
    out = static_cast<T>(value);
    return true;
  } else if constexpr (has_members<T>()) {
    return in.object(members_of<T>(), &out);
  } else {
    static_assert(unsupported<T>, "troupe: this type has no JSON form that can be read; describe "
                                  "it with BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_ENUM");
    return false;
  }
}

} // namespace troupe
