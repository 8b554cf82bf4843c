// Where a program's models live: what is compiled per shape is compiled by the host's compiler into on_cpu and, with -DTOWPATH_CUDA=ON, by
// nvcc once more into on_gpu. program.hpp chooses (TOWPATH_ON).
#pragma once

#if defined(__CUDACC__)
#include <towpath_cuda.cuh>
#define TOWPATH_WHERE on_gpu
#else
#define TOWPATH_WHERE on_cpu
#endif

#include <towpath/towpath.hpp>

namespace program::TOWPATH_WHERE {
#if defined(__CUDACC__)
using Device = towpath::Cuda<towpath::FloatOrBf16>;
#else
using Device = towpath::Cpu<float, towpath::FloatOrBf16>;
#endif
}  // namespace program::TOWPATH_WHERE
