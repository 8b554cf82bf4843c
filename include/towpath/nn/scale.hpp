#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Under a ratio of whole numbers: the denominator, or its root.
enum class Divisor { number, root };

// Scaled<M, numerator, denominator>: y = (numerator / denominator) M(x); with Divisor::root, (numerator / √denominator) M(x). Whole numbers,
// since C++20 on every compiler we support has no floating template arguments.
template <class M, Index numerator, Index denominator = 1, Divisor of = Divisor::number>
struct Scaled {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using Scalar = typename Env::Scalar;
    using typename Base::Grads;
    template <class Pass>
    using Saved = typename Base::template Saved<Pass>;
    static constexpr Scalar divisor = static_cast<Scalar>(denominator);
    static constexpr Scalar factor = static_cast<Scalar>(numerator) / (of == Divisor::root ? start::root(divisor) : divisor);

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      Tensor<Env> y = Base::template forward<Pass>(env, x, saved);
      op::scale(env, factor, y);
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g) const {
      Tensor<Env> d = op::copy(env, dy);
      op::scale(env, factor, d);
      return Base::template backward<Pass>(env, d, x, saved, g);
    }
  };
};

}  // namespace towpath
