#include "towpath/nn/phm.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using M = PhmLinear<6, 4, 2, 1>::On<Env>;
static_assert(Module<M, Env> && std::is_empty_v<M::Saved<Infer>> && M::uses_input<Learn<false>> && !M::uses_input<Infer>);
static_assert(parameters<PhmLinear<768, 24, 4, 1>>().total == 64 + 768 + 24 + 24 && parameters<PhmLinear<768, 24, 4, 3>>().total == 64 + 3 * (768 + 24) + 24);

// W = Σ_i A_i ⊗ (L_i R_i), entry by entry.
template <Index In, Index Out, Index n, Index r>
void as_a_matrix() {
  gradients::Bench<PhmLinear<In, Out, n, r>> b({2, 3}, In);
  typename decltype(b)::On::template Saved<Infer> saved;
  auto& m = b.module;
  for (Tensor<Env>* t : {&m.rule, &m.left, &m.right, &m.bias}) *t = b.drawn(t->rows(), t->columns(), static_cast<std::uint64_t>(t->size()));
  const auto y = m.template forward<Infer>(b.env, b.input(), saved);
  for (Index t = 0; t < 5; ++t)
    for (Index o = 0; o < Out; ++o) {
      double sum = m.bias.data()[o];
      for (Index c = 0; c < In; ++c)
        for (Index i = 0; i < n; ++i)
          for (Index k = 0; k < r; ++k)
            sum += b.x.view().row(t)[c] * m.rule.view().row(i * n + c / (In / n))[o / (Out / n)] * m.left.view().row(i * r + k)[c % (In / n)] *
                   m.right.view().row(i * r + k)[o % (Out / n)];
      CHECK(y.view().row(t)[o] == doctest::Approx(sum).epsilon(1e-12));
    }
}
}  // namespace

TEST_CASE("gradients") {
  gradients::right_both<PhmLinear<6, 4, 2, 1>>(6);
  gradients::right_both<PhmLinear<4, 12, 4, 2>>(4);
  gradients::right_both<PhmLinear<3, 2, 1, 2>>(3);
}

TEST_CASE("a sum of Kronecker products") {
  as_a_matrix<6, 4, 2, 1>();
  as_a_matrix<8, 12, 4, 3>();
}

TEST_CASE("an input with room between its rows") {
  gradients::Bench<PhmLinear<6, 4, 2, 1>> b({3}, 6);
  M::Saved<Infer> saved;
  Tensor<Env> wide(3, 9);
  for (Index t = 0; t < 3; ++t)
    for (Index j = 0; j < 6; ++j) wide.data()[t * 9 + 2 + j] = b.x.view().row(t)[j];
  CHECK(gradients::same_bits(b.module.forward<Infer>(b.env, b.x, saved), b.module.forward<Infer>(b.env, wide.view().column_block(2, 6), saved)));
}

TEST_CASE("one that starts at zero gives nothing, whatever the input") {
  gradients::Bench<PhmLinear<6, 4, 2, 1, true>> b({3}, 6);
  decltype(b)::On::Saved<Infer> saved;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == 0);
}
