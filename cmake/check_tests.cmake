# cmake -DSOURCE=<repository> -P check_tests.cmake
# The test tree is the include tree: include/towpath/<folder>/<header>.hpp has tests/unit/<folder>/<header>.cpp.
cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE headers RELATIVE ${SOURCE}/include/towpath ${SOURCE}/include/towpath/*.hpp)
list(FILTER headers INCLUDE REGEX "/")
list(FILTER headers EXCLUDE REGEX "(^|/)fwd\\.hpp$")
set(missing "")
foreach(header IN LISTS headers)
  string(REGEX REPLACE "\\.hpp$" ".cpp" test ${header})
  if(NOT EXISTS ${SOURCE}/tests/unit/${test})
    string(APPEND missing "  tests/unit/${test}\n")
  endif()
endforeach()
list(LENGTH headers count)
if(missing)
  message(FATAL_ERROR "headers without a test file of the same name; these are missing:\n${missing}")
endif()
message("${count} headers, each with its test file")
