// The GPU's memory, its groups of threads, and a stream on which kernels are put.
#pragma once

#if !defined(__CUDACC__)
#error "[towpath] backend/cuda/*.cuh needs nvcc: put what uses a GPU into a .cu file, or use Cpu<float>, which any compiler takes"
#endif

#include "towpath/backend/cuda/group.hpp"

#include "towpath/base/check.hpp"
#include "towpath/tensor/buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <string>

namespace towpath::cuda {

// What went wrong on the device, as a sentence. Kernels run after the call that started them has returned, so an error may be that of an earlier one.
inline void require(cudaError_t e, const char* what) {
  if (e == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // said once, not again by the next kernel
  if (e == cudaErrorMemoryAllocation) fail(std::string("the GPU has no memory left: ") + what, cudaGetErrorString(e), "Use smaller batches, shorter texts or Cuda<bf16>");
  fail(std::string("the GPU refused: ") + what, cudaGetErrorString(e), "compute-sanitizer names the kernel");
}

// The device's memory. Copies go from anywhere to anywhere; those that end on the host wait for what was put on streams before.
struct Device {
  static constexpr std::size_t alignment = 256;

  static void* allocate(std::size_t bytes) {
    void* p = allocate_or_null(bytes);
    if (!p) require(cudaErrorMemoryAllocation, "to give memory");
    return p;
  }
  static void* allocate_or_null(std::size_t bytes) {
    void* p = nullptr;
    const cudaError_t e = cudaMalloc(&p, bytes);
    if (e == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      return nullptr;
    }
    require(e, "to give memory");
    return p;
  }
  static void release(void* p, std::size_t) { static_cast<void>(cudaFree(p)); }
  static void clear(void* p, std::size_t bytes) { require(cudaMemsetAsync(p, 0, bytes, cudaStreamLegacy), "to clear memory"); }
  static void copy(void* to, const void* from, std::size_t bytes) { require(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "to copy memory"); }
};

// --- groups (group.hpp) -------------------------------------------------------------------------------------------------------------------
#define TOWPATH_DEVICE __device__ inline
struct Warp {
  static constexpr unsigned all = 0xffffffffu;

  TOWPATH_DEVICE Index lane() const { return static_cast<Index>(threadIdx.x % 32); }
  TOWPATH_DEVICE Index count() const { return 32; }
  // the same tree of additions whatever the data
  template <class T>
  TOWPATH_DEVICE T sum(T x) const {
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(all, x, distance);
    return x;
  }
  template <class T>
  TOWPATH_DEVICE T max(T x) const {
    for (int distance = 16; distance > 0; distance /= 2) {
      const T other = __shfl_xor_sync(all, x, distance);
      x = other > x ? other : x;
    }
    return x;
  }
  TOWPATH_DEVICE void sync() const { __syncwarp(); }
};
struct Block {
  TOWPATH_DEVICE Index lane() const { return static_cast<Index>(threadIdx.x); }
  TOWPATH_DEVICE Index count() const { return static_cast<Index>(blockDim.x); }
  TOWPATH_DEVICE void sync() const { __syncthreads(); }
};
#undef TOWPATH_DEVICE

namespace kernels {
template <class>
__global__ void probe() {}
template <class F>
__global__ void each(unsigned rows, unsigned columns, const F f) {
  const std::uint64_t all = std::uint64_t{rows} * columns, step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < all; i += step) {
    const std::uint64_t t = all <= 0xffffffffu ? static_cast<unsigned>(i) / columns : i / columns;
    f(static_cast<Index>(t), static_cast<Index>(i - t * columns));
  }
}
template <class F>
__global__ void groups(Index n, const F f) {
  const Index i = static_cast<Index>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (i < n) f(Warp{}, i);
}
template <class T, class F>
__global__ void tiles(const F f) {
  extern __shared__ double shared[];
  f(Block{}, static_cast<Index>(blockIdx.x), reinterpret_cast<T*>(shared));
}
}  // namespace kernels

// Kernels one after the other. It is ordered with the device's default stream, on which memory is cleared and copied.
class Stream {
public:
  Stream() {
    int devices = 0;
    if (const cudaError_t e = cudaGetDeviceCount(&devices); e != cudaSuccess || devices == 0)
      fail("there is no GPU that CUDA can use", e != cudaSuccess ? cudaGetErrorString(e) : "the driver sees no device",
           "nvidia-smi says whether driver and device are there; without them use --device cpu (Cpu<float>)");
    cudaFuncAttributes compiled{};
    if (const cudaError_t e = cudaFuncGetAttributes(&compiled, kernels::probe<void>); e == cudaErrorNoKernelImageForDevice || e == cudaErrorInvalidDeviceFunction) {
      int device = 0;
      cudaDeviceProp is{};
      if (cudaGetDevice(&device) == cudaSuccess && cudaGetDeviceProperties(&is, device) == cudaSuccess)
        fail(std::string("this program has no code for this GPU, ") + is.name, "it has compute capability " + std::to_string(is.major) + "." + std::to_string(is.minor),
             "Compile for it: -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(is.major * 10 + is.minor) + ", or native");
    }
    require(cudaStreamCreate(&stream_), "to make a stream");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { static_cast<void>(cudaStreamDestroy(stream_)); }

  cudaStream_t get() const { return stream_; }
  void wait() { require(cudaStreamSynchronize(stream_), "to finish what it was given"); }

  template <class F>
  void each(Index rows, Index columns, const F& f) {
    if (rows == 0 || columns == 0) return;
    constexpr unsigned threads = 256;
    const Index blocks = (rows * columns + threads - 1) / threads;
    kernels::each<<<static_cast<unsigned>(blocks < 65535 * 16 ? blocks : 65535 * 16), threads, 0, stream_>>>(static_cast<unsigned>(rows), static_cast<unsigned>(columns), f);
    require(cudaGetLastError(), "a kernel on elements");
  }
  template <class F>
  void groups(Index n, const F& f) {
    if (n == 0) return;
    constexpr unsigned threads = 128;
    kernels::groups<<<static_cast<unsigned>((n + 3) / 4), threads, 0, stream_>>>(n, f);
    require(cudaGetLastError(), "a kernel on rows");
  }
  template <class T, class F>
  void tiles(Index n, Index room, const F& f) {
    if (n == 0) return;
    constexpr unsigned threads = 64;  // a block of four by four of a tile's 32 by 32 for each
    const int bytes = static_cast<int>(static_cast<std::size_t>(room) * sizeof(T));
    const auto kernel = kernels::tiles<T, F>;
    if (bytes > 48 * 1024) require(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes), "so much shared memory (heads are too wide for it)");
    kernel<<<static_cast<unsigned>(n), threads, static_cast<std::size_t>(bytes), stream_>>>(f);
    require(cudaGetLastError(), "a kernel on tiles");
  }
  // (the runtime has read `from`, which is not pinned, when this returns)
  void upload(void* to, const void* from, std::size_t bytes) { require(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "to copy to the device"); }

private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace towpath::cuda
