#include "towpath/nn/feed_forward.hpp"

#include "gradients.hpp"
#include "towpath/nn/beside.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/under.hpp"

#include <doctest/doctest.h>

using namespace towpath;
using namespace towpath::gradients;

namespace {
template <Leaf leaf>
using Up = Under<"up", Linear<6, 20, leaf, leaf>>;
template <Leaf leaf>
using Down = Under<"down", Linear<20, 6, leaf, leaf>>;
template <Leaf leaf, class F = Gelu>
using Ffn = FeedForward<Activated<Up<leaf>, F, 20>, Dropped<Down<leaf>>>;
template <Leaf leaf>
using Apart = Then<Activated<Up<leaf>, Gelu, 20>, Dropped<Down<leaf>>>;
struct Odd {  // a function of a user's own: nothing to join
  template <class T>
  static T value(const T& x) {
    return x * x * x;
  }
  template <class T>
  static T slope(const T& x) {
    return T(3) * x * x;
  }
};

// What comes out and what comes back, for the module as it is and as a plain chain.
template <class M>
std::pair<Tensor<Cpu<double>>, Tensor<Cpu<double>>> both_ways(float dropout) {
  Bench<M> b({3, 1, 150}, 6, dropout);
  typename Bench<M>::On::template Saved<Learn<true>> saved;
  typename Bench<M>::On::Grads grads;
  Tensor<Cpu<double>> y = b.module.template forward<Learn<true>>(b.env, b.x.view(), saved);
  const auto dy = Bench<M>::drawn(y.rows(), y.columns(), 8);
  return {std::move(y), b.module.template backward<Learn<true>>(b.env, dy, b.x.view(), saved, grads)};
}
}  // namespace

TEST_CASE("gradients: joined, with trained projections, with a function of one's own, with dropout") {
  right<Ffn<Leaf::frozen>, Learn<true>>(6);
  right_both<Ffn<Leaf::trained>>(6);
  right<Ffn<Leaf::frozen, Odd>, Learn<true>>(6);
  right<Ffn<Leaf::frozen>, Learn<true>>(6, 0.3f);
  using Delta = Under<"delta", Linear<6, 20, Leaf::trained, Leaf::absent>>;
  right_both<FeedForward<Activated<Beside<Up<Leaf::frozen>, Delta>, Gelu, 20>, Dropped<Down<Leaf::frozen>>>>(6);
}

TEST_CASE("joined, the two products give the bits that they give one after the other, with and without dropout") {
  for (const float dropout : {0.0f, 0.3f}) {
    const auto [y, dx] = both_ways<Ffn<Leaf::frozen>>(dropout);
    const auto [y_apart, dx_apart] = both_ways<Apart<Leaf::frozen>>(dropout);
    CHECK(same_bits(y, y_apart));
    CHECK(same_bits(dx, dx_apart));
  }
}

TEST_CASE("joined means by type: frozen projections that stand alone, and nobody who keeps the hidden units") {
  using Env = Cpu<double>;
  CHECK(Ffn<Leaf::frozen>::On<Env>::joined<Learn<true>>);
  CHECK(Ffn<Leaf::frozen>::On<Env>::joined<Infer>);
  CHECK_FALSE(Ffn<Leaf::trained>::On<Env>::joined<Learn<true>>);
  CHECK_FALSE(Ffn<Leaf::frozen, Odd>::On<Env>::joined<Learn<true>>);
}
