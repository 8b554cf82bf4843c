#include "towpath/nn/attention.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/under.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Tuned = Linear<6, 6>;
using Still = Linear<6, 6, Leaf::frozen>;
using BiasOnly = Linear<6, 6, Leaf::frozen, Leaf::trained>;

// Two rows before the keys and values of every sequence.
template <bool trained>
struct Rows2 {
  static constexpr bool trains = trained;
  template <class E>
  struct On {
    static constexpr bool trains = trained;
    Weight<E, trained> key{2, 6}, value{2, 6};
    template <class Tag>
    using Gradient = If<trained, Tensor<E>, Tag>;
    struct Grads {
      [[no_unique_address]] Gradient<tag::weight> key = blank<Gradient<tag::weight>>(2, 6);
      [[no_unique_address]] Gradient<tag::bias> value = blank<Gradient<tag::bias>>(2, 6);
    };
    View<E> keys() const { return key; }
    View<E> values() const { return value; }
    static Writable<E> keys(Grads& g) {
      if constexpr (trained) return g.key;
      else return static_cast<void>(g), Writable<E>{};
    }
    static Writable<E> values(Grads& g) {
      if constexpr (trained) return g.value;
      else return static_cast<void>(g), Writable<E>{};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "prefix_key", Trained<trained>{start::normal(0.5f)}, ms.key...);
      f(at / "prefix_value", Trained<trained>{start::normal(0.5f)}, ms.value...);
    }
  };
};

template <class Q, class K, class V, class Prefix = NoPrefix, Index heads = 2>
using Attention = SelfAttention<heads, Under<"query", Q>, Under<"key", K>, Under<"value", V>, Prefix>;
using All = Attention<Tuned, Tuned, Tuned>;
using None = Attention<Still, Still, Still>;
using OnlyPrefix = Attention<Still, Still, Still, Rows2<true>>;

static_assert(Module<All::On<Env>, Env> && Module<None::On<Env>, Env> && Module<OnlyPrefix::On<Env>, Env>);
static_assert(All::trains && !None::trains && OnlyPrefix::trains && !Attention<Still, Still, Still, Rows2<false>>::trains);
static_assert(std::is_empty_v<All::On<Env>::Saved<Infer>> && std::is_empty_v<All::On<Env>::Saved<Rehearse>>);
static_assert(std::is_empty_v<None::On<Env>::Saved<Learn<false>>> && !std::is_empty_v<None::On<Env>::Saved<Learn<true>>>);
static_assert(std::is_empty_v<None::On<Env>::Grads>);
// Frozen projections do not read x in backward, wherever gradients go.
static_assert(All::On<Env>::uses_input<Learn<false>> && !None::On<Env>::uses_input<Learn<true>> && !OnlyPrefix::On<Env>::uses_input<Learn<true>>);
static_assert(Attention<BiasOnly, Still, Still>::trains && !Attention<BiasOnly, Still, Still>::On<Env>::uses_input<Learn<true>>);
}  // namespace

TEST_CASE("gradients, whichever parts train") {
  gradients::right_both<All>(6);
  gradients::right_both<None>(6);
  gradients::right_both<Attention<Tuned, Still, BiasOnly>>(6);
  gradients::right_both<Attention<Still, Tuned, Still>>(6);
}

TEST_CASE("gradients with a prefix, trained and frozen; with dropout") {
  gradients::right_both<OnlyPrefix>(6);
  gradients::right_both<OnlyPrefix>(6, 0.3f);
  gradients::right_both<Attention<Tuned, Tuned, Tuned, Rows2<false>>>(6, 0.3f);
  gradients::right_both<All>(6, 0.3f);
  gradients::right_both<Attention<Tuned, Tuned, Tuned, NoPrefix, 3>>(6);
}

TEST_CASE("a sequence of one token attends to itself: its output is its value, in every head") {
  gradients::Bench<All> b({1, 1, 1}, 6);
  All::On<Env>::Saved<Infer> saved;
  All::On<Env>::ValueOn::Saved<Infer> value;
  CHECK(gradients::same_bits(b.module.forward<Infer>(b.env, b.input(), saved), b.module.value.forward<Infer>(b.env, b.input(), value)));
}

TEST_CASE("sequences do not see each other: permuting them permutes the outputs") {
  gradients::Bench<Attention<Tuned, Tuned, Tuned, Rows2<true>>> b({3, 1, 4}, 6);
  using M = Attention<Tuned, Tuned, Tuned, Rows2<true>>::On<Env>;
  M::Saved<Infer> saved;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved);
  const Index order[] = {4, 5, 6, 7, 0, 1, 2, 3};  // the third, the first, the second
  Tensor<Env> moved(8, 6);
  for (Index r = 0; r < 8; ++r)
    for (Index c = 0; c < 6; ++c) moved.data()[r * 6 + c] = b.x.data()[order[r] * 6 + c];
  const Sequences other{{0, 4, 7, 8}};
  const auto z = b.module.forward<Infer>(b.env, Tokens<Env>{moved, &other}, saved);
  for (Index r = 0; r < 8; ++r)
    for (Index c = 0; c < 6; ++c) CHECK(std::fabs(z.data()[r * 6 + c] - y.data()[order[r] * 6 + c]) < tolerance::same_in_double);
}

TEST_CASE("within a sequence, permuting tokens permutes the outputs (there are no positions here)") {
  gradients::Bench<All> b({5}, 6);
  All::On<Env>::Saved<Infer> saved;
  const auto y = b.module.forward<Infer>(b.env, b.input(), saved);
  Tensor<Env> reversed(5, 6);
  for (Index r = 0; r < 5; ++r)
    for (Index c = 0; c < 6; ++c) reversed.data()[r * 6 + c] = b.x.data()[(4 - r) * 6 + c];
  const auto z = b.module.forward<Infer>(b.env, Tokens<Env>{reversed, &b.sequences}, saved);
  for (Index r = 0; r < 5; ++r)
    for (Index c = 0; c < 6; ++c) CHECK(std::fabs(z.data()[r * 6 + c] - y.data()[(4 - r) * 6 + c]) < tolerance::same_in_double);
}

TEST_CASE("a prefix changes the output, and is seen by every token of every sequence") {
  gradients::Bench<OnlyPrefix> b({2, 1}, 6);
  OnlyPrefix::On<Env>::Saved<Infer> saved;
  const auto before = b.module.forward<Infer>(b.env, b.input(), saved);
  for (Index i = 0; i < 12; ++i) b.module.prefix.value.data()[i] += 1;
  const auto after = b.module.forward<Infer>(b.env, b.input(), saved);
  for (Index i = 0; i < 18; ++i) {
    CHECK(after.data()[i] > before.data()[i]);      // some share of the softmax goes to the prefix …
    CHECK(after.data()[i] < before.data()[i] + 1);  // … and not all of it
  }
}

TEST_CASE("names are the parts' own") {
  std::string names;
  const OnlyPrefix::On<Env> m;
  for (const auto& l : leaves<OnlyPrefix::On<Env>, Env>(m)) names += l.name + (l.trains ? "* " : " ");
  CHECK(names == "query.weight query.bias key.weight key.bias value.weight value.bias prefix_key* prefix_value* ");
}

TEST_CASE("a steady step takes nothing new from the pool, gives the same bits again, and the same on two threads") {
  using Arch = Attention<Tuned, Tuned, Tuned, Rows2<true>>;
  using M = Arch::On<Env>;
  Tensor<Env> first, first_key;
  for (const Index threads : {1, 2}) {
    gradients::Bench<Arch> b({9, 1, 30}, 6, 0.2f, threads);
    M::Saved<Learn<true>> saved;
    const auto dy = b.drawn(40, 6, 6);
    std::size_t warm = 0;
    for (int step = 0; step < 6; ++step) {
      M::Grads g;
      b.env.position(0);
      b.module.forward<Learn<true>>(b.env, b.input(), saved);
      const auto dx = b.module.backward<Learn<true>>(b.env, dy, b.input(), saved, g);
      if (first.empty()) first = dx.copy(), first_key = g.prefix.key.copy();
      if (step == 1) warm = b.env.pool().fetched();
      CHECK(gradients::same_bits(dx, first));
      CHECK(gradients::same_bits(g.prefix.key, first_key));
    }
    // how many pieces of scratch two threads hold at once depends on when they run
    CHECK(b.env.pool().fetched() <= warm + (threads > 1 ? 6 : 0));
  }
}
