#include "towpath/nn/gain.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using M = Gain<"gain", 4>::On<Env>;
static_assert(Module<M, Env> && M::trains && std::is_empty_v<M::Saved<Learn<true>>>);
static_assert(M::uses_input<Learn<false>> && !M::uses_input<Rehearse>);
}  // namespace

TEST_CASE("gradients") { gradients::right_both<Gain<"gain", 4>>(4); }

TEST_CASE("each column times its factor; at the start, of one") {
  gradients::Bench<Gain<"gain", 4>> b({3}, 4);
  M::Saved<Infer> saved;
  CHECK(gradients::same_bits(b.module.forward<Infer>(b.env, b.x, saved), b.x));
  for (Index j = 0; j < 4; ++j) b.module.gain.data()[j] = static_cast<double>(j);
  const auto y = b.module.forward<Infer>(b.env, b.x, saved);
  for (Index i = 0; i < 12; ++i) CHECK(y.data()[i] == static_cast<double>(i % 4) * b.x.data()[i]);
}

TEST_CASE("the factors are named as the user says") {
  const M m;
  const auto list = leaves<M, Env>(m);
  REQUIRE(list.size() == 1);
  CHECK((list[0].name == "gain" && list[0].trains && list[0].columns() == 4));
}
