// `troupe journal ID --export`: an invocation's journal as a file that stands on its own.
#include "runtime/bin/client.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/journal/exported.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace troupe::cli {
namespace {

struct closer {
  void operator()(std::FILE* f) const noexcept { std::fclose(f); }
};

/// `x`: a file that is there is somebody's test.
int save(const std::string& file, const std::string& text) {
  std::unique_ptr<std::FILE, closer> out{std::fopen(file.c_str(), "wbx")};
  if (!out) {
    complain(fmt::format("{}: {}", file, std::strerror(errno))); // NOLINT(concurrency-mt-unsafe)
    return errno == EEXIST ? exit_conflict : exit_failed;
  }
  auto written = std::fwrite(text.data(), 1, text.size(), out.get());
  if (written == text.size() && std::fflush(out.get()) == 0)
    return exit_ok;
  complain(fmt::format("{}: {}", file, std::strerror(errno))); // NOLINT(concurrency-mt-unsafe)
  return exit_failed;
}

} // namespace

int export_journal(const subject_options& o) {
  client c{o.client};
  auto answer = c.get("/v1/invocations/" + escape(o.id) + "/journal?form=export");
  if (auto code = explain(c, answer); code != exit_ok)
    return code;
  // What arrived is checked here, so that nobody finds out a year later.
  auto whole = journal::read_export(answer->body, c.server());
  if (!whole) {
    complain(whole.error().message);
    return exit_failed;
  }
  if (o.export_file->empty() || *o.export_file == "-") {
    std::fwrite(answer->body.data(), 1, answer->body.size(), stdout);
    return std::fflush(stdout) == 0 ? exit_ok : exit_failed;
  }
  return save(*o.export_file, answer->body);
}

} // namespace troupe::cli
