#include "config/topology.hpp"

#include "config/loader.hpp"

#include <fstream>

namespace troupe::config {

std::optional<std::string> read_topology_file(const std::filesystem::path& file,
                                              std::string& problem) {
  std::error_code failed;
  auto type = std::filesystem::status(file, failed).type();
  std::ifstream in{file, std::ios::binary};
  if (type == std::filesystem::file_type::directory || !in) {
    problem = type == std::filesystem::file_type::not_found ? "there is no such file"
                                                            : "cannot be read";
    return std::nullopt;
  }
  std::string text(topology_size_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() <= topology_size_max)
    return text;
  problem = "is larger than 4 MiB, the most that a topology may be";
  return std::nullopt;
}

diagnostic topology::problem(std::string key_path, std::string message, std::string hint) const {
  diagnostic d{file.string(), 0, 0, key_path, std::move(message), std::move(hint), {}, 0};
  while (!key_path.empty()) {
    if (auto it = locations.find(key_path); it != locations.end()) {
      const auto& l = it->second;
      d.file = l.file;
      d.line = l.line;
      d.column = l.column;
      d.excerpt = l.excerpt;
      d.caret = l.caret;
      break;
    }
    auto dot = key_path.rfind('.');
    key_path.resize(dot == key_path.npos ? 0 : dot);
  }
  return d;
}

parse_result parse_topology(std::string_view text, const std::filesystem::path& file,
                            const env_lookup& env) {
  loader l{env};
  l.read(file, text);
  return l.finish();
}

parse_result load_topology(const std::filesystem::path& file, const env_lookup& env) {
  std::string problem;
  if (auto text = read_topology_file(file, problem))
    return parse_topology(*text, file, env);
  parse_result out;
  out.problems.push_back({file.string(), 0, 0, {}, problem, {}, {}, 0});
  return out;
}

} // namespace troupe::config
