// expect: captures are references
#include "runtime/core/agent.hpp"

#include <string>

troupe::task<int> captures_a_string() {
  std::string text = "x";
  auto n = co_await troupe::run("step", troupe::effect_class::read, [text] { return 1; });
  co_return n.value();
}
