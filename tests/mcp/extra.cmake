# The servers to talk to come from npm. Where they cannot be had, this fails, and so do the others.
add_test(NAME "mcp/the servers come from npm"
  COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/install.sh ${PROJECT_BINARY_DIR}/mcp)
set_tests_properties("mcp/the servers come from npm" PROPERTIES
  TIMEOUT 300 LABELS mcp FIXTURES_SETUP mcp_servers)
# The example's agents are a plugin, as a user's would be.
if(TARGET test_mcp AND TARGET notes)
  add_dependencies(test_mcp notes)
endif()
