// A model of two matrices, low and high, whose loss a test makes up.
#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/cpu/cpu.hpp"

#include <bit>
#include <cstdint>
#include <vector>

namespace toy {

using namespace towpath;

template <class T, Index rows, Index columns>
struct Toy {
  using Environment = Cpu<T>;
  static constexpr bool trains = true;
  Tensor<Environment> low{rows, columns}, high{rows, columns};
  struct Grads {
    using Module = Toy;
    Tensor<Environment> low{rows, columns}, high{rows, columns};
  };
  template <class F, class... Ms>
  static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
    f(at / "low.weight", Trainable{}, ms.low...);
    f(at / "high.weight", Trainable{}, ms.high...);
  }

  // All numbers as one row.
  static constexpr Index size = 2 * rows * columns;
  T& operator[](Index i) { return i < size / 2 ? low.data()[i] : high.data()[i - size / 2]; }
  T operator[](Index i) const { return const_cast<Toy&>(*this)[i]; }
  static T& of(Grads& g, Index i) { return i < size / 2 ? g.low.data()[i] : g.high.data()[i - size / 2]; }

  std::vector<T> numbers() const {
    std::vector<T> all;
    for (Index i = 0; i < size; ++i) all.push_back((*this)[i]);
    return all;
  }
  void fill() {
    for (Index i = 0; i < size; ++i) (*this)[i] = static_cast<T>(0.3 + 0.17 * static_cast<double>((i * 5) % 7) - 0.4 * static_cast<double>(i % 3));
  }
};

}  // namespace toy
