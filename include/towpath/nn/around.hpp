#pragma once

#include "towpath/autodiff/module.hpp"

namespace towpath {

// Around<Base, M>: y = M(Base, x), for an M that needs Base's own parameters (its frozen weight, say) and not only its result. M's forward
// and backward take Base as one more argument after the environment, backward also Base's gradients before M's; everything that is kept is
// M's.
template <class Base, class M>
struct Around {
  static constexpr bool trains = Base::trains || M::trains;

  template <class Env>
  struct On {
    using A = typename Base::template On<Env>;
    using B = typename M::template On<Env>;
    static constexpr bool trains = Around::trains;

    A main;
    [[no_unique_address]] B branch;

    struct Grads {
      [[no_unique_address]] typename A::Grads main;
      [[no_unique_address]] typename B::Grads branch;
    };
    template <class Pass>
    static constexpr bool uses_input = B::template uses_input<Pass>;
    template <class Pass>
    using Saved = typename B::template Saved<Pass>;

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      return branch.template forward<Pass>(env, main, x, saved, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      return branch.template backward<Pass>(env, main, dy, x, saved, g.main, g.branch, finish);
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      A::visit(f, at, ms.main...);
      B::visit(f, at, ms.branch...);
    }
  };
};

}  // namespace towpath
