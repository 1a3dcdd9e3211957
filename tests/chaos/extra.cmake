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
  # Loaded into a process that is to be killed at its n-th step.
  add_library(chaos_die_at_step MODULE ${CMAKE_CURRENT_LIST_DIR}/die_at_step.cpp)
  set_target_properties(chaos_die_at_step PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  target_link_libraries(chaos_die_at_step PRIVATE ${CMAKE_DL_LIBS})
  # Providers of models: one that misbehaves, one that counts.
  foreach(server IN ITEMS wall_server strict_server)
    add_executable(${server} ${CMAKE_CURRENT_LIST_DIR}/llm_wall/${server}.cpp)
    target_link_libraries(${server} PRIVATE Boost::headers Boost::json)
    target_include_directories(${server} PRIVATE ${PROJECT_SOURCE_DIR})
    set_target_properties(${server} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  endforeach()
  # An API that dies in the middle of requests.
  add_executable(courier_api ${CMAKE_CURRENT_LIST_DIR}/courier_api.cpp)
  target_link_libraries(courier_api PRIVATE troupe_runtime)
  set_target_properties(courier_api PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  add_dependencies(test_chaos courier_api chaos_agents chaos_stranger chaos_die_at_step wall_server
    strict_server)
endif()
