#include "actors/tool/call_options.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <optional>

namespace troupe {
namespace {

struct written {
  std::optional<std::int64_t> cached_ms;
  std::optional<std::string> function;
  std::optional<std::string> tool;
  std::optional<raw_json> value;
  std::optional<bool> told;
};
BOOST_DESCRIBE_STRUCT(written, (), (cached_ms, function, tool, value, told))

} // namespace

result<call_options> read_call_options(std::string_view text) {
  call_options out;
  if (text.empty())
    return out;
  auto in = from_json<written>(text);
  if (!in)
    return error{errc::invalid_input, "options of the call: " + in.error().message};
  out.fallback.cached = std::chrono::milliseconds{in->cached_ms.value_or(0)};
  out.fallback.function = in->function.value_or("");
  out.fallback.tool = in->tool.value_or("");
  if (in->value)
    out.fallback.value = std::move(in->value->text);
  out.told = in->told.value_or(false);
  return out;
}

std::string told_answer(std::string_view value, std::string_view from,
                        std::chrono::milliseconds age) {
  return fmt::format(R"({{"value":{},"from":"{}","age_ms":{}}})", value, from, age.count());
}

} // namespace troupe
