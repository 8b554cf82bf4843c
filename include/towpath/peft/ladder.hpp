#pragma once

#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/repeat.hpp"
#include "towpath/nn/residual.hpp"
#include "towpath/nn/segments.hpp"
#include "towpath/nn/under.hpp"
#include "towpath/peft/method.hpp"
#include "towpath/peft/pathway.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace towpath {

// An option of Ladder: each rung also adds to the layer's state.
struct Inject;

// Two streams in one matrix [T, H + S]: the backbone's h, and beside it the ladder's s, which below the first rung has not begun: [T, H].
template <Index H, Index S>
struct Carry {
  template <class Env>
  static View<Env> h(View<Env> x) {
    return x.empty() ? x : x.column_block(0, H);
  }
  template <class Env>
  static View<Env> s(View<Env> x) {
    return x.columns == H ? View<Env>{} : x.column_block(H, S);
  }
  template <class Env>
  static Tensor<Env> join(Env& env, View<Env> h, View<Env> s) {
    auto y = env.template take<Env>(h.rows, H + S);
    Env::Ops::copy(env, h, y.writable().column_block(0, H));
    Env::Ops::copy(env, s, y.writable().column_block(H, S));
    return y;
  }
};

// Which of the two streams a gradient goes down by: [T, S] if s alone, as in a ladder that only reads, else [T, H + S] (or [T, H] below the
// first rung).
template <bool h_, bool s_>
struct Reach {
  static constexpr bool h = h_, s = s_;
};

namespace detail {

// μ = 1 / (1 + e^(-a / T)), T = 0.1
struct LadderGate {
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    using std::exp;
    return T(1) / (T(1) + exp(x * functions::number<T>(-10)));
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {
    const T m = value(x);
    return functions::number<T>(10) * m * (T(1) - m);
  }
};

// t = μ ⊙ s + (1 - μ) ⊙ (h W_iᵀ + b_i), a gate for each of s's channels, that starts half open                        [T, H + S] -> [T, S]
template <Index H, Index S, class Reaches>
struct LadderMix {
  static constexpr bool trains = true;

  template <class Env>
  struct On {
    using Down = typename Under<"ladder_in", Linear<H, S>>::template On<Env>;
    using Both = Carry<H, S>;
    static constexpr bool trains = true;

    Down down;
    Tensor<Env> gate{S};

    struct Grads {
      typename Down::Grads down;
      Tensor<Env> gate{S};
    };
    template <class Pass>
    struct Saved {
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::kept>
          difference;  // s - (h W_iᵀ + b_i) [T, S], until backward has used it
    };
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>& saved) const {
      typename Down::template Saved<Infer> none;
      Tensor<Env> t = down.template forward<Infer>(env, Both::template h<Env>(x), none),
                  e = op::copy<Env>(env, t);  // [T, S]
      op::scale<Env>(env, -1, e);
      if (const View<Env> s = Both::template s<Env>(x); !s.empty()) op::add<Env>(env, s, e);
      op::add<Env>(env, op::scale_columns<Env>(env, e, op::unary<LadderGate, Env>(env, gate)), t);
      if constexpr (Pass::learns) saved.difference = std::move(e);
      return t;
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dt, View<Env> x, Saved<Pass>& saved, Grads& g) const {
      const Tensor<Env> e = std::move(saved.difference);
      require_kept(!e.empty() || dt.rows == 0);
      Tensor<Env> dmu(S);
      op::column_dots_add<Env>(env, dt, e, dmu);
      op::add<Env>(env, op::unary_backward<LadderGate, Env>(env, dmu, gate), g.gate);
      const Tensor<Env> ds = op::scale_columns<Env>(env, dt, op::unary<LadderGate, Env>(env, gate));  // [T, S]
      Tensor<Env> dd = op::copy<Env>(env, dt);
      op::add_scaled<Env>(env, -1, ds, dd);
      using Lower = Learn<Pass::wants_input && Reaches::h>;
      typename Down::template Saved<Lower> none;
      auto dh = down.template backward<Lower>(env, dd, Both::template h<Env>(x), none, g.down);
      if constexpr (Lower::wants_input) {
        if (x.columns == H) return dh;
        return Both::template join<Env>(env, dh, ds);
      } else if constexpr (Pass::wants_input) {
        return op::copy<Env>(env, ds);
      } else {
        return {};
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Down::visit(f, at, ms.down...);
      f(at / "ladder_gate", Trainable{}, ms.gate...);
    }
  };
};

// From s to h, zero at the start: a part of the method like its module, only elsewhere.
template <Leaf bias>
struct LadderUp {
  template <class Env, class, Index In, Index Out>
  using Module = typename Linear<In, Out, Leaf::trained, bias, start::Zeros>::template On<Env>;
};

// h + s W_oᵀ + b_o, W_o zero at the start                                                                             [T, H + S] -> [T, H]
template <Index H, Index S, class Reaches>
struct HandBack {
  static constexpr bool trains = true;

  template <class Env>
  struct On {
    using Up = typename Under<"ladder_out", Attach<LadderUp<Leaf::trained>, at::Carry, S, H>>::template On<Env>;
    using Both = Carry<H, S>;
    static constexpr bool trains = true;

    Up up;

    struct Grads {
      typename Up::Grads up;
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {
      typename Up::template Saved<Infer> none;
      op::FinishOf<Env> finish;
      finish.plus = Both::template h<Env>(x);
      return up.template forward<Infer>(env, Both::template s<Env>(x), none, finish);
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, Saved<Pass>&, Grads& g) const {
      typename Up::template Saved<Pass> none;
      auto ds = up.template backward<Pass>(env, dy, Both::template s<Env>(x), none, g.up);  // [T, S]
      if constexpr (Pass::wants_input && Reaches::h) return Both::template join<Env>(env, dy, ds);
      else return ds;
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Up::visit(f, at, ms.up...);
    }
  };
};

// Do the layers of a stack go with a ladder at its end? Once it has begun each has such a rung, and before that nothing trains unless rungs
// inject.
template <class Stack>
struct LayersOf;
template <Index N, class L, Index first>
struct LayersOf<Repeat<N, L, first>> {
  using list = List<L>;
};
template <class... Rs>
struct LayersOf<Segments<Rs...>> {
  using list = list::join<typename LayersOf<Rs>::list...>;
};
template <class L>
inline constexpr bool has_rung = requires {
  L::side;
};
template <class L>
consteval bool goes_with(Index side, bool inject) {
  if constexpr (has_rung<L>) return L::side == side && L::injects == inject;
  else return inject || !L::trains;
}
template <class... Ls>
consteval bool check_ladder(Index side, bool inject, List<Ls...>) {
  const bool rungs[] = {has_rung<Ls>...};
  return (goes_with<Ls>(side, inject) && ...) && std::is_sorted(rungs, rungs + sizeof...(Ls));
}
struct NoInjection {
  template <class Env>
  struct On {
    struct Grads {};
  };
};

// A layer with a rung beside it: (h, s) -> (Main(h) [+ s' W_jᵀ], s'), s' = Rung(h, s). Main is never asked for a gradient unless the rung
// injects.
template <class Main, class Rung, Index H, Index S, bool inject>
struct Climb {
  static_assert(inject || !Main::trains,
                "[towpath] a Ladder's backbone has no backward, so nothing within its layers can train: use Ladder<…, "
                "Inject>, or "
                "Pathway beside the other methods");
  static constexpr bool trains = true, injects = inject;
  static constexpr Index side = S;
  // What makes [T, H] of both streams at the end of a stack, called Whole, over embeddings that train or not.
  template <class Stack, class Whole, bool below_trains>
  struct Closed {
    static_assert(check_ladder(S, inject, typename LayersOf<Stack>::list{}) && (inject || !below_trains),
                  "[towpath] below the first rung of a Ladder nothing may train (nor may the embeddings), and from "
                  "there on every layer has a rung of the same "
                  "kind: freeze what is below, or use Ladder<…, Inject>");
    using type = Then<Whole, HandBack<H, S, Reach<inject, true>>>;
  };

  template <class Env>
  struct On {
    using A = typename Main::template On<Env>;
    using B = typename Rung::template On<Env>;
    using Both = Carry<H, S>;
    using Injected = Under<"ladder_inject", Attach<LadderUp<Leaf::absent>, at::Carry, S, H>>;
    using J = typename std::conditional_t<inject, Injected, NoInjection>::template On<Env>;
    static constexpr bool trains = true, across = looks_across<A>, whole = needs_all<A>;
    static constexpr Index side = S;

    A main;
    B branch;
    [[no_unique_address]] J out;

    struct Grads {
      [[no_unique_address]] typename A::Grads main;
      typename B::Grads branch;
      [[no_unique_address]] typename J::Grads out;
    };
    // Of the two flags that Reach speaks of, Main sees the one for h.
    template <class Pass>
    using Backbone = PassFor<A, std::conditional_t<Pass::learns && !inject, Learn<false>, Pass>>;
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename A::template Saved<Backbone<Pass>> main;
      [[no_unique_address]] typename B::template Saved<Pass> branch;
      [[no_unique_address]] If<inject && Pass::learns, Tensor<Env>, tag::output>
          s;  // [T, S], until backward has used it
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      Tensor<Env> s = branch.template forward<Pass>(env, View<Env>(x), saved.branch);  // [T, S]
      Tensor<Env> room, firsts, injected;
      op::FinishOf<Env> plus;
      if constexpr (inject) {
        typename J::template Saved<Infer> none;
        injected = out.template forward<Infer>(env, s, none);
        plus.plus = injected;
      }
      const Tensor<Env> h = forward_to<Backbone<Pass>>(main, env, backbone(env, x, room, firsts), saved.main, plus);
      Tensor<Env> y = Both::template join<Env>(env, h, s);
      if constexpr (inject && Pass::learns) saved.s = std::move(s);
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g) const {
      if constexpr (!inject) {
        auto ds = branch.template backward<Pass>(env, dy, View<Env>(x), saved.branch, g.branch);  // [T, S]
        if constexpr (Pass::wants_input) return spread(env, x, std::move(ds));
        else return {};
      } else {
        const Tensor<Env> dh = op::copy<Env>(env, Both::template h<Env>(dy));
        const Tensor<Env> s = std::move(saved.s);
        require_kept(!s.empty() || dy.rows == 0);
        op::FinishOf<Env> plus;
        const Tensor<Env> above = op::copy<Env>(env, Both::template s<Env>(dy));
        plus.plus = above;
        typename J::template Saved<Learn<true>> none;
        const Tensor<Env> ds = out.template backward<Learn<true>>(env, dh, s, none, g.out, plus);
        [[maybe_unused]] auto d = branch.template backward<Pass>(env, ds, View<Env>(x), saved.branch, g.branch);
        if constexpr (active<A, Pass>) {
          Tensor<Env> room, firsts;
          [[maybe_unused]] const auto below =
              main.template backward<Backbone<Pass>>(env, dh, backbone(env, x, room, firsts), saved.main, g.main);
          if constexpr (Pass::wants_input) {
            Tensor<Env> sum = spread(env, x, std::move(d));
            Env::Ops::add_scaled(env, 1, below.view(), sum.writable().column_block(0, H));
            return sum;
          }
        }
        return InputGradient<Env, Pass>{};
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      A::visit(f, at, ms.main...);
      B::visit(f, at, ms.branch...);
      if constexpr (inject) J::visit(f, at, ms.out...);
    }

  private:
    // x's first stream as Main is to see it; what nobody kept stays away.
    static View<Env> first(Env& env, View<Env> x, Tensor<Env>& room) {
      if (x.empty() || x.columns == H) return x;
      room = op::copy<Env>(env, Both::template h<Env>(x));
      return room;
    }
    template <class X>
    static auto backbone(Env& env, const X& x, Tensor<Env>& room, [[maybe_unused]] Tensor<Env>& firsts) {
      if constexpr (narrows<X>) return op::narrowed<Env>(env, first(env, x.all, room), *x.all.sequences, firsts);
      else return like(x, first(env, x, room));
    }
    // A gradient of the first tokens, as one of all.
    template <class X>
    static Tensor<Env> spread(Env& env, const X& x, Tensor<Env> d) {
      if constexpr (narrows<X> && across) {
        auto all = op::zeros(env, x.all.sequences->tokens(), d.columns());
        op::add_firsts<Env>(env, d, *x.all.sequences, all);
        return all;
      } else {
        return d;
      }
    }
  };
};

template <class Module>
struct LadderWidth {
  static_assert(dependent_false<Module>, "[towpath] a Ladder is made of Aside<Rank>: Rank is the width of its stream");
  static constexpr Index width = 1;
  using function = Relu;
};
template <Index S, class F>
struct LadderWidth<Aside<S, F>> {
  static constexpr Index width = S;
  using function = F;
};
}  // namespace detail

// Ladder side tuning (Sung, Cho and Bansal 2022): a narrow second stream s [T, S] beside a frozen backbone, that reads each layer's input h
// and never writes it, so that no layer has a backward and none keeps anything:
//   t = μ ⊙ s + (1 - μ) ⊙ (h W_iᵀ + b_i),  μ = σ(a / 0.1);   s' = t + f(t W_dᵀ + b_d) W_uᵀ + b_u;   y = h_N + s_N W_oᵀ + b_o
// with a, W_u, W_o zero at the start.
// Ladder<Aside<S, f>> in the layers of a stack, from some layer on upwards; the last line belongs to the Bert. Training starts at the
// backbone bit for bit. From the paper differ: a gate for each channel instead of one for all, rungs that are bottlenecks instead of small
// transformer layers, no start from pruned weights, and the result added to h_N instead of replacing it. Ladder<Aside<S>, Inject>: h' =
// Layer(h) + s' W_jᵀ, W_j = 0, and the backbone has a backward again. Names: ladder_in, ladder_gate, ladder_down, ladder_up, ladder_inject
// in a layer; ladder_out in the encoder.
template <class Module_, class Option = void>
struct Ladder {
  using family = Ladder<void, void>;
  using sites = Sites<at::Carry>;
  static constexpr Index S = detail::LadderWidth<Module_>::width;
  using function = typename detail::LadderWidth<Module_>::function;
  static constexpr bool injects = std::is_same_v<Option, Inject>;
  static_assert(injects || std::is_void_v<Option>, "[towpath] Ladder has one option: Inject");

  template <class Env, class, Index In, Index Out>
  using Module = typename Chain<detail::LadderMix<In, S, Reach<injects, true>>,
                                Residual<Bottleneck<"ladder", S, S, S, function>>>::template On<Env>;
  template <class Main, class Branch>
  struct JoinOf;
  template <class Main, fixed_string name, class M, class Site, Index In, Index Out>
  struct JoinOf<Main, Under<name, Attach<M, Site, In, Out>>> {
    using type = detail::Climb<Main, Under<name, Attach<M, Site, In, Out>>, In, S, injects>;
  };
  template <class Main, class Branch>
  using Join = typename JoinOf<Main, Branch>::type;
};

}  // namespace towpath
