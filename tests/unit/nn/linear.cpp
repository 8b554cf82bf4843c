#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
using Env = Cpu<double>;
template <Leaf weight, Leaf bias>
using L = Linear<5, 4, weight, bias>;
using Tuned = L<Leaf::trained, Leaf::trained>::On<Env>;
using BiasOnly = L<Leaf::frozen, Leaf::trained>::On<Env>;
using Still = L<Leaf::frozen, Leaf::frozen>::On<Env>;
using Bare = L<Leaf::frozen, Leaf::absent>::On<Env>;

static_assert(Module<Tuned, Env> && Module<BiasOnly, Env> && Module<Still, Env> && Module<Bare, Env>);
static_assert(Tuned::trains && BiasOnly::trains && !Still::trains && !Bare::trains);
static_assert(L<Leaf::trained, Leaf::absent>::trains && L<Leaf::trained, Leaf::frozen>::trains);
// backward reads x for the weight's gradient and for nothing else
static_assert(Tuned::uses_input<Learn<false>> && Tuned::uses_input<Learn<true>> && !Tuned::uses_input<Infer> && !Tuned::uses_input<Rehearse>);
static_assert(!BiasOnly::uses_input<Learn<true>> && !Still::uses_input<Learn<true>>);
static_assert(std::is_empty_v<Tuned::Saved<Learn<true>>> && std::is_empty_v<Tuned::Saved<Infer>>);
static_assert(std::is_empty_v<Still::Grads> && std::is_empty_v<Bare::Grads> && !std::is_empty_v<BiasOnly::Grads>);
static_assert(std::is_same_v<decltype(Still::weight), SharedTensor<Env>> && std::is_same_v<decltype(Tuned::weight), Tensor<Env>>);
static_assert(is_nothing<decltype(Bare::bias)> && is_nothing<decltype(BiasOnly::Grads::weight)>);
static_assert(parameters<L<Leaf::frozen, Leaf::trained>>().trainable == 4 && parameters<L<Leaf::frozen, Leaf::absent>>().total == 20);
}  // namespace

TEST_CASE("y = x Wᵀ + b") {
  Env env{{.threads = 1}};
  Linear<3, 2>::On<Env> m;
  for (Index i = 0; i < 6; ++i) m.weight.data()[i] = static_cast<double>(i + 1);  // 1 2 3 / 4 5 6
  m.bias.data()[1] = 100;
  Tensor<Env> x(1, 3);
  x.data()[0] = 1, x.data()[1] = -1, x.data()[2] = 2;
  Linear<3, 2>::On<Env>::Saved<Infer> saved;
  const auto y = m.forward<Infer>(env, x, saved);
  CHECK(y.data()[0] == 1 - 2 + 6);
  CHECK(y.data()[1] == 4 - 5 + 12 + 100);
}

TEST_CASE("gradients of every combination of leaves") {
  gradients::right_both<L<Leaf::trained, Leaf::trained>>(5);
  gradients::right_both<L<Leaf::trained, Leaf::frozen>>(5);
  gradients::right_both<L<Leaf::trained, Leaf::absent>>(5);
  gradients::right_both<L<Leaf::frozen, Leaf::trained>>(5);
  gradients::right_both<L<Leaf::frozen, Leaf::frozen>>(5);
  gradients::right_both<L<Leaf::frozen, Leaf::absent>>(5);
  gradients::right_both<Linear<1, 1>>(1);
}

TEST_CASE("gradients of parameters accumulate, that of the input does not; no rows are allowed") {
  gradients::Bench<L<Leaf::trained, Leaf::trained>> b({2, 3}, 5);
  Tuned::Saved<Learn<true>> saved;
  Tuned::Grads once, twice;
  const auto dy = b.drawn(5, 4, 8);
  b.module.forward<Learn<true>>(b.env, b.x, saved);
  const auto dx = b.module.backward<Learn<true>>(b.env, dy, b.x, saved, once);
  b.module.backward<Learn<true>>(b.env, dy, b.x, saved, twice);
  const auto again = b.module.backward<Learn<true>>(b.env, dy, b.x, saved, twice);
  CHECK(gradients::same_bits(dx, again));
  for (Index i = 0; i < 20; ++i) CHECK(twice.weight.data()[i] == doctest::Approx(2 * once.weight.data()[i]));
  for (Index i = 0; i < 4; ++i) CHECK(twice.bias.data()[i] == doctest::Approx(2 * once.bias.data()[i]));

  const Tensor<Env> none(0, 5), no_dy(0, 4);
  const auto y = b.module.forward<Learn<true>>(b.env, none, saved);
  CHECK(y.rows() == 0);
  CHECK(y.columns() == 4);
  CHECK(b.module.backward<Learn<true>>(b.env, no_dy, none, saved, once).rows() == 0);
}

TEST_CASE("names are torch.nn.Linear's, and a weight starts as it was asked to") {
  const Tuned m;
  const auto all = leaves<Tuned, Env>(m);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "weight");
  CHECK(all[1].name == "bias");
  CHECK(all[0].start.scale == 0.02f);
  CHECK(all[1].start.scale == 0);
  using Zero = Linear<2, 2, Leaf::trained, Leaf::absent, start::Zeros>::On<Env>;
  const auto zero = leaves<Zero, Env>(Zero{});
  REQUIRE(zero.size() == 1);
  CHECK(zero[0].start.kind == Start::Kind::constant);
}
