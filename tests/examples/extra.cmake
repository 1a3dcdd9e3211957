# Examples are not libraries: the tests compile the parts that they look at.
if(TARGET test_examples)
  set(desk ${PROJECT_SOURCE_DIR}/examples/ticket_desk)
  target_sources(test_examples PRIVATE
    ${desk}/knowledge_search.cpp ${desk}/tokens.cpp ${desk}/desk_state.cpp)
endif()
