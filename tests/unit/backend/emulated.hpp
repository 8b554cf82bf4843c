// A CUDA environment without a GPU: kernels are called one item after the other, by a group of one, and products are loops. What is tested so is the
// arithmetic of every kernel, how work is cut into items, and all that surrounds them; not what several threads do to each other.
#pragma once

#include "towpath/backend/cuda/environment.hpp"

#include <cstring>
#include <limits>
#include <vector>

namespace towpath::compare {

template <class T>
struct LoopQueue {
  using Space = Host;
  static constexpr bool rounds = false;

  template <class F>
  void each(Index rows, Index columns, const F& f) {
    for (Index t = 0; t < rows; ++t)
      for (Index j = 0; j < columns; ++j) f(t, j);
  }
  template <class F>
  void groups(Index n, const F& f) {
    for (Index i = 0; i < n; ++i) f(cuda::Alone{}, i);
  }
  // Shared memory holds anything at first.
  template <class F>
  void tiles(Index n, Index room, const F& f) {
    for (Index i = 0; i < n; ++i) {
      std::vector<T> shared(static_cast<std::size_t>(room), std::numeric_limits<T>::quiet_NaN());
      f(cuda::Alone{}, i, shared.data());
    }
  }
  void upload(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  Finish<T> product(cuda::Turn turn, BasicView<const T> a, const Factor<T>& factor, T keep, BasicView<T> y, const Finish<T>& finish) {
    const auto b = factor.values;
    const Index inner = turn == cuda::Turn::left ? a.rows : a.columns;
    for (Index i = 0; i < y.rows; ++i)
      for (Index j = 0; j < y.columns; ++j) {
        T sum = 0;
        for (Index k = 0; k < inner; ++k)
          sum += (turn == cuda::Turn::left ? a.row(k)[i] : a.row(i)[k]) * (turn == cuda::Turn::right ? b.row(j)[k] : b.row(k)[j]);
        y.row(i)[j] = (keep == 0 ? T(0) : y.row(i)[j]) + sum;
      }
    return finish;
  }
};

template <class T>
class Emulated : public cuda::Environment<T, LoopQueue<T>> {
  using cuda::Environment<T, LoopQueue<T>>::Environment;
};

}  // namespace towpath::compare
