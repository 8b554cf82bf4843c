# towpath_native(target): compiles a program for the instruction set of the machine that builds it. The library itself never
# asks for one: that is the application's decision, so this is a function to call and not an option that it passes on.
# Within this project TOWPATH_NATIVE=OFF makes it do nothing.
function(towpath_native target)
  if(NOT DEFINED TOWPATH_NATIVE OR TOWPATH_NATIVE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
  endif()
endfunction()
