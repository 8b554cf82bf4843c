#include "towpath/nn/beside.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/under.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Still = Linear<4, 4, Leaf::frozen>;
using Branch = Under<"branch", Chain<Linear<4, 2, Leaf::trained, Leaf::absent>, Linear<2, 4, Leaf::trained, Leaf::absent>>>;
using Delta = Beside<Still, Branch>;
using M = Delta::On<Env>;

static_assert(Module<M, Env> && Delta::trains && !Beside<Still, Still>::trains);
static_assert(std::is_empty_v<M::Saved<Infer>> && M::uses_input<Learn<false>>);
static_assert(!Beside<Still, Still>::On<Env>::uses_input<Learn<true>>);
static_assert(std::is_empty_v<Beside<Still, Activation<Gelu>>::On<Env>::Saved<Learn<false>>> &&
              std::is_empty_v<Beside<Still, Still>::On<Env>::Grads>);
// A main that is frozen over nothing that trains is only rehearsed: the branch learns around it.
using Around = Beside<Then<Still, Activation<Gelu>>, Branch>::On<Env>;
static_assert(std::is_empty_v<decltype(Around::Saved<Learn<false>>::main)> && !std::is_empty_v<decltype(Around::Saved<Learn<true>>::main)>);
}  // namespace

TEST_CASE("gradients, whichever of the two trains") {
  gradients::right_both<Delta>(4);
  gradients::right_both<Beside<Linear<4, 4>, Still>>(4);
  gradients::right_both<Beside<Linear<4, 4>, Under<"b", Linear<4, 4>>>>(4);
  gradients::right_both<Beside<Still, Still>>(4);
  gradients::right_both<Beside<Then<Still, Activation<Gelu>>, Branch>>(4);
  gradients::right_both<Beside<Dropped<Linear<4, 4>>, Dropped<Branch>>>(4, 0.3f);
}

TEST_CASE("the sum of both, each named as it is") {
  gradients::Bench<Delta> b({3}, 4);
  M::Saved<Infer> saved;
  M::A::Saved<Infer> main;
  M::B::Saved<Infer> branch;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved);
  const auto p = b.module.main.forward<Infer>(b.env, b.input(), main);
  const auto q = b.module.branch.forward<Infer>(b.env, b.input(), branch);
  for (Index i = 0; i < 12; ++i) CHECK(y.data()[i] == p.data()[i] + q.data()[i]);
  std::string names;
  for (const auto& l : leaves<M, Env>(b.module)) names += l.name + (l.trains ? "* " : " ");
  CHECK(names == "weight bias branch.weight* branch.weight* ");
}

TEST_CASE("a branch that starts at zero leaves the main as it is, bit for bit") {
  using Zero = Linear<4, 4, Leaf::trained, Leaf::absent, start::Zeros>;
  gradients::Bench<Beside<Still, Zero>> b({3, 2}, 4);
  Beside<Still, Zero>::On<Env>::Saved<Infer> saved;
  Still::On<Env>::Saved<Infer> main;
  CHECK(gradients::same_bits(b.module.forward<Infer>(b.env, b.input(), saved), b.module.main.forward<Infer>(b.env, b.x, main)));
}
