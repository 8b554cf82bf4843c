#include "towpath/nn/gate.hpp"
#include "towpath/nn/attention.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/under.hpp"

#include "gradients.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Inner = Linear<4, 3>;
using Arch = Gate<Inner, 4, 3>;
using M = Arch::On<Env>;
static_assert(Module<M, Env> && std::is_empty_v<M::Saved<Infer>> && M::uses_input<Learn<false>>);
static_assert(needs_all<M> && needs_all<Chain<Linear<4, 4>, Arch>::On<Env>> && !needs_all<Inner::On<Env>>);

struct Table {
  static constexpr bool trains = true;
  template <class E>
  struct On {
    static constexpr bool trains = true;
    Tensor<E> key{2, 4}, value{2, 4};
    struct Grads {
      Tensor<E> key{2, 4}, value{2, 4};
    };
    View<E> keys() const { return key; }
    View<E> values() const { return value; }
    static Writable<E> keys(Grads& g) { return g.key; }
    static Writable<E> values(Grads& g) { return g.value; }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "key", Trainable{start::normal(0.5f)}, ms.key...);
      f(at / "value", Trainable{start::normal(0.5f)}, ms.value...);
    }
  };
};
using Still = Linear<4, 4, Leaf::frozen>;
template <class Prefix, class Q = Still>
using Attention = SelfAttention<2, Under<"q", Q>, Under<"k", Q>, Under<"v", Q>, Prefix>;
}  // namespace

TEST_CASE("gradients of a gate") {
  gradients::right_both<Arch>(4);
  gradients::right_both<Chain<Linear<4, 4>, Arch>>(4);
  gradients::right_both<Gate<Linear<4, 3, Leaf::frozen>, 4, 3>>(4);
}

TEST_CASE("gradients of a gated prefix") {
  gradients::right_both<Attention<PrefixGate<Table, 4>>>(4);
  gradients::right_both<Attention<PrefixGate<Table, 4>, Linear<4, 4>>>(4, 0.3f);
}

TEST_CASE("each text by its own number, the mean of its tokens'") {
  gradients::Bench<Arch> b({2, 0, 1}, 4);
  M::Saved<Infer> saved;
  Inner::On<Env>::Saved<Infer> none;
  for (Index j = 0; j < 4; ++j) b.module.gate.weight.data()[j] = 0.7 * static_cast<double>(j) - 1;
  b.module.gate.bias.data()[0] = 0.2;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved), plain = b.module.inner.forward<Infer>(b.env, b.x, none);
  double open[3];
  for (Index t = 0; t < 3; ++t) {
    double z = 0.2;
    for (Index j = 0; j < 4; ++j) z += b.x.view().row(t)[j] * (0.7 * static_cast<double>(j) - 1);
    open[t] = 1 / (1 + std::exp(-z));
  }
  open[0] = open[1] = (open[0] + open[1]) / 2;
  for (Index i = 0; i < 9; ++i) CHECK(y.data()[i] == doctest::Approx(open[i / 3] * plain.data()[i]).epsilon(1e-12));
}

TEST_CASE("a gate that is wide open leaves the prefix as it is") {
  gradients::Bench<Attention<PrefixGate<Table, 4>>> b({3, 0, 1}, 4);
  gradients::Bench<Attention<Table>> plain({3, 0, 1}, 4);
  auto& prefix = b.module.prefix;
  prefix.gate.weight.clear();
  prefix.gate.bias.data()[0] = 60;
  plain.module.prefix.key = prefix.inner.key.copy();
  plain.module.prefix.value = prefix.inner.value.copy();
  decltype(b)::On::Saved<Infer> one;
  decltype(plain)::On::Saved<Infer> two;
  const auto y = b.module.forward<Infer>(b.env, b.input(), one), z = plain.module.forward<Infer>(plain.env, plain.input(), two);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == doctest::Approx(z.data()[i]).epsilon(1e-12));
}
