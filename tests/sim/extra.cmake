# The production of the planted bugs is more than its test cases.
target_sources(test_sim PRIVATE sim/planted_agents.cpp sim/planted_cast.cpp)
target_link_libraries(test_sim PRIVATE troupe_planted)
