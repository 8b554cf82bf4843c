#pragma once

#include "towpath/autodiff/module.hpp"

namespace towpath {

// y = x: what an empty chain is. (Only its type is used: containers leave it out.)
struct Identity {
  static constexpr bool trains = false;
};

// Then<A, B>: y = B(A(x)). B stands above A, so its pass also wants the gradient of its input if A trains; A(x) is kept only if
// B's backward reads it and A cannot give it again; where A and everything below is frozen, A has no backward.
template <class A, class B>
struct Then {
  static constexpr bool trains = A::trains || B::trains;

  template <class Env>
  struct On {
    using First = typename A::template On<Env>;
    using Second = typename B::template On<Env>;
    static constexpr bool trains = Then::trains, across = looks_across<First> || looks_across<Second>,
                          whole = needs_all<First> || needs_all<Second>;
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
    static constexpr bool recalls = Second::template uses_input<Over<Pass>> && towpath::repeats<First, Below<Pass>>;
    template <class Pass>
    static constexpr bool keeps = Second::template uses_input<Over<Pass>> && !recalls<Pass>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename First::template Saved<Below<Pass>> first;
      [[no_unique_address]] typename Second::template Saved<Over<Pass>> second;
      [[no_unique_address]] If<keeps<Pass>, Tensor<Env>, tag::middle> middle;  // A(x), until B's backward has used it
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      Tensor<Env> middle = first.template forward<Below<Pass>>(env, lower(x), saved.first);
      Tensor<Env> firsts;
      Tensor<Env> y = forward_to<Over<Pass>>(second, env, upper(env, x, middle, firsts), saved.second, finish);
      if constexpr (keeps<Pass>) saved.middle = std::move(middle);
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      Tensor<Env> middle, firsts;
      if constexpr (keeps<Pass>) {
        middle = std::move(saved.middle);
        require_kept(!middle.empty() || dy.rows == 0);
      }
      if constexpr (recalls<Pass>) middle = first.template again<Below<Pass>>(env, View<Env>(lower(x)), saved.first);
      const auto between = upper(env, x, middle, firsts);
      if constexpr (!active<First, Pass>) {
        second.template backward<Over<Pass>>(env, dy, between, saved.second, g.second);
        return {};
      } else if constexpr (requires { first.template gate<Below<Pass>>(saved.first); }) {  // B's gradient is finished with what A begins with
        const op::FinishOf<Env> gate = first.template gate<Below<Pass>>(saved.first);
        const Tensor<Env> dmiddle = backward_to<Over<Pass>>(second, env, dy, between, saved.second, g.second, gate);
        middle = {};
        return first.template backward_gated<Below<Pass>>(env, dmiddle, lower(x), saved.first, g.first, finish);
      } else {
        const Tensor<Env> dmiddle = second.template backward<Over<Pass>>(env, dy, between, saved.second, g.second);
        middle = {};
        return finish_below<Pass>(env, dmiddle, x, saved, g, finish);
      }
    }
    using Again = On;
    template <class Pass>
    static constexpr bool repeats = towpath::repeats<Second, Over<Pass>> && (keeps<Pass> || !Second::template uses_input<Over<Pass>>);
    template <class Pass>
    Tensor<Env> again(Env& env, View<Env>, const Saved<Pass>& saved) const {
      View<Env> middle;
      if constexpr (keeps<Pass>) {
        require_kept(!saved.middle.empty() || saved.middle.rows() == 0);
        middle = saved.middle;
      }
      return second.template again<Over<Pass>>(env, middle, saved.second);
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      First::visit(f, at, ms.first...);
      Second::visit(f, at, ms.second...);
    }

  private:
    // Where only first tokens are asked for, the last part that looks across tokens narrows: B if it does, else A.
    template <class X>
    static decltype(auto) lower(const X& x) {
      if constexpr (narrows<X> && looks_across<Second>) return (x.all);
      else return (x);
    }
    template <class X>
    static auto upper(Env& env, const X& x, View<Env> middle, [[maybe_unused]] Tensor<Env>& firsts) {
      if constexpr (narrows<X> && looks_across<Second>) {
        return op::narrowed<Env>(env, middle, *x.all.sequences, firsts);
      } else {
        return like(x, middle);
      }
    }
    // A's backward. If B narrowed, what is to be added has a row for each sequence, but A's result one for each token.
    template <class Pass, class X>
    InputGradient<Env, Pass> finish_below(Env& env, View<Env> dmiddle, const X& x, Saved<Pass>& saved, Grads& g, const op::FinishOf<Env>& finish) const {
      if constexpr (narrows<X> && looks_across<Second>) {
        auto dx = first.template backward<Below<Pass>>(env, dmiddle, x.all, saved.first, g.first);
        if constexpr (Pass::wants_input)
          if (!finish.plus.empty()) op::add_firsts<Env>(env, finish.plus, *x.all.sequences, dx);
        return dx;
      } else {
        return backward_to<Below<Pass>>(first, env, dmiddle, x, saved.first, g.first, finish);
      }
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
