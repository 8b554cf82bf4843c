#include "towpath/nn/segments.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Tuned = Then<Linear<3, 3>, Activation<Gelu>>;
using Still = Then<Linear<3, 3, Leaf::frozen>, Activation<Gelu>>;
using TopTwo = Segments<Repeat<3, Still>, Repeat<2, Tuned>>;
using Three = Segments<Repeat<1, Tuned>, Repeat<2, Still>, Repeat<1, Tuned>>;

static_assert(TopTwo::layers == 5 && Three::layers == 4 && Segments<Repeat<7, Still>>::layers == 7 && TopTwo::trains);
static_assert(Module<TopTwo::On<Env>, Env> && Module<Three::On<Env>, Env> && Module<Segments<Repeat<2, Still>>::On<Env>, Env>);
// Below the lowest segment that trains there is nothing to keep and no backward.
using M = TopTwo::On<Env>;
static_assert(std::is_empty_v<decltype(M::Saved<Learn<false>>::first)> && !std::is_empty_v<decltype(M::Saved<Learn<false>>::second)>);
static_assert(std::is_empty_v<M::First::Grads> && std::is_same_v<M::Below<Learn<false>>, Rehearse> && std::is_same_v<M::Over<Learn<false>>, Learn<false>>);
static_assert(!M::uses_input<Learn<false>>);
static_assert(!std::is_empty_v<decltype(M::Saved<Learn<true>>::first)>);  // unless somebody further down wants a gradient
static_assert(std::is_empty_v<M::Saved<Infer>> && std::is_empty_v<M::Saved<Rehearse>>);
static_assert(std::is_empty_v<Segments<Repeat<3, Still>, Repeat<2, Still>>::On<Env>::Saved<Learn<false>>>);
// Above one that trains, a frozen segment hands the gradient down.
static_assert(std::is_same_v<Three::On<Env>::Over<Learn<false>>, Learn<true>>);
}  // namespace

TEST_CASE("layers are numbered through") {
  std::string names;
  const TopTwo::On<Env> m;
  for (const auto& l : leaves<TopTwo::On<Env>, Env>(m)) names += l.name + (l.trains ? "* " : " ");
  CHECK(names == "0.weight 0.bias 1.weight 1.bias 2.weight 2.bias 3.weight* 3.bias* 4.weight* 4.bias* ");
  names.clear();
  const Three::On<Env> three;
  for (const auto& l : leaves<Three::On<Env>, Env>(three)) names += l.name.substr(0, 1);
  CHECK(names == "00112233");
}

TEST_CASE("gradients of segments frozen below, in the middle and above") {
  gradients::right_both<TopTwo>(3);
  gradients::right_both<Three>(3);
  gradients::right_both<Segments<Repeat<2, Tuned>, Repeat<2, Still>>>(3);
  gradients::right_both<Segments<Repeat<2, Tuned>>>(3);
}
