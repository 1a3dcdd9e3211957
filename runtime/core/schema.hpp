#pragma once
// The JSON Schema of a described struct.
//
// A model is asked for a struct, so it must be told its shape, and be held to it. The shape is
// known already: from the struct. The schema keeps to what OpenAI's structured output accepts of
// draft 2020-12: every member required, no others allowed, an optional may be null. (`std::map`,
// tuples, trees and raw_json have schemas too, but strict structured output refuses most of these,
// and its root must be a struct.)
//
// What a member means can be said beside it:
//
//     struct verdict {
//       std::string queue;
//       static constexpr troupe::member_doc docs[] = {{"queue", "the team that handles it"}};
//     };
//     BOOST_DESCRIBE_STRUCT(verdict, (), (queue))

#include "runtime/core/json.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// A sentence about one member, for the model. An empty `member` speaks of the struct itself.
struct member_doc {
  std::string_view member;
  std::string_view text;
};

/// The schema of what `to_json` writes for a `T`, as JSON text: made at the first call, the same
/// text on every machine. Recursive structs refer to themselves. Thread-safe.
template <class T>
const std::string& schema_of();

namespace detail {

/// Writes a schema; knows which structs it is in, so that it ends for recursive ones.
class schema_writer {
public:
  /// Begins a struct; false where a reference to it is enough and stands there now.
  bool open(const void* type);
  void member(std::string_view name);
  /// Describes what has been written since `from`.
  void describe(std::size_t from, std::string_view text);
  void close();

  void type(std::string_view name);
  void enumeration(enumerators all);
  void append(std::string_view text) { out_ += text; }
  std::size_t size() const noexcept { return out_.size(); }

  /// The whole text, with the definitions that it refers to.
  std::string finish() &&;

private:
  struct frame {
    const void* type;
    std::size_t start;
    std::string name;                      ///< empty while nothing refers to it
    std::vector<std::string_view> members; ///< for `required`
  };
  struct definition {
    const void* type;
    std::string name;
    std::string text;
  };

  std::string reference(const void* type);

  std::string out_;
  std::vector<frame> open_;
  std::vector<definition> definitions_;
  std::size_t names_ = 0;
};

template <class T>
inline char type_identity = 0;

template <class T>
constexpr std::string_view type_name() {
  if constexpr (std::is_same_v<T, bool>)
    return "boolean";
  else if constexpr (is_integer<T> || is_duration<T>)
    return "integer";
  else if constexpr (std::is_floating_point_v<T>)
    return "number";
  else if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return "string";
  else
    return {};
}

template <class T>
constexpr std::string_view doc_of(std::string_view member) {
  if constexpr (requires { std::size(T::docs); })
    for (const auto& doc : T::docs)
      if (doc.member == member)
        return doc.text;
  return {};
}

template <class T>
void write_schema(schema_writer& out);

template <class T, template <class...> class L, class... D>
void write_members(schema_writer& out, L<D...>) {
  auto one = [&out]<class M>(M) {
    out.member(M::name);
    auto from = out.size();
    write_schema<member_type<T, M>>(out);
    out.describe(from, doc_of<T>(M::name));
  };
  (one(D{}), ...);
}

template <class T>
void write_struct(schema_writer& out) {
  if (!out.open(&type_identity<T>))
    return;
  auto from = out.size();
  out.append(R"({"type":"object","properties":{)");
  write_members<T>(out, described<T>{});
  out.close();
  out.describe(from, doc_of<T>({}));
}

// By length and the types that occur: strict structured output knows no order of types.
template <class T, std::size_t... I>
void write_tuple(schema_writer& out, std::index_sequence<I...>) {
  auto count = std::to_string(sizeof...(I));
  out.append(R"({"type":"array","items":)");
  if constexpr (sizeof...(I) == 0) {
    out.append("{}");
  } else if constexpr ((std::is_same_v<std::tuple_element_t<I, T>, std::tuple_element_t<0, T>>
                        && ...)) {
    write_schema<std::tuple_element_t<0, T>>(out);
  } else {
    out.append(R"({"anyOf":[)");
    ((out.append(I > 0 ? "," : ""), write_schema<std::tuple_element_t<I, T>>(out)), ...);
    out.append("]}");
  }
  out.append(R"(,"minItems":)" + count + R"(,"maxItems":)" + count + "}");
}

template <class T>
void write_schema(schema_writer& out) {
  if constexpr (std::is_same_v<T, raw_json>) {
    out.append("{}");
  } else if constexpr (is_tree<T>) {
    constexpr auto any = std::is_same_v<T, boost::json::value>;
    constexpr auto object = std::is_same_v<T, boost::json::object>;
    out.append(any ? "{}" : object ? R"({"type":"object"})" : R"({"type":"array"})");
  } else if constexpr (!type_name<T>().empty()) {
    out.type(type_name<T>());
  } else if constexpr (is_optional<T>) {
    using value_type = typename T::value_type;
    if constexpr (constexpr auto name = type_name<value_type>(); !name.empty()) {
      out.append(R"({"type":[")" + std::string{name} + R"(","null"]})");
    } else {
      out.append(R"({"anyOf":[)");
      write_schema<value_type>(out);
      out.append(R"(,{"type":"null"}]})");
    }
  } else if constexpr (is_vector<T>) {
    out.append(R"({"type":"array","items":)");
    write_schema<typename T::value_type>(out);
    out.append("}");
  } else if constexpr (is_map<T>) {
    out.append(R"({"type":"object","additionalProperties":)");
    write_schema<typename T::mapped_type>(out);
    out.append("}");
  } else if constexpr (is_tuple<T>) {
    write_tuple<T>(out, std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (is_nothing<T>) {
    out.type("null");
  } else if constexpr (has_enumerators<T>()) {
    out.enumeration(enumerators_of<T>());
  } else if constexpr (has_members<T>()) {
    write_struct<T>(out);
  } else {
    static_assert(unsupported<T>, "troupe: this type has no JSON Schema; describe it with "
                                  "BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_ENUM");
  }
}

} // namespace detail

template <class T>
const std::string& schema_of() {
  static const std::string text = [] {
    detail::schema_writer out;
    detail::write_schema<T>(out);
    return std::move(out).finish();
  }();
  return text;
}

} // namespace troupe
