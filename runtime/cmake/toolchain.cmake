# Compiler, warnings, sanitizers, linker, ccache: all that holds for every target of this tree and
# for none of a user's.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")

# -fPIC for executables too (CMake's own switch would say -fPIE there): all targets then share one
# precompiled header.
add_compile_options(-fPIC -Wall -Wextra -Wpedantic)
if(TROUPE_WERROR)
  add_compile_options(-Werror)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A shared library may inline its own functions; clang does so without being told.
  add_compile_options(-fno-semantic-interposition)
  # g++ 12 reports std::string's operator+ (GCC bug 105651). The other three are guesses of the
  # optimizer about coroutine frames: shown, but they break no build.
  add_compile_options(-Wno-restrict -Wno-error=maybe-uninitialized -Wno-error=array-bounds
                      -Wno-error=stringop-overflow)
endif()

if(TROUPE_SANITIZE)
  # Not -fno-sanitize-recover: a check that always aborts ignores the suppression file. The test
  # presets say halt_on_error instead.
  add_compile_options(-fsanitize=${TROUPE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TROUPE_SANITIZE})
  if(TROUPE_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # clang 14's function check reads in front of functions that Debian's libraries did not prepare.
    add_compile_options(-fno-sanitize=function)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code misleads the optimizer's guess; CAF's headers use atomic_thread_fence.
    add_compile_options(-Wno-maybe-uninitialized -Wno-tsan)
  endif()
endif()

# Linking is much of an incremental build: take the fastest linker that is there.
find_program(TROUPE_LINKER NAMES mold ld.lld ld.gold)
mark_as_advanced(TROUPE_LINKER)
if(TROUPE_LINKER MATCHES "(mold|lld|gold)$")
  add_link_options(-fuse-ld=${CMAKE_MATCH_1})
endif()

find_program(TROUPE_CCACHE ccache)
mark_as_advanced(TROUPE_CCACHE)
if(TROUPE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for with precompiled headers; base directory and no hash of
  # the working directory let a second clone use what the first one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${TROUPE_CCACHE})
  if(TROUPE_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  elseif(TROUPE_PCH)
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()
