#include "towpath/nn/chain.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/layer_norm.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/under.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
template <Index in, Index out>
using Tuned = Linear<in, out>;
template <Index in, Index out>
using Still = Linear<in, out, Leaf::frozen>;

static_assert(std::is_same_v<Chain<>, Identity> && std::is_same_v<Chain<Tuned<2, 3>>, Tuned<2, 3>>);
static_assert(std::is_same_v<Chain<Tuned<2, 3>, Tuned<3, 4>, Tuned<4, 5>>, Then<Tuned<2, 3>, Then<Tuned<3, 4>, Tuned<4, 5>>>>);

// What is kept of a chain follows from who reads it in backward.
using Below = Then<Tuned<4, 3>, Still<3, 2>>::On<Env>;  // the frozen one above hands the gradient down without reading its input
using Above_ = Then<Still<4, 3>, Tuned<3, 2>>::On<Env>;
using Neither = Then<Still<4, 3>, Still<3, 2>>::On<Env>;
using Curved = Then<Tuned<4, 3>, Activation<Gelu>>::On<Env>;
static_assert(Module<Below, Env> && Module<Above_, Env> && Module<Neither, Env> && Module<Curved, Env>);
static_assert(std::is_empty_v<Below::Saved<Learn<true>>> && Below::uses_input<Learn<false>>);
static_assert(!std::is_empty_v<Above_::Saved<Learn<false>>> && !Above_::uses_input<Learn<true>>);
static_assert(std::is_empty_v<Neither::Saved<Learn<true>>> && std::is_empty_v<Neither::Grads> && !Neither::trains);
static_assert(!std::is_empty_v<Curved::Saved<Learn<false>>>);  // GELU reads the projection's result
static_assert(std::is_empty_v<Then<Still<4, 3>, Activation<Gelu>>::On<Env>::Saved<Learn<false>>>);
static_assert(std::is_empty_v<Curved::Saved<Infer>> && std::is_empty_v<Curved::Saved<Rehearse>> && std::is_empty_v<Above_::Saved<Infer>>);
static_assert(parameters<Then<Still<4, 3>, Tuned<3, 2>>>().total == 15 + 8 && parameters<Then<Still<4, 3>, Tuned<3, 2>>>().trainable == 8);
}  // namespace

TEST_CASE("gradients wherever in the chain it trains") {
  gradients::right_both<Chain<Tuned<4, 3>, Activation<Gelu>, Tuned<3, 2>>>(4);
  gradients::right_both<Chain<Still<4, 3>, Activation<Tanh>, Tuned<3, 2>>>(4);
  gradients::right_both<Chain<Tuned<4, 3>, Activation<Silu>, Still<3, 2>>>(4);
  gradients::right_both<Chain<Still<4, 3>, Tuned<3, 3>, Still<3, 2>, Activation<Gelu>>>(4);
  gradients::right_both<Chain<Activation<Gelu>, Still<4, 3>>>(4);
  gradients::right_both<Then<Then<Tuned<4, 3>, Activation<Gelu>>, Tuned<3, 2>>>(4);  // nested the other way
}

TEST_CASE("a chain is one after the other, and its names are those of its parts") {
  using Arch = Chain<Under<"a", Tuned<4, 3>>, Activation<Relu>, Under<"b", Tuned<3, 2>>>;
  gradients::Bench<Arch> b({3}, 4);
  using M = Arch::On<Env>;
  M::Saved<Infer> saved;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved);
  std::string names;
  for (const auto& l : leaves<M, Env>(b.module)) names += l.name + " ";
  CHECK(names == "a.weight a.bias b.weight b.bias ");
  auto middle = op::nt<Env>(b.env, b.x, b.module.first.weight);
  op::add_row<Env>(b.env, b.module.first.bias, middle);
  middle = op::unary<Relu, Env>(b.env, middle);
  auto expected = op::nt<Env>(b.env, middle, b.module.second.second.weight);
  op::add_row<Env>(b.env, b.module.second.second.bias, expected);
  CHECK(gradients::same_bits(y, expected));
}

TEST_CASE("a steady step takes nothing new from the system, with the Saved of the step before, and computes the same") {
  using Arch = Chain<Tuned<4, 30>, Activation<Gelu>, Tuned<30, 30>, Activation<Tanh>, Tuned<30, 2>>;
  using M = Arch::On<Env>;
  gradients::Bench<Arch> b({5, 9}, 4);
  M::Saved<Learn<true>> saved;
  const auto dy = b.drawn(14, 2, 6);
  Tensor<Env> first;
  std::size_t warm = 0;
  for (int step = 0; step < 10; ++step) {
    M::Grads g;  // (gradients are kept for the whole of a run, so they do not come from the pool)
    b.module.forward<Learn<true>>(b.env, b.input(), saved);
    const auto dx = b.module.backward<Learn<true>>(b.env, dy, b.input(), saved, g);
    if (step == 0) first = dx.copy();
    if (step == 1) warm = b.env.pool().fetched();
    CHECK(gradients::same_bits(dx, first));
  }
  CHECK(warm > 0);
  CHECK(b.env.pool().fetched() == warm);
}

namespace {
struct Seven {
  static constexpr Index hidden = 7;
  static constexpr double norm_epsilon = 1e-12;
};
using Normed = Then<Tuned<4, 7>, Under<"norm", LayerNorm<Seven>>>;
using Recalling = Then<Normed, Tuned<7, 2>>;
static_assert(repeats<Normed::On<Env>, Learn<false>> && !repeats<Normed::On<Env>, Infer> && !repeats<Recalling::On<Env>, Learn<true>>);
static_assert(Recalling::On<Env>::recalls<Learn<false>> && !Recalling::On<Env>::keeps<Learn<false>>);
}  // namespace

TEST_CASE("what a norm gives again is not kept, and its reader's gradients are right") {
  gradients::right_both<Recalling>(4);
  gradients::Bench<Recalling> b({3, 2}, 4);
  using M = Recalling::On<Env>;
  M::Saved<Learn<true>> saved;
  b.module.forward<Learn<true>>(b.env, b.input(), saved);
  Normed::On<Env>::Saved<Infer> none;
  const auto middle = b.module.first.forward<Infer>(b.env, b.input(), none);
  CHECK(gradients::same_bits(middle, b.module.first.again<Learn<true>>(b.env, {}, saved.first)));
}

TEST_CASE("backward gives back what it has used") {
  using Arch = Then<Tuned<4, 3>, Activation<Gelu>>;
  gradients::Bench<Arch> b({5}, 4);
  Arch::On<Env>::Saved<Learn<true>> saved;
  Arch::On<Env>::Grads g;
  b.module.forward<Learn<true>>(b.env, b.input(), saved);
  CHECK_FALSE(saved.middle.empty());
  b.module.backward<Learn<true>>(b.env, b.drawn(5, 3, 6), b.input(), saved, g);
  CHECK(saved.middle.empty());
  CHECK_THROWS_WITH_AS(b.module.backward<Learn<true>>(b.env, b.drawn(5, 3, 6), b.input(), saved, g), doctest::Contains("Call forward again"), Error);
}
