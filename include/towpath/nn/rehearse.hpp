#pragma once

#include "towpath/autodiff/module.hpp"

namespace towpath {

// Checkpoint<M>: M, computed twice instead of remembered (Chen et al. 2016). Forward keeps the input alone and the position of the
// random stream; backward runs M's forward again from there, with the same dropout, then M's backward.
template <class M>
struct Checkpoint {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using typename Base::Grads;

    template <class Pass>
    static constexpr bool uses_input = active<Base, Pass>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] If<active<Base, Pass>, std::uint64_t, tag::position> position{};
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      using Once = std::conditional_t<Pass::learns, Rehearse, Pass>;
      if constexpr (active<Base, Pass>) saved.position = env.position();
      typename Base::template Saved<Once> none;
      return Base::template forward<Once>(env, x, none);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g) const {
      const std::uint64_t now = env.position();
      env.position(saved.position);
      typename Base::template Saved<Pass> again;
      Base::template forward<Pass>(env, x, again);
      env.position(now);
      return Base::template backward<Pass>(env, dy, x, again, g);
    }
  };
};

}  // namespace towpath
