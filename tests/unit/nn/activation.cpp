#include "towpath/nn/activation.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <type_traits>

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
