#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Beside<Main, Branch>: y = Main(x) + Branch(x). The one combinator behind a low-rank delta (Main a projection), a parallel
// adapter (Main a sub-layer) and the pathway (Main a sub-layer, a layer, or the whole stack). Both read the same x, which its
// owner keeps once if either wants it; the gradients of x add up.
template <class Main, class Branch>
struct Beside {
  static constexpr bool trains = Main::trains || Branch::trains;

  template <class Env>
  struct On {
    using A = typename Main::template On<Env>;
    using B = typename Branch::template On<Env>;
    static constexpr bool trains = Beside::trains, across = looks_across<A>, whole = needs_all<A> || needs_all<B>;

    A main;
    [[no_unique_address]] B branch;

    struct Grads {
      [[no_unique_address]] typename A::Grads main;
      [[no_unique_address]] typename B::Grads branch;
    };
    template <class Pass>
    static constexpr bool uses_input = A::template uses_input<PassFor<A, Pass>> || B::template uses_input<PassFor<B, Pass>>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename A::template Saved<PassFor<A, Pass>> main;
      [[no_unique_address]] typename B::template Saved<PassFor<B, Pass>> branch;
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, op::FinishOf<Env> finish = {}) const {
      op::FinishOf<Env> plus;
      plus.plus = finish.plus;
      const Tensor<Env> b = forward_to<PassFor<B, Pass>>(branch, env, x, saved.branch, plus);
      finish.plus = b;
      return forward_to<PassFor<A, Pass>>(main, env, x, saved.main, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g, op::FinishOf<Env> finish = {}) const {
      if constexpr (Pass::wants_input) {
        op::FinishOf<Env> plus;
        plus.plus = finish.plus;
        const Tensor<Env> db = backward_to<Pass>(branch, env, dy, x, saved.branch, g.branch, plus);
        finish.plus = db;
        return backward_to<Pass>(main, env, dy, x, saved.main, g.main, finish);
      } else {
        if constexpr (active<A, Pass>) main.template backward<Pass>(env, dy, x, saved.main, g.main);
        if constexpr (active<B, Pass>) branch.template backward<Pass>(env, dy, x, saved.branch, g.branch);
        return {};
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      A::visit(f, at, ms.main...);
      B::visit(f, at, ms.branch...);
    }
  };
};

}  // namespace towpath
