#pragma once
// User code as a shared library.
//
// A plugin shares classes, coroutine frames and exceptions with the runtime, so it must have been
// built by the same compiler, against the same headers and the same standard library. Nothing in
// the dynamic linker sees to that: a mismatch is a crash, later, somewhere else. So every plugin
// carries a *stamp*, a line of text in an ELF section of its own, which is read from the file
// before a single instruction of it runs (a constructor that registers an agent runs within
// dlopen already).
//
// `troupe_add_agents` of runtime/cmake/troupe_agents.cmake compiles the stamp in. By hand:
//
//     #include "runtime/core/plugin.hpp"
//     TROUPE_PLUGIN_STAMP
//
// Plugins are never unloaded: frames and messages with their code live on.

#include "runtime/core/result.hpp"

#include <filesystem>
#include <string>

#define TROUPE_STAMP_TEXT_(x) #x
#define TROUPE_STAMP_TEXT(x) TROUPE_STAMP_TEXT_(x)

#ifdef __clang__
#  define TROUPE_STAMP_COMPILER "clang " TROUPE_STAMP_TEXT(__clang_major__)
#else
#  define TROUPE_STAMP_COMPILER "g++ " TROUPE_STAMP_TEXT(__GNUC__)
#endif
#ifdef __GLIBCXX__
#  define TROUPE_STAMP_LIBRARY                                                                     \
    "libstdc++ " TROUPE_STAMP_TEXT(_GLIBCXX_RELEASE) " abi " TROUPE_STAMP_TEXT(                    \
      _GLIBCXX_USE_CXX11_ABI)
#else
#  define TROUPE_STAMP_LIBRARY "libc++"
#endif

/// What both sides must agree on. The last number is the version of the plugin interface itself.
/// Only the tests of the refusal say something else.
#ifndef TROUPE_STAMP
#  define TROUPE_STAMP                                                                             \
    "troupe " TROUPE_VERSION "; " TROUPE_STAMP_COMPILER "; " TROUPE_STAMP_LIBRARY                  \
    "; journal 1; plugin 1"
#endif

/// Puts the stamp into this library. At namespace scope, in one source file.
#define TROUPE_PLUGIN_STAMP                                                                        \
  extern "C" __attribute__((section(".troupe.stamp"), used, visibility("default")))                \
  const char troupe_plugin_stamp[]                                                                 \
    = TROUPE_STAMP;

namespace troupe {

/// The stamp of this runtime.
std::string runtime_stamp();

/// The stamp of a plugin, read from its file; nothing of it runs.
/// @returns `not_found`; `invalid_input` where it is no shared library or has no stamp
result<std::string> read_plugin_stamp(const std::filesystem::path& file);

/// Loads a plugin, after its stamp has been compared: its agents and tools are registered then.
/// @returns `conflict` naming both stamps; `unavailable` with what the dynamic linker says
result<void> load_plugin(const std::filesystem::path& file);

} // namespace troupe
