#include "towpath/nn/dropout.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Tuned = Dropped<Linear<4, 6>>;
using Still = Dropped<Linear<4, 6, Leaf::frozen>>;
using M = Tuned::On<Env>;
static_assert(Module<M, Env> && Module<Still::On<Env>, Env> && Tuned::trains && !Still::trains);
static_assert(sizeof(M::Saved<Learn<true>>) == sizeof(Mask) && std::is_empty_v<M::Saved<Infer>> && std::is_empty_v<M::Saved<Rehearse>>);
static_assert(std::is_empty_v<Still::On<Env>::Saved<Learn<false>>> && !std::is_empty_v<Still::On<Env>::Saved<Learn<true>>>);
using Fed = DroppedInput<Linear<4, 6>>;
static_assert(Module<Fed::On<Env>, Env> && Fed::trains && !DroppedInput<Linear<4, 6, Leaf::frozen>>::trains);
static_assert(sizeof(Fed::On<Env>::Saved<Learn<true>>) == sizeof(Mask) && std::is_empty_v<Fed::On<Env>::Saved<Infer>>);
static_assert(M::uses_input<Learn<false>> && !Still::On<Env>::uses_input<Learn<true>>);
}  // namespace

TEST_CASE("gradients, with dropout and without") {
  for (const float rate : {0.0f, 0.3f}) {
    gradients::right_both<Tuned>(4, rate);
    gradients::right_both<Still>(4, rate);
    gradients::right_both<Fed>(4, rate);
    gradients::right_both<DroppedInput<Linear<4, 6, Leaf::frozen>>>(4, rate);
    gradients::right_both<Then<Tuned, Dropped<Linear<6, 3>>>>(4, rate);  // two masks in one sweep
  }
}

TEST_CASE("Infer draws no mask; Rehearse draws the mask of Learn; each forward draws another") {
  gradients::Bench<Tuned> b({5}, 4, 0.4f);
  M::Saved<Infer> no;
  M::Saved<Rehearse> none;
  M::Saved<Learn<true>> saved;
  const auto clean = b.module.forward<Infer>(b.env, b.input(), no);
  CHECK(b.env.position() == 0);
  const auto first = b.module.forward<Learn<true>>(b.env, b.input(), saved);
  CHECK(b.env.position() == 1);
  b.env.position(0);
  CHECK(gradients::same_bits(b.module.forward<Rehearse>(b.env, b.input(), none), first));
  CHECK_FALSE(gradients::same_bits(b.module.forward<Rehearse>(b.env, b.input(), none), first));
  int zeros = 0;
  for (Index i = 0; i < 30; ++i) {
    zeros += first.data()[i] == 0;
    if (first.data()[i] != 0) CHECK(first.data()[i] == doctest::Approx(clean.data()[i] / 0.6).epsilon(1e-6));  // the rate is a float
  }
  CHECK(zeros > 0);
  CHECK(zeros < 30);
}

TEST_CASE("without dropout it is the module itself, bit for bit") {
  gradients::Bench<Tuned> b({5}, 4);
  M::Saved<Learn<true>> saved;
  M::Base::Saved<Learn<true>> bare;
  const auto y = b.module.forward<Learn<true>>(b.env, b.input(), saved);
  CHECK(gradients::same_bits(y, static_cast<const M::Base&>(b.module).forward<Learn<true>>(b.env, b.input(), bare)));
}

TEST_CASE("an input is dropped for one reader; x itself is not touched") {
  gradients::Bench<Fed> b({5}, 4, 0.4f);
  Fed::On<Env>::Saved<Rehearse> none;
  Fed::On<Env>::Saved<Infer> no;
  Fed::On<Env>::Base::Saved<Infer> bare;
  const auto kept = b.x.copy();
  const auto y = b.module.forward<Rehearse>(b.env, b.input(), none);
  CHECK(gradients::same_bits(b.x, kept));
  Tensor<Env> x = b.x.copy();
  op::dropout<Env>(b.env, {0.4f, 5, 0}, x);
  const auto& inner = static_cast<const Fed::On<Env>::Base&>(b.module);
  CHECK(gradients::same_bits(y, inner.forward<Infer>(b.env, x, bare)));
  CHECK(gradients::same_bits(b.module.forward<Infer>(b.env, b.input(), no), inner.forward<Infer>(b.env, b.x, bare)));
}
