# towpath_warnings(target): the warnings under which this library is written; errors with TOWPATH_WERROR.
function(towpath_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<BOOL:${TOWPATH_WERROR}>:-Werror>)
endfunction()
