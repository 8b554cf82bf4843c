# cmake -DBUILD=<tests/toolchain.cmake of a build tree> -DKIND=<folder under tests/package> -DOUTPUT=<folder> -P package_test.cmake
# One way of using the library, as a user's own small project: configure it, build it, run it.
cmake_minimum_required(VERSION 3.25)
include(${BUILD})

file(REMOVE_RECURSE ${OUTPUT})
file(MAKE_DIRECTORY ${OUTPUT})
set(options "")
if(KIND MATCHES "^(find_package|kernels|no_exceptions|onednn)$")
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BINARY} --prefix ${OUTPUT}/prefix OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND options -DCMAKE_PREFIX_PATH=${OUTPUT}/prefix)
elseif(KIND STREQUAL "single_header")
  if(NOT EXISTS ${SOURCE}/include/towpath/towpath.hpp)
    set(roots "-DROOTS=towpath/base/config.hpp\;towpath/base/text.hpp")
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -DINCLUDE=${SOURCE}/include -DOUTPUT=${OUTPUT}/single/towpath.hpp ${roots}
    -P ${SOURCE}/cmake/amalgamate.cmake COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND options -DTOWPATH_SINGLE=${OUTPUT}/single)
else()
  list(APPEND options -DTOWPATH_SOURCE=${SOURCE})
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/package/${KIND} -B ${OUTPUT}/build -G ${GENERATOR}
  -DCMAKE_CXX_COMPILER=${COMPILER} ${options} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${OUTPUT}/build COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${OUTPUT}/build/consumer COMMAND_ERROR_IS_FATAL ANY)
