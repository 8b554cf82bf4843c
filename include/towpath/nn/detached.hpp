#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Detached<M>: y = M(x), and to backward x is a constant: M's own parameters get their gradients, whoever is below gets none from here. Not
// the gradient of anything, on purpose: in Beside<Detached<Main>, Branch> gradients travel through the branch alone. An M that does not
// train then has no backward and keeps nothing, wherever it stands.
template <class M>
struct Detached {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using typename Base::Grads;
    template <class Pass>
    using Inner = PassFor<Base, std::conditional_t<Pass::learns, Learn<false>, Pass>>;
    template <class Pass>
    static constexpr bool uses_input = Base::template uses_input<Inner<Pass>>;
    template <class Pass>
    using Saved = typename Base::template Saved<Inner<Pass>>;

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      return forward_to<Inner<Pass>>(static_cast<const Base&>(*this), env, x, saved, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      if constexpr (Base::trains) static_cast<const Base&>(*this).template backward<Learn<false>>(env, dy, x, saved, g);
      if constexpr (Pass::wants_input) return nothing<Pass>(env, dy, x, finish);
      else return {};
    }

  private:
    // Zeros and what is added to them. A module that narrows adds a row for each sequence to a row for each token. M is of one width where
    // nothing is added.
    template <class Pass, class X>
    static Tensor<Env> nothing(Env& env, View<Env> dy, const X& x, const op::FinishOf<Env>& finish) {
      const Index columns = finish.plus.empty() ? dy.columns : finish.plus.columns;
      if constexpr (narrows<X> && looks_across<Base>) {
        auto dx = op::zeros(env, x.all.sequences->tokens(), columns);
        if (!finish.plus.empty()) op::add_firsts<Env>(env, finish.plus, *x.all.sequences, dx);
        return dx;
      } else {
        auto dx = op::zeros(env, dy.rows, columns);
        op::finish<Env>(env, dx, finish);
        return dx;
      }
    }
  };
};

}  // namespace towpath
