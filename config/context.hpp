#pragma once
// What reading a topology carries along: its files, where each key stood, what was wrong.

#include "config/diagnostic.hpp"
#include "config/document.hpp"
#include "config/environment.hpp"
#include "config/topology.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// `a.b`; parts that TOML would quote are quoted.
std::string join(const std::string& path, std::string_view key);

/// Not thread-safe; lives as long as one reading.
class context {
public:
  explicit context(const env_lookup& env) : env_(env) {}

  /// Adds a file; the number is what `position::file` refers to.
  std::uint32_t add_file(const std::filesystem::path& file, std::string_view text);

  /// Notes where `path` was given. False, and a diagnostic, when it was given before.
  bool claim(const std::string& path, position key, position value);

  /// Whether somebody wrote it, or it has its default.
  bool given(const std::string& path) const { return places_.contains(path); }

  /// Where the value of `path` stands, or else the nearest table above it.
  position where(std::string path) const;

  void report(position at, const std::string& path, std::string message, std::string hint = {});
  void report_at_key(const std::string& path, std::string message, std::string hint = {});

  /// Adds what `validate()` found in the struct at `path`, but where the value was unreadable.
  void report(const std::string& path, const option_problems& problems);

  /// Blots out the texts in `n` in every excerpt, but for mere references to variables.
  void mask(const node& n);

  /// Blots out from `begin` to the end of the file.
  void mask_from(position begin) { masked_.emplace_back(begin, position{}); }

  /// Line `number` of a file, from 1; empty when there is none.
  std::string_view line(std::uint32_t file, std::uint32_t number) const;

  /// The text of `n` with its variables filled in; nothing, and diagnostics, when that fails.
  std::optional<std::string> text(const std::string& path, const node& n);

  std::optional<std::string> variable(const std::string& name) const { return env_(name); }

  /// `text` as a path from the folder of the file that `at` is in.
  std::filesystem::path resolve(position at, const std::string& text) const;

  bool clean() const noexcept { return problems_.empty(); }

  /// All problems, in the order of the files, with their excerpts.
  std::vector<diagnostic> take_problems();
  std::map<std::string, location> locations() const;

private:
  struct source {
    std::string name;
    std::filesystem::path folder;
    std::vector<std::string> lines;
  };
  struct place {
    position key;
    position value;
  };
  struct entry {
    position at;
    diagnostic what;
  };

  bool reported(const std::string& path) const;
  std::string excerpt(position at, std::uint32_t& caret) const;

  const env_lookup& env_;
  std::vector<source> sources_;
  std::map<std::string, place> places_;
  std::vector<std::pair<position, position>> masked_;
  std::vector<entry> problems_;
};

} // namespace troupe::config
