// Every operation of the CPU, in float and in double, against the plain loops in double on the same numbers; and bit for bit against
// itself on other numbers of threads. The same for the kernels of CUDA, as far as they can be run on the host.
#pragma once

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/op.hpp"

#include "../tolerances.hpp"
#if defined(__CUDACC__)  // tests/gpu: the same cases on a device
#include "towpath/backend/cuda/cuda.cuh"
#else
#include "emulated.hpp"
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

namespace towpath::compare {

// As aligned as a tensor's memory: by how far numbers lie from a vector's boundary Eigen decides in which order it adds them.
template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
#if defined(__CUDACC__)  // both sides may read and write it
  T* allocate(std::size_t n) {
    void* p = nullptr;
    cuda::require(cudaMallocManaged(&p, n * sizeof(T)), "memory for a test");
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t) { static_cast<void>(cudaFree(p)); }
#else
  T* allocate(std::size_t n) { return static_cast<T*>(Host::allocate(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) { Host::release(p, n * sizeof(T)); }
#endif
  friend bool operator==(const Aligned&, const Aligned&) { return true; }
};

// A matrix whose rows lie `padding` numbers apart; the numbers between them are a mark that no operation may touch.
template <class T>
struct Grid {
  static constexpr T mark = T(-12345.0);
  Index rows, columns, stride;
  std::vector<T, Aligned<T>> memory;

  Grid(Index r, Index c, Index padding = 0)
      : rows(r), columns(c), stride(c + padding), memory(static_cast<std::size_t>(r * (c + padding) + 1), mark) {}

  T& at(Index r, Index c) { return memory[static_cast<std::size_t>(r * stride + c)]; }
  template <class Space>
  operator BasicView<const T, Space>() const {
    return {memory.data(), rows, columns, stride};
  }
  template <class Space>
  operator BasicView<T, Space>() {
    return {memory.data(), rows, columns, stride};
  }
};

// What an operation wrote: the numbers, and whether the marks are as they were.
struct Outcome {
  std::vector<double> numbers;
  bool marks = true;

  template <class T>
  Outcome& operator<<(Grid<T>& g) {
#if defined(__CUDACC__)
    cuda::require(cudaDeviceSynchronize(), "to finish a test");
#endif
    for (Index r = 0; r < g.rows; ++r) {
      for (Index c = 0; c < g.columns; ++c) numbers.push_back(static_cast<double>(g.at(r, c)));
      for (Index c = g.columns; c < g.stride; ++c) marks = marks && g.at(r, c) == Grid<T>::mark;
    }
    marks = marks && g.memory.back() == Grid<T>::mark;
    return *this;
  }
  Outcome& operator<<(double x) {
    numbers.push_back(x);
    return *this;
  }
};

// Draws the same numbers in every scalar: each is a float.
class Draw {
public:
  explicit Draw(std::uint64_t seed) : random_(seed, 0) {}

  template <class T>
  Grid<T> matrix(Index rows, Index columns, Index padding = 0, double scale = 1, double shift = 0) {
    Grid<T> g(rows, columns, padding);
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < columns; ++c) g.at(r, c) = static_cast<T>(static_cast<float>(shift + scale * random_.normal()));
    return g;
  }
  std::vector<std::int32_t> ids(Index n, Index below) {
    std::vector<std::int32_t> v;
    for (Index i = 0; i < n; ++i) v.push_back(static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(below))));
    return v;
  }

private:
  Random random_;
};

template <class T>
Cpu<T>& on_cpu(Index threads) {
  static Cpu<T> one{{.threads = 1}}, two{{.threads = 2}}, five{{.threads = 5}};
  return threads == 1 ? one : threads == 2 ? two : five;
}
inline Reference<double>& reference() {
  static Reference<double> env{{.threads = 1}};
  return env;
}

// A device: the GPU where there is one to compile for, else what stands for it.
#if defined(__CUDACC__)
template <class T>
using Device = Cuda<T>;
template <class T>
Cuda<T>& on_gpu() {
  static Cuda<T> env{{.threads = 1}};
  return env;
}
#else
template <class T>
using Device = Emulated<T>;
template <class T, Index threads = 1>
Emulated<T, threads>& emulated() {
  static Emulated<T, threads> env{{.threads = 1}};
  return env;
}
#endif

inline bool close(const Outcome& a, const Outcome& expected, double tolerance) {
  if (a.numbers.size() != expected.numbers.size() || !a.marks) return false;
  double largest = 1;
  for (double x : expected.numbers) largest = std::max(largest, std::fabs(x));
  for (std::size_t i = 0; i < a.numbers.size(); ++i)
    if (!(std::fabs(a.numbers[i] - expected.numbers[i]) <= tolerance * largest)) {
      MESSAGE("number ", i, " of ", a.numbers.size(), ": ", a.numbers[i], " instead of ", expected.numbers[i]);
      return false;
    }
  return true;
}

// run(env) -> Outcome, on each environment.
template <class Run>
void same(const Run& run) {
  const Outcome expected = run(reference());
  CHECK(expected.marks);
#if defined(__CUDACC__)
  const Outcome d = run(on_gpu<double>()), f = run(on_gpu<float>());
  CHECK(close(d, expected, tolerance::same_in_double));
  CHECK(close(f, expected, tolerance::same_in_float));
  CHECK(run(on_gpu<float>()).numbers == f.numbers);
#else
  const Outcome d = run(on_cpu<double>(1));
  CHECK(close(d, expected, tolerance::same_in_double));
  CHECK(run(on_cpu<double>(2)).numbers == d.numbers);
  const Outcome f = run(on_cpu<float>(1));
  CHECK(close(f, expected, tolerance::same_in_float));
  CHECK(run(on_cpu<float>(2)).numbers == f.numbers);
  CHECK(run(on_cpu<float>(5)).numbers == f.numbers);
  CHECK(close(run(emulated<double>()), expected, tolerance::same_in_double));
  CHECK(close(run(emulated<float>()), expected, tolerance::same_in_float));
#endif
}

template <class Env>
using ScalarOf = typename std::remove_reference_t<Env>::Scalar;
template <class Env>
using OpsOf = typename std::remove_reference_t<Env>::Ops;

inline constexpr Index row_counts[] = {0, 1, 2, 63, 300};
inline constexpr Index column_counts[] = {1, 3, 16, 37, 384};

}  // namespace towpath::compare
