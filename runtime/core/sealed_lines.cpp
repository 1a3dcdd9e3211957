#include "runtime/core/sealed_lines.hpp"

#include "runtime/core/checksum.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

std::string ending(std::uint32_t sum) {
  return fmt::format(",\"sum\":\"{:08x}\"}}", sum);
}

} // namespace

std::string line_sealer::seal(std::string object) {
  object.pop_back(); // its brace
  sum_ = checksum(object, sum_);
  object += ending(sum_);
  object += '\n';
  return object;
}

bool sealed_reader::next(std::string_view& line) {
  auto end = text_.find('\n', at_);
  if (!state_ || end == text_.npos)
    return false;
  ++line_;
  line = text_.substr(at_, end - at_);
  auto length = ending(0).size();
  auto body = line.substr(0, line.size() - std::min(length, line.size()));
  auto sum = checksum(body, sum_);
  if (line.substr(body.size()) != ending(sum)) {
    state_ = at_line("the checksum does not match: this line was changed, or one before it is "
                     "missing");
    return false;
  }
  sum_ = sum;
  at_ = end + 1;
  return true;
}

error sealed_reader::at_line(std::string_view what, errc code) const {
  return {code, fmt::format("{}:{}: {}", name_, line_, what)};
}

} // namespace troupe
