#include "config/environment.hpp"

#include <cstdlib>

namespace troupe::config {

namespace {

bool is_name(std::string_view text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  return !text.empty() && letters.find(text.front()) != letters.npos
         && text.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
              == text.npos;
}

/// Fills in what stands between `${` and `}`.
void fill(std::string_view inside, const env_lookup& env, expansion& out) {
  auto bar = inside.find(":-");
  auto name = std::string{inside.substr(0, bar)};
  if (!is_name(name)) {
    out.malformed = "a variable is written ${NAME} or ${NAME:-default}";
    return;
  }
  auto value = env(name);
  if (bar == inside.npos) {
    if (value)
      out.text += *value;
    else
      out.missing.push_back(std::move(name));
  } else if (value && !value->empty()) {
    out.text += *value;
  } else {
    out.text += inside.substr(bar + 2);
  }
}

} // namespace

env_lookup process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>{value} : std::nullopt;
  };
}

expansion expand(std::string_view text, const env_lookup& env) {
  expansion out;
  while (!text.empty()) {
    auto dollar = text.find("${");
    if (dollar != text.npos && dollar > 0 && text[dollar - 1] == '$') {
      out.text += text.substr(0, dollar - 1);
      out.text += "${";
      text.remove_prefix(dollar + 2);
      continue;
    }
    out.text += text.substr(0, dollar);
    if (dollar == text.npos)
      break;
    auto close = text.find('}', dollar);
    if (close == text.npos) {
      out.malformed = "a '${' has no '}'";
      break;
    }
    fill(text.substr(dollar + 2, close - dollar - 2), env, out);
    text.remove_prefix(close + 1);
  }
  return out;
}

} // namespace troupe::config
