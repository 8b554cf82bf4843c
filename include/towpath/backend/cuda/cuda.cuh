#pragma once

#include "towpath/backend/cuda/environment.hpp"
#include "towpath/backend/cuda/products.cuh"

namespace towpath {

// A GPU. The same architectures as on the CPU, unchanged: Retriever::On<Cuda<float>>.
//   Cuda<float>    everything in float, products too (no TF32)
//   Cuda<bf16>     frozen weights in bf16 and products with them in bf16 with float sums; what trains, its gradients and moments, and activations in float
//   Cuda<FloatOrBf16>   one or the other, as Settings::bf16 says: for programs that take it from a command line
//   Cuda<double>   to check gradients
// Calls return when the work is queued; what reads numbers (on_host, a loss, a norm) waits. Results are the same bits each time on one kind of GPU.
// Errors: no driver, no device, no code for this device, no memory.
template <class T = float>
class Cuda : public cuda::Environment<T, cuda::Queue<T>> {
  using cuda::Environment<T, cuda::Queue<T>>::Environment;
};
template <>
class Cuda<bf16> : public cuda::Environment<float, cuda::Queue<float, bf16>> {
  using cuda::Environment<float, cuda::Queue<float, bf16>>::Environment;
};
template <>
class Cuda<FloatOrBf16> : public cuda::Environment<float, cuda::Queue<float, FloatOrBf16>> {
  using cuda::Environment<float, cuda::Queue<float, FloatOrBf16>>::Environment;
};

}  // namespace towpath
