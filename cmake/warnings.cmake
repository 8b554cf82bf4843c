# towpath_warnings(target): the warnings under which this library is written; errors with TOWPATH_WERROR. (nvcc's host pass warns of its own lines.)
function(towpath_warnings target)
  foreach(flag
      -Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<BOOL:${TOWPATH_WERROR}>:-Werror>
      # g++ 12 and 13 take the undefined start values inside their own avx512 intrinsics for a mistake (GCC bug 105593).
      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
  endforeach()
endfunction()
