# towpath::kernels: the CPU kernels compiled once, for each instruction set that the compiler knows, with a choice at run time. A program that
# links it compiles no kernel itself, may be built for the plainest machine, and uses the best that it finds. Built in the project of
# whoever links it, since towpath itself is headers; a program that links towpath::towpath alone compiles the kernels
# for its own instruction set.
include(CheckCXXCompilerFlag)

function(towpath_add_kernels)
  if(TARGET towpath_kernels)
    return()
  endif()
  set(baseline_flags "")
  set(variants baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i[3-6]86)$")
    set(avx2_flags -mavx2 -mfma)
    set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd)
    set(avx512_bf16_flags ${avx512_flags} -mavx512bf16 -mavx512vnni)
    set(amx_flags ${avx512_bf16_flags} -mamx-tile -mamx-bf16 -mamx-int8)
    foreach(variant avx2 avx512 avx512_bf16 amx)
      list(JOIN ${variant}_flags " " flags)
      check_cxx_compiler_flag("${flags}" TOWPATH_COMPILES_${variant})
      if(TOWPATH_COMPILES_${variant})
        list(APPEND variants ${variant})
      endif()
    endforeach()
  endif()
  # one object for avx512_bf16 and amx: the latter contains the former
  if(amx IN_LIST variants)
    list(REMOVE_ITEM variants avx512_bf16)
  endif()

  set(folder ${CMAKE_CURRENT_BINARY_DIR}/towpath_kernels)
  set(declared "")
  set(offered "")
  set(sources "")
  foreach(variant IN LISTS variants)
    if(variant STREQUAL baseline AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
      set(isa isa_neon)
    else()
      set(isa isa_${variant})
    endif()
    string(REGEX REPLACE "^amx$" avx512 expected ${variant})
    file(CONFIGURE OUTPUT ${folder}/${variant}.cpp @ONLY CONTENT [[
#include "towpath/backend/cpu/table.hpp"
static_assert(std::string_view(towpath::cpu::isa_name) == "@expected@",
              "[towpath] towpath::kernels chooses instruction sets itself: take -march and the like out of CMAKE_CXX_FLAGS, or link towpath::towpath "
              "alone to compile the kernels for the set you name");
namespace towpath::@isa@::cpu {
template std::span<const kernels::Table<float>> tables<float>();
template std::span<const kernels::Table<double>> tables<double>();
}
]])
    list(APPEND sources ${folder}/${variant}.cpp)
    set_source_files_properties(${folder}/${variant}.cpp PROPERTIES COMPILE_OPTIONS "${${variant}_flags}")
    string(APPEND declared "namespace ${isa}::cpu {\ntemplate <class T>\nstd::span<const kernels::Table<T>> tables();\n"
                           "extern template std::span<const kernels::Table<float>> tables<float>();\n"
                           "extern template std::span<const kernels::Table<double>> tables<double>();\n}\n")
    # what is compiled for an instruction set may not even be asked on a machine without it
    set(needs ${variant})
    if(variant STREQUAL amx)
      set(needs avx512_bf16)
    endif()
    string(PREPEND offered "  if (machine.runs(\"${needs}\"))\n    for (const auto& t : ${isa}::cpu::tables<T>()) offer(to, &t);\n")
  endforeach()
  file(CONFIGURE OUTPUT ${folder}/all.cpp @ONLY CONTENT [[
#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/machine.hpp"

#include <span>

namespace towpath {
@declared@
namespace kernels {
template <class T>
void each_table(const Machine& machine, void* to, void (*offer)(void*, const Table<T>*)) {
@offered@}
template void each_table<float>(const Machine&, void*, void (*)(void*, const Table<float>*));
template void each_table<double>(const Machine&, void*, void (*)(void*, const Table<double>*));
}
}
]])
  file(CONFIGURE OUTPUT ${folder}/once.cpp @ONLY CONTENT [[
#define TOWPATH_HOLDS_ONCE
#include "towpath/base/json.hpp"
#include "towpath/data/triples.hpp"
#include "towpath/data/wordpiece.hpp"
#include "towpath/io/config.hpp"
#include "towpath/io/safetensors.hpp"
#include "towpath/metric/ms_marco.hpp"
#include "towpath/metric/significance.hpp"
#include "towpath/metric/trec_eval.hpp"
]])
  file(CONFIGURE OUTPUT ${folder}/usual.cpp @ONLY CONTENT [[
#define TOWPATH_KERNELS
#include "towpath/usual.hpp"
TOWPATH_USUAL()
]])
  add_library(towpath_kernels STATIC ${sources} ${folder}/all.cpp ${folder}/once.cpp ${folder}/usual.cpp)
  add_library(towpath::kernels ALIAS towpath_kernels)
  target_link_libraries(towpath_kernels PUBLIC towpath::towpath)
  target_compile_definitions(towpath_kernels INTERFACE TOWPATH_KERNELS)
  set_target_properties(towpath_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON)
  # kernels are what optimisation is for, whatever the rest of a project is built with
  target_compile_options(towpath_kernels PRIVATE $<$<CONFIG:Debug>:-O2>)
endfunction()
