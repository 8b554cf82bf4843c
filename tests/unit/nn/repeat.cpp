#include "towpath/nn/repeat.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/layer_norm.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Tuned = Then<Linear<3, 3>, Activation<Gelu>>;
using BiasOnly = Linear<3, 3, Leaf::frozen, Leaf::trained>;
using Still = Then<Linear<3, 3, Leaf::frozen>, Activation<Gelu>>;
struct Three {
  static constexpr Index hidden = 3;
  static constexpr double norm_epsilon = 1e-12;
};
using Normed = Then<Linear<3, 3>, LayerNorm<Three>>;
template <class L, Index n = 3>
using Stack = typename Repeat<n, L>::template On<Env>;

static_assert(Module<Stack<Tuned>, Env> && Module<Stack<Still>, Env> && Module<Stack<Tuned, 1>, Env>);
static_assert(Stack<Tuned>::trains && !Stack<Still>::trains);
static_assert(std::is_empty_v<Stack<Tuned>::Saved<Infer>> && std::is_empty_v<Stack<Tuned>::Saved<Rehearse>>);
static_assert(std::is_empty_v<Stack<Still>::Saved<Learn<false>>> && std::is_empty_v<Stack<Still>::Grads>);
static_assert(!std::is_empty_v<Stack<Still>::Saved<Learn<true>>>);  // GELU's input, of each layer
static_assert(std::is_empty_v<Stack<BiasOnly>::Saved<Learn<true>>>, "projections hand gradients down without their inputs");
static_assert(Stack<Tuned>::uses_input<Learn<false>> && !Stack<BiasOnly>::uses_input<Learn<true>>);
// The input of a layer is kept, unless the one below gives it again.
static_assert(Stack<Tuned>::keeps<Learn<true>> && !Stack<Normed>::keeps<Learn<true>> && Stack<Normed>::recalls<Learn<false>> && !Stack<Normed>::recalls<Infer>);
// The lowest layer of a stack that trains has to give no dx; all the others do.
static_assert(std::is_same_v<Stack<Tuned>::Lowest<Learn<false>>, Learn<false>> && std::is_same_v<Stack<Tuned>::Later<Learn<false>>, Learn<true>>);
static_assert(std::is_same_v<Stack<Still>::Later<Learn<false>>, Rehearse>);
static_assert(parameters<Repeat<5, Tuned>>().total == 5 * 12 && parameters<Repeat<5, BiasOnly>>().trainable == 15);
}  // namespace

TEST_CASE("gradients of stacks of one, two and four") {
  gradients::right_both<Repeat<1, Tuned>>(3);
  gradients::right_both<Repeat<2, Tuned>>(3);
  gradients::right_both<Repeat<4, Tuned>>(3);
  gradients::right_both<Repeat<3, BiasOnly>>(3);
  gradients::right_both<Repeat<3, Still>>(3);
  gradients::right_both<Repeat<3, Dropped<Linear<3, 3>>>>(3, 0.3f);
  gradients::right_both<Repeat<1, Normed>>(3);
  gradients::right_both<Repeat<3, Normed>>(3);
}

TEST_CASE("layers are numbered from 0, or from where they are told to begin") {
  std::string names;
  const Repeat<2, Tuned>::On<Env> m;
  for (const auto& l : leaves<Repeat<2, Tuned>::On<Env>, Env>(m)) names += l.name + " ";
  CHECK(names == "0.weight 0.bias 1.weight 1.bias ");
  names.clear();
  const Repeat<2, Still, 10>::On<Env> later;
  for (const auto& l : leaves<Repeat<2, Still, 10>::On<Env>, Env>(later)) names += l.name + " ";
  CHECK(names == "10.weight 10.bias 11.weight 11.bias ");
}

TEST_CASE("gradients are congruent to parameters, layer by layer") {
  using M = Stack<Tuned, 2>;
  M::Grads g;
  const auto d = tensors<M, Env>(g);
  const auto w = trained_leaves<M, Env>(M{});
  REQUIRE(d.size() == 4);
  REQUIRE(w.size() == 4);
  CHECK(d[2] == &g.layer[1].first.weight);
}

TEST_CASE("a stack is its layers one after the other") {
  gradients::Bench<Repeat<3, Tuned>> b({4, 1}, 3);
  Stack<Tuned>::Saved<Infer> saved;
  Stack<Tuned>::Layer::Saved<Infer> each;
  auto x = b.x.copy();
  for (const auto& layer : b.module.layer) x = layer.forward<Infer>(b.env, Tokens<Env>{x, &b.sequences}, each);
  CHECK(gradients::same_bits(b.module.forward<Infer>(b.env, b.input(), saved), x));
}
