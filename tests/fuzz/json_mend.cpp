// Whatever a model writes: what comes out is strict JSON, says the same when it is read again, and
// what was strict JSON already stays as it is.

#include "actors/llm/json_mend.hpp"
#include "runtime/core/json_text.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace troupe;

namespace {

bool strict(std::string_view text) {
  json_limits limits;
  limits.depth_max = mend_depth_max;
  json_reader in{text, limits};
  return in.skip() && in.end();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto mended = mend_json(text);
  if (!mended)
    return 0;
  fuzz::demand(mended->size <= text.size(), "no more is taken than there is");
  fuzz::demand(strict(mended->text), "what was mended is strict JSON");
  if (!mended->changed)
    fuzz::demand(strict(text.substr(0, mended->size)), "what was not changed was strict JSON");

  auto again = mend_json(mended->text);
  fuzz::demand(again.has_value(), "what was mended can be read");
  fuzz::demand(!again->changed && again->text == mended->text, "mending twice changes nothing");
  fuzz::demand(again->size == mended->text.size(), "what was mended is one value");
  return 0;
}
