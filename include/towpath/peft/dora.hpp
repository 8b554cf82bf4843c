#pragma once

#include "towpath/nn/around.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/peft/lora.hpp"

namespace towpath {

namespace detail {
// The norms of the rows of W + s B A, [1, Out].
struct RowNorms {
  template <class Env, class Change>
  static Tensor<Env> of(Env& env, const Change& change, View<Env> weight) {
    return op::row_norms<Env>(env, low_rank_product<Env>(env, change, weight));
  }
};

// y = c ⊙ (x Wᵀ + Δ(x)) + b,  c = m / ‖W + s B A‖, a norm for each output. W, b: the projection it stands round; Δ(x) = s (x Aᵀ) Bᵀ.
// The norms are constants to backward; u = x Wᵀ + Δ(x) [T, Out] is kept for the magnitude's gradient.
template <class Delta, Index Out, class Norms = RowNorms>
struct Decomposed {
  static constexpr bool trains = true;

  template <class Env>
  struct On {
    using Change = typename Delta::template On<Env>;
    static constexpr bool trains = true;

    Change change;
    Tensor<Env> magnitude{Out};

    struct Grads {
      typename Change::Grads change;
      Tensor<Env> magnitude{Out};
    };
    struct Kept {
      Tensor<Env> u;         // [T, Out], until backward has used it
      Tensor<Env> norms, c;  // [1, Out]
    };
    template <class Pass>
    static constexpr bool uses_input = Change::template uses_input<Pass>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Change::template Saved<Pass> change;
      [[no_unique_address]] If<Pass::learns, Kept, tag::kept> kept;
    };

    template <class Pass, class Base, Rows<Env> X>
    Tensor<Env> forward(Env& env, const Base& base, const X& x, Saved<Pass>& saved, op::FinishOf<Env> finish) const {
      Kept k;
      k.norms = Norms::template of<Env>(env, change, base.weight);
      k.c = op::divide<Env>(env, magnitude, k.norms);                                 // [1, Out]
      const Tensor<Env> delta = change.template forward<Pass>(env, x, saved.change);  // [T, Out]
      op::FinishOf<Env> plus;
      plus.plus = delta;
      k.u = op::nt<Env>(env, x, base.weight, plus);  // [T, Out]
      Tensor<Env> y = op::scale_columns<Env>(env, k.u, k.c);
      finish.bias = base.frozen_bias();
      op::finish<Env>(env, y, finish);
      if constexpr (Pass::learns) saved.kept = std::move(k);
      return y;
    }
    template <class Pass, class Base, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, const Base& base, View<Env> dy, const X& x, Saved<Pass>& saved,
                                      typename Base::Grads& base_g, Grads& g, op::FinishOf<Env> finish) const {
      if constexpr (Base::bias_trains) op::column_sums_add(env, dy, base_g.bias);  // db += Σ_t dy
      const Kept k = std::move(saved.kept);
      require_kept(!k.u.empty() || dy.rows == 0);
      Tensor<Env> dots = op::zeros(env, 1, Out);
      op::column_dots_add<Env>(env, dy, k.u, dots);
      op::add<Env>(env, op::divide<Env>(env, dots, k.norms), g.magnitude);  // dm += Σ_t dy ⊙ u / ‖·‖
      const Tensor<Env> du = op::scale_columns<Env>(env, dy, k.c);          // [T, Out]
      if constexpr (Pass::wants_input) {
        op::FinishOf<Env> plus;
        plus.plus = finish.plus;
        const Tensor<Env> dx = backward_to<Pass>(change, env, du, x, saved.change, g.change, plus);
        finish.plus = dx;
        return op::nn<Env>(env, du, base.weight, finish);  // dx = du (W + s B A)
      } else {
        change.template backward<Pass>(env, du, x, saved.change, g.change);
        return {};
      }
    }
    // W' = (m / ‖W + s B A‖) ⊙ (W + s B A), row by row
    Tensor<Env> merged(Env& env, View<Env> weight) const {
      Tensor<Env> w = low_rank_product<Env>(env, change, weight);
      op::scale_rows<Env>(env, op::divide<Env>(env, magnitude, op::row_norms<Env>(env, w)), w);
      return w;
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Change::visit(f, at, ms.change...);
      f(at / "lora_magnitude_vector", Trainable{start::norms}, ms.magnitude...);
    }
  };
};

template <class Main>
inline constexpr bool frozen_projection = false;
template <fixed_string name, Index In, Index Out, Leaf bias, class Begin>
inline constexpr bool frozen_projection<Under<name, Linear<In, Out, Leaf::frozen, bias, Begin>>> = true;

template <class Main, class Branch>
struct JoinDoRA {
  static_assert(
      frozen_projection<Main>,
      "[towpath] DoRA needs the frozen weight of its projection: name it before other methods at that projection, and "
      "not together with FullTuning");
  using type = Around<Main, Branch>;
};
}  // namespace detail

// DoRA (Liu et al. 2024), with peft's semantics: y = m / ‖W + s B A‖ ⊙ (x Wᵀ + s (x Aᵀ) Bᵀ) + b, a direction of low rank and a magnitude m
// [Out] for each output, that starts at ‖W‖ (row by row); the norms are not differentiated. Training starts at the backbone bit for bit.
// Options and names are LoRA's, beside them lora_magnitude_vector; peft recomputes the base on dropped inputs, which we do not offer. The
// magnitude takes its start from the weights when they come: load() or share(). It costs LoRA's work, one product [Out, r] [r, In] per
// projection for the norms, and keeps [T, Out].
template <Index Rank, class... Options>
struct DoRA {
  using family = detail::AnyLoRA;
  using sites = typename LoRA<Rank, Options...>::sites;
  static_assert(!detail::LoraOptions<Options...>::drops,
                "[towpath] DoRA has no dropout of its branch: leave BranchDropout away, or use LoRA");

  template <class Env, class, Index In, Index Out>
  using Module = typename detail::Decomposed<typename LoRA<Rank, Options...>::template Delta<In, Out>::type,
                                             Out>::template On<Env>;
  template <class Main, class Branch>
  using Join = typename detail::JoinDoRA<Main, Branch>::type;

  static constexpr bool merges = true;
  template <class Site, class Env, class Trained>
  static void merge(Env& env, const Trained& trained, Tensor<Env>& weight, Tensor<Env>&) {
    weight = trained.merged(env, weight);
  }
};

}  // namespace towpath
