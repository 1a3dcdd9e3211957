# How a room of the house becomes a target.

# Every target of the tree compiles against this one precompiled header. It holds what nearly every
# source includes anyway; the clang presets build without it, so that a missing include is found.
add_library(troupe_pch OBJECT ${CMAKE_CURRENT_LIST_DIR}/empty.cpp)
target_link_libraries(troupe_pch PUBLIC CAF::core fmt::fmt Boost::headers Boost::json)
if(TROUPE_PCH)
  target_precompile_headers(troupe_pch PRIVATE
    <algorithm> <chrono> <coroutine> <cstdint> <functional> <map> <memory> <mutex> <optional>
    <string> <string_view> <unordered_map> <utility> <variant> <vector>
    <fmt/format.h> <caf/event_based_actor.hpp>)
endif()

function(troupe_use_pch target)
  if(TROUPE_PCH)
    target_precompile_headers(${target} REUSE_FROM troupe_pch)
  endif()
endfunction()

# troupe_sources(VARIABLE [EXCLUDE REGEX]): the .cpp files of this room, tests left out.
function(troupe_sources variable)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXCLUDE" "")
  file(GLOB_RECURSE files RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *.cpp)
  list(FILTER files EXCLUDE REGEX "\\.test\\.cpp$")
  if(arg_EXCLUDE)
    list(FILTER files EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()
  set(${variable} ${files} PARENT_SCOPE)
endfunction()

# troupe_library(NAME SOURCES...): the shared library troupe_NAME, seen by all as troupe::NAME.
#
# Shared, because a plugin that carried its own copy of the runtime would register its agents in a
# registry of its own. Default visibility, because templates and exceptions of the public headers
# are instantiated on both sides of the plugin boundary and must be one entity there; hiding the
# rest would need an export macro on every public class for a start-up gain too small to measure.
function(troupe_library name)
  set(target troupe_${name})
  set(sources ${ARGN})
  if(NOT sources)
    set(sources ${PROJECT_SOURCE_DIR}/runtime/cmake/empty.cpp)
  endif()
  add_library(${target} SHARED ${sources})
  add_library(troupe::${name} ALIAS ${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/troupe>)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    INSTALL_RPATH "$ORIGIN"
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  troupe_use_pch(${target})
  install(TARGETS ${target} EXPORT troupe LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

# troupe_install_headers(DIRECTORY): its headers, under the path by which they are included.
function(troupe_install_headers directory)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${directory}/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/troupe/${directory}
    FILES_MATCHING PATTERN "*.hpp" PATTERN bin EXCLUDE PATTERN cmake EXCLUDE)
endfunction()
