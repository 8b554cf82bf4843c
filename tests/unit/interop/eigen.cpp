#include "towpath/interop/eigen.hpp"

#include "towpath/autodiff/check.hpp"
#include "towpath/autodiff/visit.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Env = Cpu<double>;

// y = x W + sin(x) ⊙ g, written in Eigen alone.
template <Index n>
struct Wave {
  static constexpr bool trains = true;
  template <class E>
  struct On {
    static constexpr bool trains = true;
    Tensor<E> weight{n, n}, gain{n};
    struct Grads {
      Tensor<E> weight{n, n}, gain{n};
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;
    template <class Pass>
    Tensor<E> forward(E& env, View<E> x, Saved<Pass>&) const {
      const auto in = eigen(x);
      return evaluated(env, in * eigen(weight) + (in.array().sin().matrix() * eigen(gain).row(0).asDiagonal()));
    }
    template <class Pass>
    InputGradient<E, Pass> backward(E& env, View<E> dy, View<E> x, const Saved<Pass>&, Grads& g) const {
      const auto in = eigen(x), d = eigen(dy);
      eigen(g.weight) += in.transpose() * d;
      eigen(g.gain).row(0) += (in.array().sin() * d.array()).matrix().colwise().sum();
      if constexpr (Pass::wants_input)
        return evaluated(env, d * eigen(weight).transpose() + ((d * eigen(gain).row(0).asDiagonal()).array() * in.array().cos()).matrix());
      else return {};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "weight", Trainable{start::normal(0.3f)}, ms.weight...);
      f(at / "gain", Trainable{start::ones}, ms.gain...);
    }
  };
};
}  // namespace

TEST_CASE("a view, its stride included, is an Eigen matrix of the same memory") {
  double numbers[] = {1, 2, -1, 3, 4, -1, 5, 6, -1};
  const auto m = eigen(BasicView<double>(numbers, 3, 2, 3));
  CHECK(m.rows() == 3);
  CHECK(m(2, 1) == 6);
  eigen(BasicView<double>(numbers, 3, 2, 3))(1, 0) = 7;
  CHECK(numbers[3] == 7);
  CHECK(eigen(BasicView<const double>(numbers, 3, 2, 3)).sum() == 1 + 2 + 7 + 4 + 5 + 6);
}

TEST_CASE("an expression becomes a tensor of the pool, and equals the operation") {
  Env env({.threads = 1});
  Tensor<Env> a(5, 7), b(3, 7);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = 0.1 * static_cast<double>(i % 11) - 0.4;
  for (Index i = 0; i < b.size(); ++i) b.data()[i] = 0.2 * static_cast<double>(i % 5) - 0.3;
  const Tensor<Env> y = evaluated(env, eigen(a) * eigen(b).transpose()), z = op::nt<Env>(env, a, b);
  REQUIRE(y.rows() == 5);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == doctest::Approx(z.data()[i]).epsilon(1e-14));
}

TEST_CASE("a module in plain Eigen composes with ours, and its gradients are right") {
  using Both = Chain<Wave<6>, Linear<6, 4, Leaf::trained, Leaf::trained>, Wave<4>>;
  CHECK(check_gradients<Both, Learn<true>>(3, {.lengths = {2, 3}, .width = 6}).worst < 1e-7);
  CHECK(check_gradients<Both, Learn<false>>(4, {.lengths = {1}, .width = 6}).worst < 1e-7);
}
