#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Renormed<Norm, Branch>: y = Norm(s + B(Norm(s))), one norm used twice. A branch that starts at zero leaves Norm(s).
//   d = dNorm(s + …) dy,  ds = d + dNorm(s) dB d
template <class Norm, class Branch>
struct Renormed {
  static constexpr bool trains = Norm::trains || Branch::trains;

  template <class Env>
  struct On {
    using NormOn = typename Norm::template On<Env>;
    using BranchOn = typename Branch::template On<Env>;
    static constexpr bool trains = Renormed::trains;
    template <class Pass>
    using First = PassFor<NormOn, Pass>;
    template <class Pass>
    using Middle = PassFor<BranchOn, Above<Pass, NormOn::trains>>;
    template <class Pass>
    using Last = PassFor<NormOn, Above<Pass, Renormed::trains>>;

    NormOn norm;
    BranchOn branch;

    struct Grads {
      [[no_unique_address]] typename NormOn::Grads norm;
      [[no_unique_address]] typename BranchOn::Grads branch;
    };
    template <class Pass>
    static constexpr bool uses_input = NormOn::template uses_input<First<Pass>>;
    template <class Pass>
    static constexpr bool keeps_normed = BranchOn::template uses_input<Middle<Pass>>;
    template <class Pass>
    static constexpr bool keeps_sum = NormOn::template uses_input<Last<Pass>>;
    template <class Pass>
    struct Saved {
      struct FirstOf : NormOn::template Saved<First<Pass>> {};
      struct LastOf : NormOn::template Saved<Last<Pass>> {};
      [[no_unique_address]] FirstOf first;
      [[no_unique_address]] typename BranchOn::template Saved<Middle<Pass>> branch;
      [[no_unique_address]] LastOf last;
      [[no_unique_address]] If<keeps_normed<Pass>, Tensor<Env>, tag::middle> normed;  // [T, H]
      [[no_unique_address]] If<keeps_sum<Pass>, Tensor<Env>, tag::sum> sum;           // [T, H]
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      Tensor<Env> normed = norm.template forward<First<Pass>>(env, View<Env>(x), saved.first);
      op::FinishOf<Env> plus;
      plus.plus = View<Env>(x);
      Tensor<Env> sum = forward_to<Middle<Pass>>(branch, env, like(x, normed), saved.branch, plus);
      Tensor<Env> y = forward_to<Last<Pass>>(norm, env, sum.view(), saved.last, finish);
      if constexpr (keeps_normed<Pass>) saved.normed = std::move(normed);
      if constexpr (keeps_sum<Pass>) saved.sum = std::move(sum);
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g) const {
      View<Env> normed, sum;
      if constexpr (keeps_normed<Pass>) normed = saved.normed;
      if constexpr (keeps_sum<Pass>) sum = saved.sum;
      if constexpr (!Last<Pass>::wants_input) {
        norm.template backward<Last<Pass>>(env, dy, sum, saved.last, g.norm);
        return {};
      } else {
        Tensor<Env> d = norm.template backward<Last<Pass>>(env, dy, sum, saved.last, g.norm);
        const auto dnormed = branch.template backward<Middle<Pass>>(env, d, like(x, normed), saved.branch, g.branch);
        if constexpr (Pass::wants_input) {
          const Tensor<Env> ds = norm.template backward<First<Pass>>(env, dnormed, View<Env>(x), saved.first, g.norm);
          op::add<Env>(env, ds, d);
          return d;
        } else {
          if constexpr (NormOn::trains) norm.template backward<First<Pass>>(env, dnormed, View<Env>(x), saved.first, g.norm);
          return {};
        }
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      NormOn::visit(f, at, ms.norm...);
      BranchOn::visit(f, at, ms.branch...);
    }
  };
};

}  // namespace towpath
