#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Gain<name, n>: y = x ⊙ g, one learned factor for each column; x, y [T, n], g [1, n] starting at one, where y is x bit for bit.
//   dg = Σ_t dy ⊙ x,  dx = dy ⊙ g
template <fixed_string name, Index width>
struct Gain {
  static constexpr bool trains = true;

  template <class Env>
  struct On {
    static constexpr bool trains = true;
    Tensor<Env> gain{width};
    struct Grads {
      Tensor<Env> gain{width};
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {
      return op::scale_columns<Env>(env, x, gain);
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads& g) const {
      op::column_dots_add<Env>(env, dy, x, g.gain);
      if constexpr (Pass::wants_input) return op::scale_columns<Env>(env, dy, gain);
      else return {};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / name.view(), Trainable{start::ones}, ms.gain...);
    }
  };
};

}  // namespace towpath
