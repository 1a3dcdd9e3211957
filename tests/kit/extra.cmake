# The guide's agent and its tests run here too; outside of the tree, from an installed package, they
# do in tests/examples/tested_agent.test.sh.
if(TARGET test_kit)
  set(tested_agent ${PROJECT_SOURCE_DIR}/examples/tested_agent)
  target_sources(test_kit PRIVATE ${tested_agent}/refund.cpp ${tested_agent}/refund.test.cpp)
  set_source_files_properties(${tested_agent}/refund.test.cpp PROPERTIES
    COMPILE_DEFINITIONS TESTED_AGENT_DATA="${tested_agent}")
endif()
