# troupe_add_agents(NAME SOURCES...)
#
# Builds agent classes into lib<NAME>.so, a plugin that a topology names as
# `plugins = ["lib<NAME>.so"]`. More libraries are added with target_link_libraries(NAME PRIVATE ..).
function(troupe_add_agents name)
  # The stamp that `troupe` compares before it loads the plugin.
  add_library(${name} MODULE ${ARGN} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin_stamp.cpp)
  target_link_libraries(${name} PRIVATE troupe::runtime troupe::actors)
  target_compile_definitions(${name} PRIVATE TROUPE_PLUGIN)
  # Hidden: two plugins in one process may each have their own `struct ticket`.
  set_target_properties(${name} PROPERTIES
    PREFIX lib
    SUFFIX .so
    CXX_VISIBILITY_PRESET hidden
    CXX_EXTENSIONS OFF)
endfunction()
