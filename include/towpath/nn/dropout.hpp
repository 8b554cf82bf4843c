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

    template <class Pass>
    static Mask draw(Env& env, Saved<Pass>& saved) {
      const Mask mask = env.mask();
      if constexpr (keeps<Pass>) saved.mask = mask;
      return mask;
    }
    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      const Base& inner = *this;
      if constexpr (Pass::random) {
        const Mask mask = draw<Pass>(env, saved);
        if (mask.rate != 0) {
          Tensor<Env> y = inner.template forward<Pass>(env, x, saved.inner);
          op::dropout(env, mask, y);
          op::finish(env, y, finish);
          return y;
        }
      }
      return forward_to<Pass>(inner, env, x, saved.inner, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      const Base& inner = *this;
      Tensor<Env> dropped;
      if (saved.mask.rate != 0) {
        dropped = op::copy(env, dy);
        op::dropout(env, saved.mask, dropped);
        dy = dropped;
      }
      return backward_to<Pass>(inner, env, dy, x, saved.inner, g, finish);
    }
  };
};

// DroppedInput<M>: y = M(mask ⊙ x / (1 - rate)), M's input alone: what else reads x reads all of it. Nothing is kept but the mask's
// position: backward drops x, which its owner hands back, once more.
template <class M>
struct DroppedInput {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using typename Base::Grads;
    template <class Pass>
    using Saved = typename Dropped<M>::template On<Env>::template Saved<Pass>;

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      const Base& inner = *this;
      if constexpr (Pass::random) {
        const Mask mask = Dropped<M>::template On<Env>::template draw<Pass>(env, saved);
        if (mask.rate != 0) return forward_to<Pass>(inner, env, like(x, dropped(env, mask, x)), saved.inner, finish);
      }
      return forward_to<Pass>(inner, env, x, saved.inner, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      const Base& inner = *this;
      if (saved.mask.rate == 0) return backward_to<Pass>(inner, env, dy, x, saved.inner, g, finish);
      Tensor<Env> again;
      if (!View<Env>(x).empty()) again = dropped(env, saved.mask, x);
      InputGradient<Env, Pass> dx = inner.template backward<Pass>(env, dy, like(x, again), saved.inner, g);
      if constexpr (Pass::wants_input) {
        op::dropout(env, saved.mask, dx);
        op::finish(env, dx, finish);
      }
      return dx;
    }

  private:
    static Tensor<Env> dropped(Env& env, Mask mask, View<Env> x) {
      Tensor<Env> y = op::copy<Env>(env, x);
      op::dropout(env, mask, y);
      return y;
    }
  };
};

}  // namespace towpath
