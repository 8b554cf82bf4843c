// Where a program's models live: what is compiled per shape is compiled by the host's compiler into on_cpu and, with -DTOWPATH_CUDA=ON, by
// nvcc once more into on_gpu. program.hpp chooses (TOWPATH_ON).
#pragma once

#if defined(__CUDACC__)
#include <towpath_cuda.cuh>
#ifdef TOWPATH_HAS_NCCL
#include <towpath/backend/cuda/nccl.cuh>
#endif
#define TOWPATH_WHERE on_gpu
#else
#define TOWPATH_WHERE on_cpu
#endif

#include <towpath/base/team.hpp>
#include <towpath/towpath.hpp>

#include <memory>

namespace program::TOWPATH_WHERE {

#if defined(__CUDACC__)
using Device = towpath::Cuda<towpath::FloatOrBf16>;

// Before the environment is made: each process of a machine takes a GPU of its own.
inline void take_device(const towpath::Team* started) {
  int devices = 0;
  if (!started || cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return;  // the environment says what is wrong
  if (started->local_rank() >= devices)
    towpath::fail("there is no GPU for process " + std::to_string(started->local_rank() + 1) + " of this machine", "it has " + std::to_string(devices), "Start as many processes as there are GPUs");
  towpath::cuda::require(cudaSetDevice(static_cast<int>(started->local_rank())), "to be chosen");
}
// The same processes over their GPUs; null if that makes no difference.
inline std::unique_ptr<towpath::Team> over_devices([[maybe_unused]] Device& env, [[maybe_unused]] towpath::Team* started) {
#ifdef TOWPATH_HAS_NCCL
  if (started && started->count() > 1) return std::make_unique<towpath::Nccl>(env.queue(), *started);
#endif
  return nullptr;
}
#else
using Device = towpath::Cpu<float, towpath::FloatOrBf16>;

inline void take_device(const towpath::Team*) {}
inline std::unique_ptr<towpath::Team> over_devices(Device&, towpath::Team*) { return nullptr; }
#endif

}  // namespace program::TOWPATH_WHERE
