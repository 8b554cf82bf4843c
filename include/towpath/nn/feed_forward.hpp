#pragma once

#include "towpath/nn/activation.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/dropout.hpp"

namespace towpath {

// FeedForward<Hidden, Out>: y = Out(Hidden(x)), Hidden = F(x W_1ᵀ + b_1) [T, H] -> [T, F], Out [T, F] -> [T, H]. It is Then<Hidden, Out>. Where both
// projections are frozen and stand alone (no delta beside them, nothing between them, no dropout), nobody looks at the hidden units but
// these two products, so they are computed block by block and stay in the cache: in forward F'(…) is all that is kept, in backward
//   dx = ((dy W_2) ⊙ F') W_1.
template <class Hidden, class Out>
struct FeedForward {
  static constexpr bool trains = Hidden::trains || Out::trains;

  template <class Env>
  struct On : Then<Hidden, Out>::template On<Env> {
    using Base = typename Then<Hidden, Out>::template On<Env>;
    using typename Base::First;
    using typename Base::Grads;
    using typename Base::Second;
    template <class Pass>
    using Saved = typename Base::template Saved<Pass>;
    // two products and a function, and no reader of what is between them
    template <class Pass>
    static constexpr bool joined = requires(const First& a, const Second& b) {
      a.frozen_weight();
      First::function;
      b.frozen_weight();
    } && !Base::template keeps<Pass>;

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, op::FinishOf<Env> finish = {}) const {
      if constexpr (joined<Pass>) {
        if (!Pass::random || env.settings().dropout == 0) {
          if constexpr (Pass::random) Second::template draw<typename Base::template Over<Pass>>(env, saved.second);
          op::FinishOf<Env> inner = First::template first_finish<typename Base::template Below<Pass>>(env, View<Env>(x).rows, saved.first);
          inner.bias = this->first.frozen_bias();
          finish.bias = this->second.frozen_bias();
          return op::nt_nt<Env>(env, x, this->first.frozen_weight(), inner, this->second.frozen_weight(), finish);            // [T, H]
        }
      }
      return Base::template forward<Pass>(env, x, saved, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g, const op::FinishOf<Env>& finish = {}) const {
      if constexpr (joined<Pass> && Pass::wants_input) {
        if (saved.second.mask.rate == 0) {
          const op::FinishOf<Env> inner = this->first.template gate<typename Base::template Below<Pass>>(saved.first);
          return op::nn_nn<Env>(env, dy, this->second.frozen_weight(), inner, this->first.frozen_weight(), finish);           // [T, H]
        }
      }
      return Base::template backward<Pass>(env, dy, x, saved, g, finish);
    }
  };
};

}  // namespace towpath
