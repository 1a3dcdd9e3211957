#pragma once
// Catch2, version 2 or 3, and the kit: readable values, failed assertions that an exploration
// hears of, and `--seed N`.
//
// In one source file of the test executable:
//
//   #define TROUPE_KIT_MAIN
//   #include "tests/kit/catch.hpp"
//
// which brings main(); link Catch2::Catch2 then, not Catch2WithMain. Elsewhere without the define.

#if __has_include(<catch2/catch_all.hpp>)
#  include <catch2/catch_all.hpp>
#else
#  ifdef TROUPE_KIT_MAIN
#    define CATCH_CONFIG_RUNNER
#  endif
#  include <catch2/catch.hpp>
#endif

#include "runtime/core/effect_class.hpp"
#include "runtime/core/result.hpp"
#include "runtime/store/store.hpp"
#include "tests/kit/failure.hpp"

namespace Catch {

template <>
struct StringMaker<troupe::error> {
  static std::string convert(const troupe::error& e) { return to_string(e); }
};
template <>
struct StringMaker<troupe::errc> {
  static std::string convert(troupe::errc e) { return std::string{to_string(e)}; }
};
template <>
struct StringMaker<troupe::effect_class> {
  static std::string convert(troupe::effect_class c) { return std::string{to_string(c)}; }
};
template <>
struct StringMaker<troupe::store::status> {
  static std::string convert(troupe::store::status s) { return std::string{to_string(s)}; }
};
template <class T>
struct StringMaker<troupe::result<T>> {
  static std::string convert(const troupe::result<T>& r) {
    if (!r)
      return to_string(r.error());
    if constexpr (std::is_void_v<T>)
      return "done";
    else
      return StringMaker<T>::convert(*r);
  }
};

} // namespace Catch

#ifdef TROUPE_KIT_MAIN

namespace troupe::kit {

#  if __has_include(<catch2/catch_all.hpp>)
using catch_listener = Catch::EventListenerBase;
namespace catch_options = Catch::Clara;
#  else
using catch_listener = Catch::TestEventListenerBase;
namespace catch_options = Catch::clara;
#  endif

/// Tells the kit what Catch2 knows.
class catch_reporter final : public catch_listener {
public:
  using catch_listener::catch_listener;
  void testCaseStarting(const Catch::TestCaseInfo& info) override { note_test(info.name); }
#  if __has_include(<catch2/catch_all.hpp>)
  void assertionEnded(const Catch::AssertionStats& stats) override { hear(stats); }
#  else
  void assertionStarting(const Catch::AssertionInfo&) override {}
  bool assertionEnded(const Catch::AssertionStats& stats) override {
    hear(stats);
    return false;
  }
#  endif

private:
  static void hear(const Catch::AssertionStats& stats) {
    if (!stats.assertionResult.isOk())
      note_failed_assertion();
  }
};

inline int catch_main(int argc, char** argv) {
  Catch::Session session;
  std::string seed;
  session.cli(session.cli()
              | catch_options::Opt(seed, "N")["--seed"]("explorations run this seed alone"));
  if (auto wrong = session.applyCommandLine(argc, argv); wrong != 0)
    return wrong;
  if (!seed.empty())
    choose_seed(std::stoull(seed));
  return session.run();
}

} // namespace troupe::kit

using troupe_catch_reporter = troupe::kit::catch_reporter; // the macro makes names of it
CATCH_REGISTER_LISTENER(troupe_catch_reporter)

int main(int argc, char** argv) {
  return troupe::kit::catch_main(argc, argv);
}

#endif
