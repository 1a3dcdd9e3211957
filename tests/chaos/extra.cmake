# The agents of these tests are a plugin, as a user's would be.
if(TARGET test_chaos)
  troupe_add_agents(chaos_agents ${CMAKE_CURRENT_LIST_DIR}/agents.cpp)
  set_target_properties(chaos_agents PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  # For the refusal: the same agents with the stamp of another build.
  troupe_add_agents(chaos_stranger ${CMAKE_CURRENT_LIST_DIR}/agents.cpp)
  target_compile_definitions(chaos_stranger PRIVATE "TROUPE_STAMP=\"another troupe, clang 3\"")
  set_target_properties(chaos_stranger PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  add_dependencies(test_chaos chaos_agents chaos_stranger)
endif()
