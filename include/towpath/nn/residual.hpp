#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/nn/chain.hpp"

namespace towpath {

// Residual<M>: y = x + M(x); dx = dy + dM.
template <class M>
struct Residual {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using typename Base::Grads;
    template <class Pass>
    using Saved = typename Base::template Saved<PassFor<Base, Pass>>;

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      op::FinishOf<Env> plus;
      plus.plus = View<Env>(x);
      return forward_to<PassFor<Base, Pass>>(static_cast<const Base&>(*this), env, x, saved, plus);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g, op::FinishOf<Env> finish = {}) const {
      Tensor<Env> sum;
      if (finish.plus.empty()) {
        finish.plus = dy;
      } else {
        sum = op::copy<Env>(env, finish.plus);
        op::add<Env>(env, dy, sum);
        finish.plus = sum;
      }
      return backward_to<Pass>(static_cast<const Base&>(*this), env, dy, x, saved, g, finish);
    }
  };
};

// AddNorm<Sub, Norm>: y = Norm(x + Sub(x)), the "Add & Norm" of post-norm transformers. The sum is kept if the norm's backward reads
// it; x itself only if Sub's does.
template <class Sub, class Norm>
struct AddNorm : Then<Residual<Sub>, Norm> {};

}  // namespace towpath
