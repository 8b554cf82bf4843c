#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/nn/chain.hpp"

#include <array>
#include <cstddef>

namespace towpath {

// Repeat<N, L>: N layers of one type, one on the other; parameters are named 0.…, 1.…, up to N - 1. Whatever N, there are two
// instantiations of backward: the lowest layer under the pass of the stack, the others under a pass that knows whether L trains.
// A layer's input is kept only if that layer reads it in backward and the one below cannot give it again.
template <Index N, class L, Index first_number = 0>
struct Repeat {
  static_assert(N > 0, "[towpath] Repeat: a stack needs at least one layer");
  static constexpr bool trains = L::trains;
  static constexpr Index layers = N;

  template <class Env>
  struct On {
    using Layer = typename L::template On<Env>;
    static constexpr bool trains = Repeat::trains, across = looks_across<Layer>, whole = needs_all<Layer>;
    static constexpr Index layers = N;
    static constexpr std::size_t rest = static_cast<std::size_t>(N - 1);
    template <class Pass>
    using Lowest = PassFor<Layer, Pass>;
    template <class Pass>
    using Later = PassFor<Layer, Above<Pass, Layer::trains>>;

    std::array<Layer, static_cast<std::size_t>(N)> layer;

    struct NoGrads {  // stands for N empty ones, and is empty itself
      [[no_unique_address]] typename Layer::Grads any;
    };
    struct SomeGrads {
      std::array<typename Layer::Grads, static_cast<std::size_t>(N)> layer;
    };
    using Grads = std::conditional_t<std::is_empty_v<typename Layer::Grads>, NoGrads, SomeGrads>;

    template <class Pass>
    static constexpr bool uses_input = Layer::template uses_input<Lowest<Pass>>;
    template <class Pass>
    static constexpr bool recalls = Layer::template uses_input<Later<Pass>> && towpath::repeats<Layer, Lowest<Pass>> && towpath::repeats<Layer, Later<Pass>>;
    template <class Pass>
    static constexpr bool keeps = Layer::template uses_input<Later<Pass>> && !recalls<Pass>;
    template <class Pass>
    struct Saved {
      using Low = typename Layer::template Saved<Lowest<Pass>>;
      using High = typename Layer::template Saved<Later<Pass>>;
      [[no_unique_address]] Low lowest;
      [[no_unique_address]] If<!std::is_empty_v<High>, std::array<High, rest>, tag::later> later;
      [[no_unique_address]] If<keeps<Pass>, std::array<Tensor<Env>, rest>, tag::input> input;  // of layers 1 … N-1
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      const auto tokens = lower(x);
      Tensor<Env> y = layer[0].template forward<Lowest<Pass>>(env, tokens, saved.lowest);
      if constexpr (rest > 0)
        for (std::size_t i = 0; i < rest; ++i) {
          Tensor<Env> in = std::move(y), firsts;
          auto&& kept = later(saved, i);
          if (narrows<X> && i + 1 == rest) y = layer[i + 1].template forward<Later<Pass>>(env, last(env, x, in, firsts), kept);
          else y = layer[i + 1].template forward<Later<Pass>>(env, like(tokens, in), kept);
          if constexpr (keeps<Pass>) saved.input[i] = std::move(in);
        }
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      if constexpr (rest == 0 || !active<Layer, Above<Pass, Layer::trains>>) {
        return backward_to<Lowest<Pass>>(layer[0], env, dy, x, saved.lowest, element(g, 0), finish);
      } else {
        const auto tokens = lower(x);
        Tensor<Env> d;
        for (std::size_t i = rest; i-- > 0;) {
          View<Env> in;
          Tensor<Env> recalled, firsts;
          if constexpr (keeps<Pass>) in = saved.input[i];
          if constexpr (recalls<Pass>) {
            if (i == 0) recalled = layer[0].template again<Lowest<Pass>>(env, View<Env>(tokens), saved.lowest);
            else recalled = layer[i].template again<Later<Pass>>(env, {}, later(saved, i - 1));
            in = recalled;
          }
          if (narrows<X> && i + 1 == rest) d = layer[i + 1].template backward<Later<Pass>>(env, dy, last(env, x, in, firsts), later(saved, i), element(g, i + 1));
          else d = layer[i + 1].template backward<Later<Pass>>(env, i + 1 == rest ? dy : View<Env>(d), like(tokens, in), later(saved, i), element(g, i + 1));
        }
        if constexpr (narrows<X>) {
          auto dx = layer[0].template backward<Lowest<Pass>>(env, d, tokens, saved.lowest, element(g, 0));
          if constexpr (Pass::wants_input)
            if (!finish.plus.empty()) op::add_firsts<Env>(env, finish.plus, *tokens.sequences, dx);
          return dx;
        } else {
          return backward_to<Lowest<Pass>>(layer[0], env, d, tokens, saved.lowest, element(g, 0), finish);
        }
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(N); ++i)
        Layer::visit(f, at / (first_number + static_cast<Index>(i)), element(ms, i)...);
    }

  private:
    // Where only first tokens are asked for, the last layer narrows; the others (layer 0 is one unless it is alone) have them all.
    template <class X>
    static auto lower(const X& x) {
      if constexpr (narrows<X> && rest > 0) return x.all;
      else return x;
    }
    template <class X>
    static auto last(Env& env, const X& x, View<Env> in, [[maybe_unused]] Tensor<Env>& firsts) {
      if constexpr (narrows<X>) {
        return op::narrowed<Env>(env, in, *x.all.sequences, firsts);
      } else {
        return like(x, in);
      }
    }
    template <class S>
    static constexpr auto& element(S& s, std::size_t i) {
      if constexpr (requires { s.any; }) return s.any;
      else return s.layer[i];
    }
    // The Saved of layer i + 1, or an empty one for the occasion.
    template <class S>
    static decltype(auto) later(S& saved, std::size_t i) {
      using High = typename std::remove_const_t<S>::High;
      if constexpr (std::is_empty_v<High>) return static_cast<void>(i), High{};
      else return (saved.later[i]);
    }
  };
};

}  // namespace towpath
