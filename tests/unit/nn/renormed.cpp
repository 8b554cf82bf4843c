#include "towpath/nn/renormed.hpp"
#include "towpath/nn/layer_norm.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
struct Wide {
  static constexpr Index hidden = 4;
  static constexpr double norm_epsilon = 1e-12;
};
using Still = LayerNorm<Wide>;
using Both = LayerNorm<Wide, true>;
using M = Renormed<Still, Linear<4, 4>>::On<Env>;
static_assert(Module<M, Env> && M::trains && !Renormed<Still, Linear<4, 4, Leaf::frozen>>::trains && Renormed<Both, Linear<4, 4, Leaf::frozen>>::trains);
static_assert(std::is_empty_v<M::Saved<Infer>> && std::is_empty_v<M::Saved<Rehearse>>);
// The lowest part that trains is the branch: nobody needs s again, and the norm on top of it is kept.
static_assert(!M::uses_input<Learn<false>> && M::uses_input<Learn<true>> && M::keeps_sum<Learn<false>> && M::keeps_normed<Learn<false>>);
static_assert(!Renormed<Still, Linear<4, 4, Leaf::frozen>>::On<Env>::keeps_normed<Learn<true>>);
}  // namespace

TEST_CASE("gradients, whichever of norm and branch trains") {
  gradients::right_both<Renormed<Still, Linear<4, 4>>>(4);
  gradients::right_both<Renormed<Both, Linear<4, 4>>>(4);
  gradients::right_both<Renormed<Both, Linear<4, 4, Leaf::frozen>>>(4);
  gradients::right_both<Renormed<LayerNorm<Wide, false, true>, Linear<4, 4, Leaf::frozen, Leaf::trained>>>(4);
  gradients::right_both<Renormed<Still, Linear<4, 4, Leaf::frozen>>>(4);
}

TEST_CASE("y = Norm(s + B(Norm(s)))") {
  gradients::Bench<Renormed<Both, Linear<4, 4>>> b({2, 3}, 4);
  decltype(b)::On::Saved<Infer> saved;
  Both::On<Env>::Saved<Infer> none;
  Linear<4, 4>::On<Env>::Saved<Infer> no;
  Tensor<Env> s = b.module.branch.forward<Infer>(b.env, b.module.norm.forward<Infer>(b.env, b.x, none), no);
  op::add<Env>(b.env, b.x, s);
  const auto y = b.module.norm.forward<Infer>(b.env, s, none), z = b.module.forward<Infer>(b.env, b.input(), saved);
  for (Index i = 0; i < y.size(); ++i) CHECK(z.data()[i] == doctest::Approx(y.data()[i]).epsilon(1e-14));
}
