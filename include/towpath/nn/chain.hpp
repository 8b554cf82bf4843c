#pragma once

#include "towpath/autodiff/module.hpp"

namespace towpath {

// y = x: what an empty chain is. (Only its type is used: containers leave it out.)
struct Identity {
  static constexpr bool trains = false;
};

// Then<A, B>: y = B(A(x)). B stands above A, so its pass also wants the gradient of its input if A trains; A(x) is kept only if
// B's backward reads it; where A and everything below is frozen, A has no backward.
template <class A, class B>
struct Then {
  static constexpr bool trains = A::trains || B::trains;

  template <class Env>
  struct On {
    using First = typename A::template On<Env>;
    using Second = typename B::template On<Env>;
    static constexpr bool trains = Then::trains;
    template <class Pass>
    using Below = PassFor<First, Pass>;
    template <class Pass>
    using Over = PassFor<Second, Above<Pass, First::trains>>;

    First first;
    [[no_unique_address]] Second second;

    struct Grads {
      [[no_unique_address]] typename First::Grads first;
      [[no_unique_address]] typename Second::Grads second;
    };
    template <class Pass>
    static constexpr bool uses_input = First::template uses_input<Below<Pass>>;
    template <class Pass>
    static constexpr bool keeps = Second::template uses_input<Over<Pass>>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename First::template Saved<Below<Pass>> first;
      [[no_unique_address]] typename Second::template Saved<Over<Pass>> second;
      [[no_unique_address]] If<keeps<Pass>, Tensor<Env>, tag::middle> middle;  // A(x)
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      Tensor<Env> middle = first.template forward<Below<Pass>>(env, x, saved.first);
      Tensor<Env> y = forward_to<Over<Pass>>(second, env, like(x, middle), saved.second, finish);
      if constexpr (keeps<Pass>) saved.middle = std::move(middle);
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, const Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      View<Env> middle;
      if constexpr (keeps<Pass>) middle = saved.middle;
      if constexpr (!active<First, Pass>) {
        second.template backward<Over<Pass>>(env, dy, like(x, middle), saved.second, g.second);
        return {};
      } else if constexpr (requires { first.template gate<Below<Pass>>(saved.first); }) {  // B's gradient is finished with what A begins with
        op::FinishOf<Env> gated;
        gated.gate = first.template gate<Below<Pass>>(saved.first);
        const Tensor<Env> dmiddle = backward_to<Over<Pass>>(second, env, dy, like(x, middle), saved.second, g.second, gated);
        return first.template backward_gated<Below<Pass>>(env, dmiddle, x, saved.first, g.first, finish);
      } else {
        const Tensor<Env> dmiddle = second.template backward<Over<Pass>>(env, dy, like(x, middle), saved.second, g.second);
        return backward_to<Below<Pass>>(first, env, dmiddle, x, saved.first, g.first, finish);
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      First::visit(f, at, ms.first...);
      Second::visit(f, at, ms.second...);
    }
  };
};

namespace detail {
template <class... Ms>
struct ChainOf {
  using type = Identity;
};
template <class M>
struct ChainOf<M> {
  using type = M;
};
template <class A, class... Rest>
struct ChainOf<A, Rest...> {
  using type = Then<A, typename ChainOf<Rest...>::type>;
};
}  // namespace detail

// Chain<A, B, C>: y = C(B(A(x))).
template <class... Ms>
using Chain = typename detail::ChainOf<Ms...>::type;

}  // namespace towpath
