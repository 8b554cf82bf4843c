#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/functions.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/nn/chain.hpp"

#include <type_traits>

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

namespace detail {
template <class M, class F, Index width>
struct Fused {
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
      [[no_unique_address]] If<keeps<Pass>, Tensor<Env>, tag::slope> slope;                            // F'(M(x)) [T, n], or in bf16
    };

    static constexpr Function function = function_of<F>;
    // What the projection's product is to do at its end, with room for F' where it is kept.
    template <class Pass>
    static op::FinishOf<Env> first_finish(Env& env, Index rows, Saved<Pass>& saved) {
      op::FinishOf<Env> finish;
      finish.function = function;
      if constexpr (keeps<Pass>) {
        finish.half = op::rounds(env) && width > 1;
        saved.slope = env.template take<Env>(rows, finish.half ? (width + 1) / 2 : width);
        finish.slope = saved.slope;
      }
      return finish;
    }

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      const op::FinishOf<Env> finish = first_finish<Pass>(env, View<Env>(x).rows, saved);
      return forward_to<Pass>(static_cast<const Base&>(*this), env, x, saved.inner, finish);
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      Tensor<Env> d = op::copy<Env>(env, dy);
      op::finish(env, d, gate<Pass>(saved));
      return backward_gated<Pass>(env, d, x, saved, g, finish);
    }
    // In two parts: whoever computes dy may finish it with `gate` in the same breath and then call the rest.
    template <class Pass>
      requires keeps<Pass>
    op::FinishOf<Env> gate(const Saved<Pass>& saved) const {
      op::FinishOf<Env> finish;
      finish.gate = saved.slope;
      finish.half = saved.slope.columns() != width;
      return finish;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward_gated(Env& env, View<Env> d, const X& x, Saved<Pass>& saved, Grads& g,
                                            const op::FinishOf<Env>& finish) const {
      return backward_to<Pass>(static_cast<const Base&>(*this), env, d, x, saved.inner, g, finish);
    }
  };
};
}  // namespace detail

// Activated<M, F, n>: y = F(M(x)), M a projection [T, m] -> [T, n]: the product applies F to its result while it is at hand and, where a gradient will come back,
// keeps F' there instead of its argument. A function of the user's own follows as a module of its own.
template <class M, class F, Index width>
using Activated = std::conditional_t<function_of<F> != Function::none, detail::Fused<M, F, width>, Then<M, Activation<F>>>;

}  // namespace towpath
