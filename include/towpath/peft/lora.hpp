#pragma once

#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/scale.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

// An option of LoRA: α of the scale α / r.
template <Index value>
struct Alpha {
  static constexpr Index alpha = value;
};

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

  template <class... S>
  static consteval bool projections(List<S...>) {
    return ((S::rule == at::Rule::delta) && ...);
  }
};
}  // namespace detail

// LoRA (Hu et al. 2021): y = x Wᵀ + b + (α / r) (x Aᵀ) Bᵀ, A [r, In] Kaiming-uniform, B [Out, r] zero, so that training starts at the
// backbone. Defaults are peft's: query and value, α = r. Options, in any order: sites among at::Query … at::FfnOut, Alpha<n>.
// Names are peft's: lora_A.weight, lora_B.weight under the projection.
template <Index Rank, class... Options>
struct LoRA {
  using family = detail::AnyLoRA;
  using sites = typename detail::LoraOptions<Options...>::sites;
  static_assert(Rank > 0, "[towpath] LoRA: the rank must be at least 1");
  static_assert(detail::LoraOptions<Options...>::projections(typename sites::list{}),
                "[towpath] LoRA adds to a projection: at::KeysValues and the like are not one; see at::Query, Key, Value, AttentionOutput, "
                "FfnIn, FfnOut");

  template <Index In, Index Out>
  struct Delta {
    static_assert(Rank < In && Rank < Out, "[towpath] LoRA: the rank must be smaller than both widths of the projection");
    static constexpr Index alpha = detail::LoraOptions<Options...>::alpha ? detail::LoraOptions<Options...>::alpha : Rank;
    using A = Under<"lora_A", Linear<In, Rank, Leaf::trained, Leaf::absent, start::Kaiming>>;
    using B = Under<"lora_B", Linear<Rank, Out, Leaf::trained, Leaf::absent, start::Zeros>>;
    using type = Chain<std::conditional_t<alpha == Rank, A, Scaled<A, alpha, Rank>>, B>;
  };
  template <class Env, class, Index In, Index Out>
  using Module = typename Delta<In, Out>::type::template On<Env>;
};

}  // namespace towpath
