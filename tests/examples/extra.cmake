# Examples are not libraries: the tests compile the parts that they look at.
if(TARGET test_examples)
  set(desk ${PROJECT_SOURCE_DIR}/examples/ticket_desk)
  target_sources(test_examples PRIVATE
    ${desk}/knowledge_search.cpp ${desk}/tokens.cpp ${desk}/desk_state.cpp
    ${PROJECT_SOURCE_DIR}/examples/disasters/service_state.cpp)
endif()

# disaster(STORY SENTENCE [.slow]): one of the stories of examples/disasters, with its naive client.
function(disaster story sentence)
  add_test(NAME "examples/${sentence}"
    COMMAND sh ${PROJECT_SOURCE_DIR}/examples/disasters/run.sh ${story})
  set_tests_properties("examples/${sentence}" PROPERTIES TIMEOUT 300 LABELS examples${ARGN}
    ENVIRONMENT DISASTERS_BUILD_DIR=${PROJECT_BINARY_DIR})
endfunction()
if(TARGET disasters AND TARGET troupe)
  disaster(messages "fault 43: the message storm does not happen under troupe, and does without")
  disaster(charges "fault 45: the duplicate charge does not happen under troupe, and does without")
  disaster(cascade "a tool that hangs brings down ten naive agents, and none of troupe's"
    .slow)
  disaster(tickets "the ticket cascade does not happen under troupe, and does without")
endif()

if(TARGET desk AND TARGET troupe)
  add_test(NAME "examples/the quickstart counts each ticket once over three kills"
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/quickstart.test.sh ${PROJECT_BINARY_DIR})
  set_tests_properties("examples/the quickstart counts each ticket once over three kills"
    PROPERTIES TIMEOUT 300 LABELS examples)
endif()

if(TARGET troupe)
  set(name "examples/a chat without code remembers, and waits for an approval over a kill")
  add_test(NAME ${name}
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/chat.test.sh $<TARGET_FILE:troupe>)
  set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS examples)
endif()

# A project of somebody else's knows nothing of our sanitizers.
if(TARGET troupe AND NOT TROUPE_SANITIZE)
  set(name "examples/a first agent is built against an installed troupe and survives a kill")
  add_test(NAME ${name}
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/first_agent.test.sh
      ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER} ${CMAKE_GENERATOR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS examples)

  set(name "examples/an agent outside of the tree is tested with the installed kit, which finds its bugs")
  add_test(NAME ${name}
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/tested_agent.test.sh
      ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER} ${CMAKE_GENERATOR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS examples)
endif()
