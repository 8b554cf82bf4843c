# Finds what the headers include. Used by the build and by the installed package alike, so it only collects: TOWPATH_MISSING
# holds one sentence for each thing that is not there.
set(TOWPATH_MISSING)
macro(_towpath_missing name package)
  list(APPEND TOWPATH_MISSING
    "towpath needs ${name}, which was not found: install it with 'apt-get install ${package}' (Debian, Ubuntu).")
endmacro()

find_package(Eigen3 3.4 QUIET NO_MODULE)
if(NOT TARGET Eigen3::Eigen)
  _towpath_missing("Eigen 3.4" libeigen3-dev)
endif()

# Debian's xsimd 8.1 exports the bare name xsimd, others xsimd::xsimd.
find_package(xsimd QUIET)
if(NOT TARGET xsimd AND NOT TARGET xsimd::xsimd)
  _towpath_missing(xsimd libxsimd-dev)
elseif(NOT TARGET towpath::xsimd)
  add_library(towpath::xsimd INTERFACE IMPORTED)
  if(TARGET xsimd::xsimd)
    target_link_libraries(towpath::xsimd INTERFACE xsimd::xsimd)
  else()
    target_link_libraries(towpath::xsimd INTERFACE xsimd)
  endif()
endif()

find_path(TOWPATH_RAPIDJSON_INCLUDE rapidjson/reader.h)
mark_as_advanced(TOWPATH_RAPIDJSON_INCLUDE)
if(NOT TOWPATH_RAPIDJSON_INCLUDE)
  _towpath_missing(RapidJSON rapidjson-dev)
elseif(NOT TARGET towpath::json)
  add_library(towpath::json INTERFACE IMPORTED)
  set_target_properties(towpath::json PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TOWPATH_RAPIDJSON_INCLUDE}")
endif()

find_path(TOWPATH_UTF8PROC_INCLUDE utf8proc.h)
find_library(TOWPATH_UTF8PROC_LIBRARY utf8proc)
mark_as_advanced(TOWPATH_UTF8PROC_INCLUDE TOWPATH_UTF8PROC_LIBRARY)
if(NOT TOWPATH_UTF8PROC_INCLUDE OR NOT TOWPATH_UTF8PROC_LIBRARY)
  _towpath_missing(utf8proc libutf8proc-dev)
elseif(NOT TARGET towpath::utf8proc)
  add_library(towpath::utf8proc UNKNOWN IMPORTED)
  set_target_properties(towpath::utf8proc PROPERTIES
    IMPORTED_LOCATION "${TOWPATH_UTF8PROC_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${TOWPATH_UTF8PROC_INCLUDE}")
endif()

find_package(ZLIB QUIET)
if(NOT TARGET ZLIB::ZLIB)
  _towpath_missing(zlib zlib1g-dev)
endif()

find_package(Threads QUIET)
if(NOT TARGET Threads::Threads)
  _towpath_missing("a threads library" libc6-dev)
endif()

# Optional: only interop/xtensor.hpp and analysis/ include it.
find_package(xtensor QUIET)
set(TOWPATH_HAS_XTENSOR ${xtensor_FOUND})

# Optional: only ir/hnsw_index.hpp includes it.
find_path(TOWPATH_HNSWLIB_INCLUDE hnswlib/hnswlib.h)
mark_as_advanced(TOWPATH_HNSWLIB_INCLUDE)
if(TOWPATH_HNSWLIB_INCLUDE)
  set(TOWPATH_HAS_HNSWLIB ON)
  if(NOT TARGET towpath::hnswlib)
    add_library(towpath::hnswlib INTERFACE IMPORTED)
    set_target_properties(towpath::hnswlib PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TOWPATH_HNSWLIB_INCLUDE}")
  endif()
else()
  set(TOWPATH_HAS_HNSWLIB OFF)
endif()
