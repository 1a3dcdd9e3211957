# `cmake --install` and `find_package(troupe)`.

include(CMakePackageConfigHelpers)
set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/troupe)

troupe_install_headers(runtime)
troupe_install_headers(actors)
troupe_install_headers(config)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/config/ DESTINATION ${CMAKE_INSTALL_DATADIR}/troupe
  FILES_MATCHING PATTERN "*.toml")

install(EXPORT troupe NAMESPACE troupe:: FILE troupeTargets.cmake DESTINATION ${cmake_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/troupeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/troupeConfig.cmake INSTALL_DESTINATION ${cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/troupeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/troupeConfig.cmake
  ${PROJECT_BINARY_DIR}/troupeConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/troupe_agents.cmake
  ${CMAKE_CURRENT_LIST_DIR}/plugin_stamp.cpp
  ${CMAKE_CURRENT_LIST_DIR}/FindCAF.cmake
  DESTINATION ${cmake_dir})
