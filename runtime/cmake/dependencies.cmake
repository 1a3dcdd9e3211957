# All that troupe stands on. The names of the packages are in tests/packages.sh.

find_package(Threads REQUIRED)
find_package(CAF 0.17.6 REQUIRED COMPONENTS core)
find_package(fmt REQUIRED)
# CONFIG: Debian 12 has 1.81 beside its default 1.74, and FindBoost would settle for the other one.
find_package(Boost 1.81 CONFIG REQUIRED COMPONENTS headers json url)
find_package(CURL 7.80 REQUIRED)
find_package(SQLite3 3.35 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(valijson REQUIRED)
find_package(tomlplusplus 3 REQUIRED)
find_package(CLI11 REQUIRED)

# What only sources use, never a public header: users of the libraries need none of it.
add_library(troupe_private_deps INTERFACE)
target_link_libraries(troupe_private_deps INTERFACE
  Boost::url CURL::libcurl SQLite::SQLite3 OpenSSL::Crypto prometheus-cpp::core valijson)

# The seams of runtime/core/planted.hpp, for sources that have some and tests that use them.
add_library(troupe_planted INTERFACE)
target_compile_definitions(troupe_planted INTERFACE $<$<BOOL:${TROUPE_PLANTED}>:TROUPE_PLANTED>)
