#include "towpath/nn/scale.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Tuned = Linear<4, 3>;
using M = Scaled<Tuned, 3, 2>::On<Env>;
static_assert(Module<M, Env> && M::factor == 1.5 && Scaled<Tuned, -2>::On<Env>::factor == -2 && Scaled<Tuned, 1, 3>::On<Cpu<float>>::factor == 1.0f / 3);
static_assert(Scaled<Tuned, 6, 9, Divisor::root>::On<Env>::factor == 2 && Scaled<Tuned, 1, 1, Divisor::root>::On<Env>::factor == 1);
constexpr double root_of_two = 1 / Scaled<Tuned, 1, 2, Divisor::root>::On<Env>::factor;
static_assert(root_of_two > 1.414213562373094 && root_of_two < 1.414213562373096);
static_assert(std::is_empty_v<M::Saved<Learn<true>>> && M::uses_input<Learn<false>> && !Scaled<Linear<4, 3, Leaf::frozen>, 2>::trains);
}  // namespace

TEST_CASE("gradients") {
  gradients::right_both<Scaled<Tuned, 3, 2>>(4);
  gradients::right_both<Scaled<Tuned, -1, 8>>(4);
  gradients::right_both<Scaled<Scaled<Tuned, 2>, 1, 3>>(4);
  gradients::right_both<Scaled<Linear<4, 3, Leaf::frozen>, 5>>(4);
  gradients::right_both<Scaled<Tuned, 3, 2, Divisor::root>>(4);
}

TEST_CASE("the factor times the module's result; dy itself is not touched") {
  gradients::Bench<Scaled<Tuned, 3, 2>> b({3}, 4);
  M::Saved<Learn<true>> saved;
  M::Base::Saved<Infer> base;
  const auto y = b.module.forward<Learn<true>>(b.env, b.input(), saved);
  const auto inner = static_cast<const M::Base&>(b.module).forward<Infer>(b.env, b.x, base);
  for (Index i = 0; i < 9; ++i) CHECK(y.data()[i] == 1.5 * inner.data()[i]);
  const auto dy = b.drawn(3, 3, 4), kept = dy.copy();
  M::Grads g;
  b.module.backward<Learn<true>>(b.env, dy, b.input(), saved, g);
  CHECK(gradients::same_bits(dy, kept));
}
