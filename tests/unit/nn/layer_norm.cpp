#include "towpath/nn/layer_norm.hpp"

#include "gradients.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
struct Shape {
  static constexpr Index hidden = 7;
  static constexpr double norm_epsilon = 1e-12;
};
template <bool weight, bool bias>
using Norm = LayerNorm<Shape, weight, bias>;
using Still = Norm<false, false>::On<Env>;
using BiasOnly = Norm<false, true>::On<Env>;
using WeightOnly = Norm<true, false>::On<Env>;

static_assert(Module<Still, Env> && Module<BiasOnly, Env> && Module<WeightOnly, Env>);
static_assert(!Still::trains && BiasOnly::trains && WeightOnly::trains && LayerNorm<Shape, true>::On<Env>::bias_trains);
// A trained bias alone needs nothing of what went in; dx and dweight need the statistics.
static_assert(std::is_empty_v<BiasOnly::Saved<Learn<false>>> && !BiasOnly::uses_input<Learn<false>>);
static_assert(!std::is_empty_v<BiasOnly::Saved<Learn<true>>> && BiasOnly::uses_input<Learn<true>>);
static_assert(!std::is_empty_v<WeightOnly::Saved<Learn<false>>> && WeightOnly::uses_input<Learn<false>>);
static_assert(std::is_empty_v<WeightOnly::Saved<Infer>> && std::is_empty_v<WeightOnly::Saved<Rehearse>> && std::is_empty_v<Still::Grads>);
}  // namespace

TEST_CASE("gradients of every combination of what trains") {
  gradients::right_both<Norm<false, false>>(7);
  gradients::right_both<Norm<false, true>>(7);
  gradients::right_both<Norm<true, false>>(7);
  gradients::right_both<Norm<true, true>>(7);
}

TEST_CASE("its result is there again, to the bit, wherever its input is kept") {
  using M = Norm<false, false>::On<Env>;
  static_assert(repeats<M, Learn<true>> && !repeats<M, Learn<false>> && !repeats<M, Infer>);
  gradients::Bench<Norm<false, false>> b({4, 1}, 7);
  M::Saved<Learn<true>> saved;
  const auto y = b.module.forward<Learn<true>>(b.env, b.x, saved);
  CHECK(gradients::same_bits(y, b.module.again<Learn<true>>(b.env, b.x, saved)));
}

TEST_CASE("weight 1 and bias 0: rows of mean 0 and variance 1") {
  gradients::Bench<Norm<true, true>> b({4}, 7);
  Norm<true, true>::On<Env>::Saved<Infer> saved;
  const auto y = b.module.forward<Infer>(b.env, b.x, saved);
  for (Index r = 0; r < 4; ++r) {
    double sum = 0, square = 0;
    for (Index c = 0; c < 7; ++c) {
      sum += y.view().row(r)[c];
      square += y.view().row(r)[c] * y.view().row(r)[c];
    }
    CHECK(std::fabs(sum) < tolerance::same_in_double);
    CHECK(std::fabs(square / 7 - 1) < tolerance::norm_epsilon);
  }
}

TEST_CASE("a constant row gives the bias, and finite gradients, although its variance is 0 and epsilon 1e-12") {
  gradients::Bench<Norm<true, true>> b({2}, 7);
  for (Index c = 0; c < 7; ++c) b.x.data()[c] = 3.7, b.x.data()[7 + c] = 0, b.module.bias.data()[c] = static_cast<double>(c);
  using M = Norm<true, true>::On<Env>;
  M::Saved<Learn<true>> saved;
  M::Grads g;
  const auto y = b.module.forward<Learn<true>>(b.env, b.x, saved);
  for (Index i = 0; i < 14; ++i) CHECK(y.data()[i] == doctest::Approx(static_cast<double>(i % 7)).epsilon(1e-8));
  const auto dx = b.module.backward<Learn<true>>(b.env, b.drawn(2, 7, 1), b.x, saved, g);
  for (Index i = 0; i < 14; ++i) CHECK(std::isfinite(dx.data()[i]));
  for (Index i = 0; i < 7; ++i) CHECK(std::isfinite(g.weight.data()[i]));
}

TEST_CASE("the weight starts at one, the bias at zero") {
  const Norm<true, true>::On<Env> m;
  const auto all = leaves<Norm<true, true>::On<Env>, Env>(m);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "weight");
  CHECK(all[0].start.scale == 1);
  CHECK(all[1].start.scale == 0);
}
