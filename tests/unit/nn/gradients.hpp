// What the tests of modules share: one gradient check at three shapes, and the operations in double that it needs, compiled once
// (in nn/operations.cpp) instead of in every test.
#pragma once

#include "towpath/autodiff/check.hpp"

#include "../tolerances.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <vector>

namespace towpath {

#define TOWPATH_TEST_OPERATIONS(maybe_extern)                                                                                          \
  maybe_extern template Tensor<Cpu<double>> op::nt(Cpu<double>&, View<Cpu<double>>, const op::FactorOf<Cpu<double>>&, const op::FinishOf<Cpu<double>>&); \
  maybe_extern template Tensor<Cpu<double>> op::nn(Cpu<double>&, View<Cpu<double>>, const op::FactorOf<Cpu<double>>&, const op::FinishOf<Cpu<double>>&); \
  maybe_extern template void op::tn_add(Cpu<double>&, View<Cpu<double>>, View<Cpu<double>>, Writable<Cpu<double>>);                    \
  maybe_extern template Tensor<Cpu<double>> op::attention(Cpu<double>&, View<Cpu<double>>, View<Cpu<double>>, View<Cpu<double>>,       \
                                                          View<Cpu<double>>, View<Cpu<double>>, const Sequences&, Index, Mask,         \
                                                          Tensor<Cpu<double>>&, bool);                                                 \
  maybe_extern template op::AttentionGradients<Cpu<double>> op::attention_backward(                                                    \
      Cpu<double>&, View<Cpu<double>>, View<Cpu<double>>, View<Cpu<double>>, View<Cpu<double>>, View<Cpu<double>>, View<Cpu<double>>,  \
      const Sequences&, Index, Mask, View<Cpu<double>>, Writable<Cpu<double>>, Writable<Cpu<double>>, bool)
#if !defined(TOWPATH_TEST_COMPILES_OPERATIONS)
TOWPATH_TEST_OPERATIONS(extern);
#endif

namespace gradients {

inline const std::vector<Index> shapes[] = {{1}, {1, 2}, {3, 1, 7}};

// The gradients of Arch are right, at every shape.
template <class Arch, class Pass = Learn<true>>
void right(Index width, float dropout = 0) {
  std::uint64_t seed = 1;
  for (const auto& lengths : shapes) {
    const auto c = check_gradients<Arch, Pass>(++seed, {.lengths = lengths, .width = width, .dropout = dropout});
    CAPTURE(c.where);
    CAPTURE(lengths.size());
    CHECK(c.worst < tolerance::gradient);
    CHECK(c.compared > 0);
  }
}
// … under both passes.
template <class Arch>
void right_both(Index width, float dropout = 0) {
  right<Arch, Learn<true>>(width, dropout);
  if constexpr (Arch::trains) right<Arch, Learn<false>>(width, dropout);
}

// A module on the CPU in double, everything drawn, with an input of these sequences.
template <class Arch>
struct Bench {
  using Env = Cpu<double>;
  using On = typename Arch::template On<Env>;
  Env env;
  On module;
  Sequences sequences;
  Tensor<Env> x;

  Bench(std::vector<Index> lengths, Index width, float dropout = 0, Index threads = 1)
      : env({.threads = threads, .seed = 5, .dropout = dropout}) {
    initialise<On, Env>(module, 9, Fill::everything);
    for (Index n : lengths) sequences.offsets.push_back(sequences.offsets.back() + n);
    x = drawn(sequences.tokens(), width, 3);
  }
  Tokens<Env> input() const { return {x, &sequences}; }

  static Tensor<Env> drawn(Index rows, Index columns, std::uint64_t seed) {
    Tensor<Env> t(rows, columns);
    Random r(seed, 0);
    for (Index i = 0; i < t.size(); ++i) t.data()[i] = r.normal();
    return t;
  }
};

inline bool same_bits(View<Cpu<double>> a, View<Cpu<double>> b) {
  return a.rows == b.rows && a.columns == b.columns && a.contiguous() && b.contiguous() &&
         (a.size() == 0 || std::memcmp(a.data, b.data, static_cast<std::size_t>(a.size()) * sizeof(double)) == 0);
}

}  // namespace gradients
}  // namespace towpath
