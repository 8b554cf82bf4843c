#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Dropped<M>: y = mask ⊙ M(x) / (1 - rate) (Srivastava et al. 2014), the rate being the environment's. The mask is a function of
// its position in the random stream; that position is all that is kept, and Infer draws none.
template <class M>
struct Dropped {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using typename Base::Grads;

    template <class Pass>
    static constexpr bool keeps = active<Base, Pass>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Base::template Saved<Pass> inner;
      [[no_unique_address]] If<keeps<Pass>, Mask, tag::mask> mask;
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      Tensor<Env> y = Base::template forward<Pass>(env, x, saved.inner);
      if constexpr (Pass::random) {
        const Mask mask = env.mask();
        op::dropout(env, mask, y);
        if constexpr (keeps<Pass>) saved.mask = mask;
      }
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, const Saved<Pass>& saved, Grads& g) const {
      if (saved.mask.rate == 0) return Base::template backward<Pass>(env, dy, x, saved.inner, g);
      Tensor<Env> dropped = op::copy(env, dy);
      op::dropout(env, saved.mask, dropped);
      return Base::template backward<Pass>(env, dropped, x, saved.inner, g);
    }
  };
};

}  // namespace towpath
