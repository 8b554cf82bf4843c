#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/functions.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Activation<F>: y = F(x), element by element; dx = dy ⊙ F'(x). F is one of Gelu, GeluTanh, Relu, Tanh, Silu, or any struct with
// such a value and slope.
template <class F>
struct Activation {
  static constexpr bool trains = false;

  template <class Env>
  struct On {
    static constexpr bool trains = false;
    struct Grads {};
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::wants_input;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {            // [T, n] -> [T, n]
      return op::unary<F>(env, x);
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads&) const {
      if constexpr (Pass::wants_input) return op::unary_backward<F>(env, dy, x);
      else return {};
    }
    template <class G, class... Ms>
    static constexpr void visit(G&&, const Path&, Ms&...) {}
  };
};

}  // namespace towpath
