#pragma once

#include "towpath/nn/under.hpp"
#include "towpath/peft/bitfit.hpp"
#include "towpath/peft/layer_norm_tuning.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

// BitFit, LayerNormTuning and FullTuning attach nothing and make parameters of the backbone trainable instead. In a TransformerLayer they
// speak of that layer, in a Bert of its embeddings: to tune everything, name them in both.

// Full fine-tuning: every weight, bias and norm.
struct FullTuning {
  using sites = Sites<at::Weights, at::Biases, at::Norms>;
};

// Freeze<Arch>: an architecture of which nothing trains, whatever its methods say: the same parameters under the same names, forward only.
template <class Arch>
struct Freeze : Arch {
  static constexpr bool trains = false;
  template <class Part>
  static constexpr bool receives_gradient = false;

  template <class Env>
  struct On : Arch::template On<Env> {
    using Base = typename Arch::template On<Env>;
    using Base::Base;
    static constexpr bool trains = false;
    struct Grads {};
    template <class Pass>
    using Quiet = std::conditional_t<Pass::learns, Rehearse, Pass>;
    template <class Pass>
    using Saved = typename Base::template Saved<Quiet<Pass>>;
    template <class Pass>
    static constexpr bool uses_input = false;

    template <class Pass, class X>  // rows or ids, whichever the architecture takes
      requires requires(const Base& base, Env& env, const X& x, Saved<Pass>& saved) { base.template forward<Quiet<Pass>>(env, x, saved); }
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      static_assert(!Pass::wants_input, "[towpath] Freeze: nothing below a frozen part may train, since its backward does not exist; freeze "
                                        "the lower part too, or leave this one unfrozen and give it no methods");
      return Base::template forward<Quiet<Pass>>(env, x, saved);
    }
    // Of an encoder that may be asked for the first tokens alone; nothing stands below it.
    template <class Pass, bool only_firsts, class X>
      requires requires(const Base& base, Env& env, const X& x, Saved<Pass>& saved) {
        base.template forward<Quiet<Pass>, only_firsts>(env, x, saved);
      }
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      return Base::template forward<Quiet<Pass>, only_firsts>(env, x, saved);
    }
    template <class F, class M, class... Others>
    static constexpr void visit(F&& f, const Path& at, M& m, Others&...) {
      if constexpr (!std::is_same_v<std::remove_const_t<M>, Grads>)
        Base::visit(
            [&](const Path& name, auto tag, auto& leaf) {
              [&](auto... none) { f(name, Frozen{tag.start, tag.added}, leaf, none...); }(Nothing<Others>{}...);
            },
            at, m);
    }
  };
};

}  // namespace towpath
