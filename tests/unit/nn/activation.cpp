#include "towpath/nn/activation.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using M = Activation<Gelu>::On<Env>;
static_assert(Module<M, Env> && !M::trains && std::is_empty_v<M> && std::is_empty_v<M::Grads>);
static_assert(std::is_empty_v<M::Saved<Learn<true>>> && std::is_empty_v<M::Saved<Infer>>);
static_assert(M::uses_input<Learn<true>> && !M::uses_input<Learn<false>> && !M::uses_input<Infer> && !M::uses_input<Rehearse>);
static_assert(parameters<Activation<Gelu>>().total == 0);

struct Cube {  // one of the user's own
  template <class T>
  static T value(const T& x) {
    return x * x * x;
  }
  template <class T>
  static T slope(const T& x) {
    return T(3) * x * x;
  }
};
}  // namespace

TEST_CASE_TEMPLATE("gradients of each function", F, Gelu, GeluTanh, Relu, Tanh, Silu, Cube) { gradients::right<Activation<F>>(9); }

TEST_CASE("element by element, in the shape of its input") {
  gradients::Bench<Activation<Cube>> b({2, 1}, 4);
  Activation<Cube>::On<Env>::Saved<Infer> saved;
  const auto y = b.module.forward<Infer>(b.env, b.x, saved);
  CHECK(y.rows() == 3);
  CHECK(y.columns() == 4);
  for (Index i = 0; i < 12; ++i) CHECK(y.data()[i] == doctest::Approx(b.x.data()[i] * b.x.data()[i] * b.x.data()[i]));
}

TEST_CASE("a slope takes half the room where frozen weights are in bf16, and gradients differ by its rounding at most") {
  using Hidden = Activated<Linear<6, 21, Leaf::frozen>, Gelu, 21>;
  const auto run = [](auto& env, Index& width) {
    using E = std::remove_reference_t<decltype(env)>;
    using On = typename Hidden::template On<E>;
    On m;
    initialise<On, E>(m, 4, Fill::everything);
    Tensor<E> x(5, 6), dy(5, 21);
    Random r(3, 0);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(50 * r.normal());
    for (Index i = 0; i < dy.size(); ++i) dy.data()[i] = static_cast<float>(r.normal());
    typename On::template Saved<Learn<true>> saved;
    typename On::Grads g;
    static_cast<void>(m.template forward<Learn<true>>(env, x.view(), saved));
    width = saved.slope.columns();
    const auto dx = m.template backward<Learn<true>>(env, dy, x.view(), saved, g);
    return std::vector<float>(dx.data(), dx.data() + dx.size());
  };
  Cpu<float> plain({.threads = 1});
  Cpu<float, bf16> rounding({.threads = 1});
  Index whole = 0, half = 0;
  const auto a = run(plain, whole), b = run(rounding, half);
  CHECK(whole == 21);
  CHECK(half == 11);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::fabs(static_cast<double>(a[i] - b[i])));
    size = std::max(size, std::fabs(static_cast<double>(a[i])));
  }
  CHECK(difference > 0);
  CHECK(difference < 0.02 * size);
}
