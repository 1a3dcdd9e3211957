#pragma once
// What a test expects to see: messages, events, entries of a journal.
//
//   stage.expect(kit::message<call_request>().from("invocation").to("tool:chat"));
//   stage.expect(kit::message<call_request>([](auto& r) { return r.key == "k"; }));
//   stage.expect(kit::event_named("tool.call").of("tool:chat").with_result("ok"), 30s);
//   stage.expect(answer->id, kit::entry<journal::parked>());

#include "runtime/journal/entry.hpp"
#include "runtime/telemetry/events.hpp"

#include <caf/type_erased_tuple.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace troupe::kit {

/// `troupe::call_request` for a type.
std::string type_name(const std::type_info& type);

/// A message by its type, who sends it and who gets it.
class message_pattern {
public:
  using test = std::function<bool(const caf::type_erased_tuple&)>;

  message_pattern(std::string type, test content)
    : type_(std::move(type)), content_(std::move(content)) {}

  /// A service (`tool:chat`), or a kind of actor (`invocation`, `dispatcher`, `journal`, `timer`).
  message_pattern& from(std::string who) {
    from_ = std::move(who);
    return *this;
  }
  message_pattern& to(std::string who) {
    to_ = std::move(who);
    return *this;
  }

  bool fits(std::string_view from, std::string_view to, const caf::type_erased_tuple& what) const;
  std::string describe() const;

private:
  std::string type_;
  test content_;
  std::string from_;
  std::string to_;
};

/// Messages of type T; with `where`, those of which it is true.
template <class T>
message_pattern message(std::function<bool(const T&)> where = {}) {
  return {type_name(typeid(T)), [where = std::move(where)](const caf::type_erased_tuple& m) {
            return m.match_elements<T>() && (!where || where(m.get_as<T>(0)));
          }};
}

/// An event by its name and what else is said of it.
class event_pattern {
public:
  explicit event_pattern(std::string name) : name_(std::move(name)) {}

  /// An invocation's id, or a service.
  event_pattern& of(std::string who) {
    who_ = std::move(who);
    return *this;
  }
  event_pattern& with_result(std::string what) {
    result_ = std::move(what);
    return *this;
  }
  event_pattern& where(std::function<bool(const event&)> test) {
    test_ = std::move(test);
    return *this;
  }

  bool fits(const event& e) const;
  std::string describe() const;

private:
  std::string name_;
  std::string who_;
  std::string result_;
  std::function<bool(const event&)> test_;
};

inline event_pattern event_named(std::string name) {
  return event_pattern{std::move(name)};
}

/// An entry of a journal.
struct entry_pattern {
  std::string type;
  std::function<bool(const journal::entry&)> fits;
};

template <class T>
entry_pattern entry(std::function<bool(const T&)> where = {}) {
  return {type_name(typeid(T)), [where = std::move(where)](const journal::entry& e) {
            const auto* one = std::get_if<T>(&e);
            return one != nullptr && (!where || where(*one));
          }};
}

} // namespace troupe::kit
