#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// A projection: y = x Wᵀ + b, x [T, In], W [Out, In], b [1, Out], y [T, Out]; names weight and bias as torch.nn.Linear has them.
// Weight and bias are absent, frozen or trained each for itself: with a frozen weight backward never reads x, so no owner keeps it;
// with everything frozen there is no gradient but the input's. Begin: what the weight starts from; biases start at zero.
template <Index In, Index Out, Leaf weight_is = Leaf::trained, Leaf bias_is = weight_is, class Begin = start::Bert>
struct Linear {
  static_assert(In > 0 && Out > 0, "[towpath] Linear: a projection needs at least one input and one output");
  static_assert(weight_is != Leaf::absent, "[towpath] Linear: a projection needs its weight; only the bias may be absent");
  static constexpr bool trains = weight_is == Leaf::trained || bias_is == Leaf::trained;
  static constexpr Index in = In, out = Out;

  template <class Env>
  struct On {
    static constexpr bool trains = Linear::trains;
    static constexpr bool weight_trains = weight_is == Leaf::trained, bias_trains = bias_is == Leaf::trained;

    LeafTensor<Env, weight_is, tag::weight> weight = blank<LeafTensor<Env, weight_is, tag::weight>>(Out, In);
    [[no_unique_address]] LeafTensor<Env, bias_is, tag::bias> bias = blank<LeafTensor<Env, bias_is, tag::bias>>(Out);

    struct Grads {
      [[no_unique_address]] LeafGradient<Env, weight_is, tag::weight> weight = blank<LeafGradient<Env, weight_is, tag::weight>>(Out, In);
      [[no_unique_address]] LeafGradient<Env, bias_is, tag::bias> bias = blank<LeafGradient<Env, bias_is, tag::bias>>(Out);
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns && weight_trains;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&, op::FinishOf<Env> finish = {}) const {    // x [T, In]
      if constexpr (bias_is != Leaf::absent) finish.bias = bias;
      return op::nt<Env>(env, x, weight, finish);                                                      // y [T, Out]
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads& g, const op::FinishOf<Env>& finish = {}) const {
      if constexpr (weight_trains) op::tn_add(env, dy, x, g.weight);                                   // dW += dyᵀ x
      if constexpr (bias_trains) op::column_sums_add(env, dy, g.bias);                                 // db += Σ_t dy
      if constexpr (Pass::wants_input) return op::nn<Env>(env, dy, weight, finish);                    // dx = dy W
      else return {};
    }
    // What whoever joins two products needs to know, where backward is the other product and nothing else.
    const auto& frozen_weight() const
      requires(!Linear::trains)
    {
      return weight;
    }
    View<Env> frozen_bias() const {
      if constexpr (bias_is != Leaf::absent) return bias;
      else return {};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "weight", Trained<weight_trains>{Begin::of(In)}, ms.weight...);
      if constexpr (bias_is != Leaf::absent) f(at / "bias", Trained<bias_trains>{}, ms.bias...);
    }
  };
};

}  // namespace towpath
