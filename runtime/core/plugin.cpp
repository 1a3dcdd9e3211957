#include "runtime/core/plugin.hpp"

#include "runtime/journal/entry.hpp"

#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <vector>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

namespace troupe {
namespace {

static_assert(journal::format_version == 1, "TROUPE_STAMP names the version of the journal");

constexpr std::string_view stamp_section = ".troupe.stamp";

/// Longest stamp, and longest table of section names: what is above is no plugin of ours but a
/// broken file.
constexpr std::size_t stamp_max = 512;
constexpr std::size_t names_max = 16U << 20U;

using elf_header = ElfW(Ehdr);
using elf_section = ElfW(Shdr);

template <class T>
bool read_at(std::ifstream& in, std::uint64_t offset, T* into, std::size_t count) {
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(reinterpret_cast<char*>(into), static_cast<std::streamsize>(count * sizeof(T)));
  return static_cast<bool>(in);
}

/// The bytes of the section called `name`; empty where there is none.
std::string read_section(std::ifstream& in, const elf_header& head, std::string_view name) {
  if (head.e_shentsize != sizeof(elf_section) || head.e_shstrndx >= head.e_shnum)
    return {};
  auto sections = std::vector<elf_section>(head.e_shnum);
  if (!read_at(in, head.e_shoff, sections.data(), sections.size()))
    return {};
  const auto& strings = sections[head.e_shstrndx];
  if (strings.sh_size > names_max)
    return {};
  auto names = std::string(strings.sh_size, '\0');
  if (!read_at(in, strings.sh_offset, names.data(), names.size()))
    return {};
  for (const auto& s : sections) {
    if (s.sh_name >= names.size() || s.sh_size > stamp_max || name != names.c_str() + s.sh_name)
      continue;
    auto bytes = std::string(s.sh_size, '\0');
    return read_at(in, s.sh_offset, bytes.data(), bytes.size()) ? bytes : std::string{};
  }
  return {};
}

} // namespace

std::string runtime_stamp() {
  return TROUPE_STAMP;
}

result<std::string> read_plugin_stamp(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in)
    return error{errc::not_found, fmt::format("plugin {}: there is no such file, or it cannot be "
                                              "read",
                                              file.string())};
  elf_header head{};
  if (!read_at(in, 0, &head, 1) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
    return error{errc::invalid_input,
                 fmt::format("plugin {}: this is not a shared library", file.string())};
  auto bytes = read_section(in, head, stamp_section);
  auto stamp = std::string{bytes.c_str()};
  if (stamp.empty())
    return error{errc::invalid_input,
                 fmt::format("plugin {}: it has no stamp of troupe; build it with "
                             "troupe_add_agents",
                             file.string())};
  return stamp;
}

result<void> load_plugin(const std::filesystem::path& file) {
  auto stamp = read_plugin_stamp(file);
  if (!stamp)
    return std::move(stamp).error();
  if (*stamp != runtime_stamp())
    return error{
      errc::conflict,
      fmt::format("plugin {} was built for another runtime: it has \"{}\", this is \"{}\"; "
                  "build it again with this version and compiler",
                  file.string(), *stamp, runtime_stamp())};
  // A name without a slash would be looked up in the system's folders.
  auto path = std::filesystem::absolute(file).string();
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const auto* why = dlerror(); // NOLINT(concurrency-mt-unsafe): glibc keeps it by thread
    return error{errc::unavailable, fmt::format("plugin {}: {}", file.string(),
                                                why == nullptr ? "it cannot be loaded" : why)};
  }
  return {};
}

} // namespace troupe
