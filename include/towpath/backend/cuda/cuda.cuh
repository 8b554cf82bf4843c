#pragma once

#include "towpath/backend/cuda/environment.hpp"
#include "towpath/backend/cuda/products.cuh"

#include <vector>

namespace towpath {

// A GPU. The same architectures as on the CPU, unchanged: Retriever::On<Cuda<float>>.
//   Cuda<float>    everything in float, products too (no TF32)
//   Cuda<bf16>     frozen weights in bf16 and products with them in bf16 with float sums; what trains, its gradients and moments, and activations in float
//   Cuda<double>   to check gradients
// Calls return when the work is queued; what reads numbers (to_host, a loss, a norm) waits. Results are the same bits each time on one kind of GPU.
// Errors: no driver, no device, no code for this device, no memory.
template <class T = float>
class Cuda : public cuda::Environment<T, cuda::Queue<T>> {
  using cuda::Environment<T, cuda::Queue<T>>::Environment;
};
template <>
class Cuda<bf16> : public cuda::Environment<float, cuda::Queue<float, true>> {
  using cuda::Environment<float, cuda::Queue<float, true>>::Environment;
};

// A matrix's numbers on the host, row by row.
template <class Env>
std::vector<typename Env::Scalar> to_host(const Tensor<Env>& t) {
  std::vector<typename Env::Scalar> numbers(static_cast<std::size_t>(t.size()));
  if (t.size()) Env::Space::copy(numbers.data(), t.data(), numbers.size() * sizeof numbers[0]);
  return numbers;
}

}  // namespace towpath
