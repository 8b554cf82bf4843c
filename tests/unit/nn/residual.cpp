#include "towpath/nn/residual.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/dropout.hpp"
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
struct Shape {
  static constexpr Index hidden = 4;
  static constexpr double norm_epsilon = 1e-12;
};
using Tuned = Linear<4, 4>;
using Still = Linear<4, 4, Leaf::frozen>;
using M = Residual<Tuned>::On<Env>;
static_assert(Module<M, Env> && M::trains && !Residual<Still>::trains);
static_assert(std::is_empty_v<M::Saved<Learn<true>>> && M::uses_input<Learn<false>> && !Residual<Still>::On<Env>::uses_input<Learn<true>>);

template <class Sub, bool norm>
using Block = AddNorm<Sub, Under<"norm", LayerNorm<Shape, norm>>>;
using FrozenNorm = Block<Tuned, false>::On<Env>;
using FrozenBoth = Block<Still, false>::On<Env>;
static_assert(Module<FrozenNorm, Env> && Block<Still, true>::trains && !Block<Still, false>::trains);
static_assert(!std::is_empty_v<FrozenNorm::Saved<Learn<false>>> && FrozenNorm::uses_input<Learn<false>>);
static_assert(std::is_empty_v<FrozenBoth::Saved<Learn<false>>> && !std::is_empty_v<FrozenBoth::Saved<Learn<true>>> &&
              !FrozenBoth::uses_input<Learn<true>>);
static_assert(std::is_empty_v<FrozenNorm::Saved<Infer>>);
}  // namespace

TEST_CASE("gradients of residuals") {
  gradients::right_both<Residual<Tuned>>(4);
  gradients::right_both<Residual<Still>>(4);
  gradients::right_both<Residual<Then<Tuned, Activation<Gelu>>>>(4);
  gradients::right_both<Residual<Residual<Tuned>>>(4);
  gradients::right_both<Residual<Dropped<Tuned>>>(4, 0.3f);
  gradients::right_both<Then<Still, Residual<Tuned>>>(4);
}

TEST_CASE("gradients of add and norm, in every combination of what trains") {
  gradients::right_both<Block<Tuned, true>>(4);
  gradients::right_both<Block<Tuned, false>>(4);
  gradients::right_both<Block<Still, true>>(4);
  gradients::right_both<Block<Still, false>>(4);
  gradients::right_both<Block<Dropped<Then<Tuned, Activation<Gelu>>>, true>>(4, 0.3f);
}

TEST_CASE("x plus what the module makes of it; names are unchanged") {
  gradients::Bench<Residual<Tuned>> b({3}, 4);
  M::Saved<Infer> saved;
  M::Base::Saved<Infer> base;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved);
  const auto inner = static_cast<const M::Base&>(b.module).forward<Infer>(b.env, b.x, base);
  for (Index i = 0; i < 12; ++i) CHECK(y.data()[i] == b.x.data()[i] + inner.data()[i]);
  std::string names;
  for (const auto& l : leaves<M, Env>(b.module)) names += l.name + " ";
  const Block<Tuned, true>::On<Env> block;
  for (const auto& l : leaves<Block<Tuned, true>::On<Env>, Env>(block)) names += l.name + " ";
  CHECK(names == "weight bias weight bias norm.weight norm.bias ");
}
