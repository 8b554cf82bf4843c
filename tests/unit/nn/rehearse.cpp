#include "towpath/nn/rehearse.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/attention.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/repeat.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Inner = Chain<SelfAttention<2, Linear<4, 4>, Linear<4, 4, Leaf::frozen>, Linear<4, 4>>, Dropped<Linear<4, 4>>, Activation<Gelu>>;
using Still = Then<Linear<4, 4, Leaf::frozen>, Activation<Gelu>>;
using M = Checkpoint<Inner>::On<Env>;
static_assert(Module<M, Env> && M::trains && !Checkpoint<Still>::trains && Module<Checkpoint<Still>::On<Env>, Env>);
static_assert(sizeof(M::Saved<Learn<true>>) == 8 && sizeof(M::Saved<Learn<false>>) == 8, "a position, and nothing else");
static_assert(std::is_empty_v<M::Saved<Infer>> && std::is_empty_v<M::Saved<Rehearse>>);
static_assert(std::is_empty_v<Checkpoint<Still>::On<Env>::Saved<Learn<false>>> && !Checkpoint<Still>::On<Env>::uses_input<Learn<false>>);
static_assert(M::uses_input<Learn<false>>, "its owner keeps the input");

// One step of Arch with dropout: y, dx and the gradients, and the position in the random stream afterwards.
template <class Arch>
struct Step {
  Tensor<Env> y, dx;
  typename Arch::template On<Env>::Grads grads;
  std::uint64_t position_between, position_after;

  Step() {
    using On = typename Arch::template On<Env>;
    gradients::Bench<Arch> b({3, 1, 5}, 4, 0.3f);
    b.env.position(17);
    typename On::template Saved<Learn<true>> saved;
    y = b.module.template forward<Learn<true>>(b.env, b.input(), saved);
    position_between = b.env.position();
    b.env.mask();  // somebody above draws, too
    dx = b.module.template backward<Learn<true>>(b.env, b.drawn(9, 4, 2), b.input(), saved, grads);
    position_after = b.env.position();
  }
  auto all() const { return tensors<typename Arch::template On<Env>, Env>(grads); }
};

template <class Recomputed, class Plain>
void same() {
  const Step<Recomputed> a;
  const Step<Plain> b;
  CHECK(gradients::same_bits(a.y, b.y));
  CHECK(gradients::same_bits(a.dx, b.dx));
  CHECK(a.position_between == b.position_between);
  CHECK(a.position_after == b.position_after);
  REQUIRE(a.all().size() == b.all().size());
  for (std::size_t i = 0; i < a.all().size(); ++i) CHECK(gradients::same_bits(*a.all()[i], *b.all()[i]));
}
}  // namespace

TEST_CASE("a recomputed module equals the remembered one bit for bit, dropout included") {
  same<Checkpoint<Inner>, Inner>();
  same<Checkpoint<Checkpoint<Inner>>, Inner>();
  same<Repeat<3, Checkpoint<Inner>>, Repeat<3, Inner>>();
  same<Checkpoint<Repeat<3, Checkpoint<Inner>>>, Repeat<3, Inner>>();
}

TEST_CASE("gradients") {
  gradients::right_both<Checkpoint<Inner>>(4, 0.3f);
  gradients::right_both<Checkpoint<Still>>(4);
  gradients::right_both<Repeat<2, Checkpoint<Then<Linear<4, 4>, Activation<Gelu>>>>>(4);
}

TEST_CASE("what a stack of checkpoints keeps is its layers' inputs") {
  using On = Repeat<3, Checkpoint<Inner>>::On<Env>;
  using Saved = On::Saved<Learn<true>>;
  CHECK(sizeof(Saved::lowest) == 8);
  CHECK(sizeof(Saved::later) == 2 * 8);
  CHECK(std::is_same_v<decltype(Saved::input), std::array<Tensor<Env>, 2>>);
}
