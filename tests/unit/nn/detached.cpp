#include "towpath/nn/detached.hpp"

#include "towpath/nn/beside.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>

#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Tuned = Linear<4, 4>;
using Still = Linear<4, 4, Leaf::frozen>;
template <class Arch, class Pass>
using Saved = typename Arch::template On<Env>::template Saved<Pass>;

static_assert(Module<Detached<Tuned>::On<Env>, Env> && Detached<Tuned>::trains && !Detached<Still>::trains);
static_assert(Detached<Tuned>::On<Env>::uses_input<Learn<true>> && !Detached<Still>::On<Env>::uses_input<Learn<true>>);
static_assert(!std::is_empty_v<Saved<Then<Tuned, Tuned>, Learn<true>>> &&
              std::is_empty_v<Saved<Detached<Then<Still, Still>>, Learn<true>>>);
}  // namespace

TEST_CASE("where nobody below trains, it is the module itself") {
  gradients::right<Detached<Tuned>, Learn<false>>(4);
  gradients::right<Beside<Detached<Tuned>, Tuned>, Learn<false>>(4);
}

TEST_CASE("x is a constant to M: dx is the branch's alone, M's own gradients are what they were") {
  using Free = Beside<Tuned, Linear<4, 4, Leaf::trained, Leaf::absent>>::On<Env>;
  using Cut = Beside<Detached<Tuned>, Linear<4, 4, Leaf::trained, Leaf::absent>>::On<Env>;
  gradients::Bench<Beside<Tuned, Linear<4, 4, Leaf::trained, Leaf::absent>>> a({3}, 4);
  gradients::Bench<Beside<Detached<Tuned>, Linear<4, 4, Leaf::trained, Leaf::absent>>> b({3}, 4);
  Free::Saved<Learn<true>> kept;
  Cut::Saved<Learn<true>> less;
  const auto dy = a.drawn(3, 4, 8);
  CHECK(gradients::same_bits(a.module.forward<Learn<true>>(a.env, a.input(), kept),
                             b.module.forward<Learn<true>>(b.env, b.input(), less)));
  Free::Grads g;
  Cut::Grads h;
  a.module.backward<Learn<true>>(a.env, dy, a.input(), kept, g);
  const auto dx = b.module.backward<Learn<true>>(b.env, dy, b.input(), less, h);
  CHECK(gradients::same_bits(dx, op::nn<Env>(b.env, dy, b.module.branch.weight)));
  CHECK(gradients::same_bits(g.main.weight, h.main.weight));
  CHECK(gradients::same_bits(g.main.bias, h.main.bias));
  CHECK(gradients::same_bits(g.branch.weight, h.branch.weight));
}

TEST_CASE("alone it gives zeros") {
  gradients::Bench<Detached<Tuned>> b({2}, 4);
  Detached<Tuned>::On<Env>::Saved<Learn<true>> saved;
  Detached<Tuned>::On<Env>::Grads g;
  const auto y = b.module.forward<Learn<true>>(b.env, b.input(), saved);
  const auto dx = b.module.backward<Learn<true>>(b.env, y, b.input(), saved, g);
  REQUIRE(dx.rows() == 2);
  for (Index i = 0; i < dx.size(); ++i) CHECK(dx.data()[i] == 0);
}
