#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Layer normalisation over the width (Ba, Kiros and Hinton 2016): y = (x - μ) / sqrt(σ² + ε) ⊙ weight + bias, row by row. Width
// and epsilon come from the shape. BERT's ε = 1e-12 is below float's resolution beside 1, so it matters for constant rows only.
template <class Shape, bool weight_trains_ = false, bool bias_trains_ = weight_trains_>
struct LayerNorm {
  static constexpr bool trains = weight_trains_ || bias_trains_;
  static constexpr Index width = Shape::hidden;

  template <class Env>
  struct On {
    static constexpr bool trains = LayerNorm::trains, weight_trains = weight_trains_, bias_trains = bias_trains_;

    Weight<Env, weight_trains> weight{width};
    Weight<Env, bias_trains> bias{width};

    struct Grads {
      [[no_unique_address]] If<weight_trains, Tensor<Env>, tag::weight> weight = blank<If<weight_trains, Tensor<Env>, tag::weight>>(width);
      [[no_unique_address]] If<bias_trains, Tensor<Env>, tag::bias> bias = blank<If<bias_trains, Tensor<Env>, tag::bias>>(width);
    };
    // dx needs the statistics, and so does dweight; a trained bias alone needs nothing
    template <class Pass>
    static constexpr bool uses_input = Pass::learns && (weight_trains || Pass::wants_input);
    template <class Pass>
    struct Saved {
      [[no_unique_address]] If<uses_input<Pass>, Tensor<Env>, tag::stats> stats;  // [T, 2]
    };

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>& saved, op::FinishOf<Env> finish = {}) const {      // x [T, H] -> [T, H]
      Tensor<Env> stats;
      Tensor<Env> y = op::layer_norm<Env>(env, x, weight, bias, Shape::norm_epsilon, stats, finish.plus);
      finish.plus = {};
      op::finish(env, y, finish);
      if constexpr (uses_input<Pass>) saved.stats = std::move(stats);
      return y;
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, Saved<Pass>& saved, Grads& g) const {
      if constexpr (bias_trains) op::column_sums_add(env, dy, g.bias);
      if constexpr (weight_trains) op::layer_norm_gain_add(env, dy, x, saved.stats, g.weight);
      if constexpr (Pass::wants_input) return op::layer_norm_backward(env, dy, x, saved.stats, weight);
      else return {};
    }
    using Again = On;
    template <class Pass>
    static constexpr bool repeats = uses_input<Pass>;
    template <class Pass>
    Tensor<Env> again(Env& env, View<Env> x, const Saved<Pass>&) const {
      Tensor<Env> stats;
      return op::layer_norm<Env>(env, x, weight, bias, Shape::norm_epsilon, stats);
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "weight", Trained<weight_trains>{start::ones}, ms.weight...);
      f(at / "bias", Trained<bias_trains>{}, ms.bias...);
    }
  };
};

}  // namespace towpath
