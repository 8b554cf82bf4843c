#pragma once

#include "towpath/nn/chain.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/scale.hpp"
#include "towpath/peft/method.hpp"

#include <type_traits>

namespace towpath {

// Options of LoRA: α of the scale; the scale α / √r of rsLoRA (Kalajdzievski 2023), so that a larger rank does not learn less; dropout of
// what the delta, and only the delta, reads (at the environment's rate).
template <Index value>
struct Alpha {
  static constexpr Index alpha = value;
};
struct RankStabilised {};
struct BranchDropout {};

namespace detail {
struct AnyLoRA;

template <class... Options>
struct LoraOptions {
  template <class T>
  struct IsSite : std::bool_constant<Site<T>> {};
  using named = list::apply<Sites, list::filter<IsSite, List<Options...>>>;
  using sites = std::conditional_t<named::size == 0, Sites<at::Query, at::Value>, named>;

  template <class T>
  static consteval Index alpha_of() {
    if constexpr (requires { T::alpha; }) return T::alpha;
    else return 0;
  }
  static constexpr Index alpha = (alpha_of<Options>() + ... + 0);
  static constexpr Divisor below = (std::is_same_v<Options, RankStabilised> || ...) ? Divisor::root : Divisor::number;
  static constexpr bool drops = (std::is_same_v<Options, BranchDropout> || ...);

  template <class... S>
  static consteval bool projections(List<S...>) {
    return ((S::rule == at::Rule::delta) && ...);
  }
};

// s B A, or with `plus` their sum, from a chain of A (scaled) and B                                                      -> [Out, In]
template <class Env, class Delta>
Tensor<Env> low_rank_product(Env& env, const Delta& delta, View<Env> plus = {}) {
  Tensor<Env> a = op::copy<Env>(env, delta.first.weight);
  if constexpr (requires { Delta::First::factor; }) op::scale<Env>(env, Delta::First::factor, a);
  op::FinishOf<Env> finish;
  finish.plus = plus;
  return op::nn<Env>(env, delta.second.weight, a, finish);
}
}  // namespace detail

// LoRA (Hu et al. 2021): y = x Wᵀ + b + s (x Aᵀ) Bᵀ, s = α / r, A [r, In] Kaiming-uniform, B [Out, r] zero, so that training starts at the
// backbone bit for bit. Defaults are peft's: query and value, α = r. Options, in any order: sites among at::Query … at::FfnOut, Alpha<n>,
// RankStabilised (s = α / √r), BranchDropout. Names are peft's: lora_A.weight, lora_B.weight under the projection. Merged: W + s B A.
template <Index Rank, class... Options>
struct LoRA {
  using family = detail::AnyLoRA;
  using chosen = detail::LoraOptions<Options...>;
  using sites = typename chosen::sites;
  static_assert(Rank > 0, "[towpath] LoRA: the rank must be at least 1");
  static_assert(chosen::projections(typename sites::list{}),
                "[towpath] LoRA adds to a projection: at::KeysValues and the like are not one; see at::Query, Key, Value, AttentionOutput, "
                "FfnIn, FfnOut");

  template <Index In, Index Out>
  struct Delta {
    static_assert(Rank < In && Rank < Out, "[towpath] LoRA: the rank must be smaller than both widths of the projection");
    static constexpr Index alpha = chosen::alpha ? chosen::alpha : Rank;
    static constexpr bool plain = alpha == Rank && chosen::below == Divisor::number;
    using A = Under<"lora_A", Linear<In, Rank, Leaf::trained, Leaf::absent, start::Kaiming>>;
    using B = Under<"lora_B", Linear<Rank, Out, Leaf::trained, Leaf::absent, start::Zeros>>;
    using product = Chain<std::conditional_t<plain, A, Scaled<A, alpha, Rank, chosen::below>>, B>;
    using type = std::conditional_t<chosen::drops, DroppedInput<product>, product>;
  };
  template <class Env, class, Index In, Index Out>
  using Module = typename Delta<In, Out>::type::template On<Env>;

  static constexpr bool merges = true;
  template <class Site, class Env, class Trained>
  static void merge(Env& env, const Trained& delta, Tensor<Env>& weight, Tensor<Env>&) {
    weight = detail::low_rank_product<Env>(env, delta, weight);
  }
};

}  // namespace towpath
