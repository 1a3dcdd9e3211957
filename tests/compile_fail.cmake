# troupe_compile_fail(NAME FILE REGEX): a test that passes when FILE does not compile and what the
# compiler says matches REGEX. Run as a script, this file is that test.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(TROUPE_COMPILE_FAIL ${CMAKE_CURRENT_LIST_FILE})

  function(troupe_compile_fail name file regex)
    set(includes $<TARGET_PROPERTY:troupe_testkit,INTERFACE_INCLUDE_DIRECTORIES>)
    set(defines $<TARGET_PROPERTY:troupe_testkit,INTERFACE_COMPILE_DEFINITIONS>)
    add_test(NAME "compile_fail/${name}"
      COMMAND ${CMAKE_COMMAND} "-DREGEX=${regex}" -P ${TROUPE_COMPILE_FAIL} --
        ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only
        "$<$<BOOL:${includes}>:-I$<JOIN:${includes},;-I>>"
        "$<$<BOOL:${defines}>:-D$<JOIN:${defines},;-D>>" ${file}
      COMMAND_EXPAND_LISTS)
    set_tests_properties("compile_fail/${name}" PROPERTIES TIMEOUT 120 LABELS compile_fail)
  endfunction()
  return()
endif()

set(command "")
set(seen FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(seen)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(seen TRUE)
  endif()
endforeach()

set(ENV{LC_ALL} C) # messages in English, quotes in ASCII
execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
  message(FATAL_ERROR "it compiles, and must not")
elseif(NOT said MATCHES "${REGEX}")
  message(FATAL_ERROR "the compiler does not say `${REGEX}`, but:\n${said}")
endif()
