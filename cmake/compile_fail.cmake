# cmake -DBUILD=<tests/toolchain.cmake of a build tree> -DFILE=<one .cpp> -P compile_fail.cmake
# The file's first line is '// expects: <regular expression>', its second may be '// flags: <compiler flags>'. It passes if the
# compiler refuses it, says what is expected, and says our sentence ([towpath] …) early enough to be read.
cmake_minimum_required(VERSION 3.25)
include(${BUILD})
set(readable 15)

file(READ ${FILE} text)
if(NOT text MATCHES "^// expects: ([^\n]+)\n")
  message(FATAL_ERROR "${FILE}: the first line has to be '// expects: <regular expression>'")
endif()
set(expected "${CMAKE_MATCH_1}")
set(flags)
if(text MATCHES "^[^\n]*\n// flags: ([^\n]+)\n")
  separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_1}")
endif()

if(COMPILER_ID MATCHES "Clang")
  list(APPEND flags -fno-caret-diagnostics)
else()
  list(APPEND flags -fno-diagnostics-show-caret)
endif()
execute_process(COMMAND ${COMPILER} ${COMPILE_FLAGS} ${flags} -fsyntax-only ${FILE}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)

# Messages are counted without the lines that say by which way a file was included.
string(REGEX REPLACE "(^|\n)(In file included from|                 from)[^\n]*" "" message "${output}")
string(REGEX REPLACE "^\n+" "" message "${message}")
string(REGEX MATCHALL "\n" newlines "${message}")
list(LENGTH newlines lines)

if(result EQUAL 0)
  message(FATAL_ERROR "it compiled, but was expected to fail with '${expected}'")
elseif(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "the compiler did not say '${expected}' but:\n${output}")
endif()
string(FIND "${message}" "[towpath]" at)
if(at EQUAL -1)
  message(FATAL_ERROR "the compiler refused it without a sentence of ours ([towpath] …):\n${output}")
endif()
string(SUBSTRING "${message}" 0 ${at} before)
string(REGEX MATCHALL "\n" newlines "${before}")
list(LENGTH newlines line)
math(EXPR line "${line} + 1")
if(line GREATER readable)
  message(FATAL_ERROR "our sentence comes on line ${line} only; it should be among the first ${readable}:\n${output}")
endif()
message("our sentence on line ${line} of ${lines}\n${message}")
