#pragma once

#include "towpath/nn/activation.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/residual.hpp"
#include "towpath/nn/scale.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

// How the two projections of a bottleneck are made: full matrices, the first one's start being Down (the second's is always zero). Another
// way is Phm (compacter.hpp).
template <class Down = start::Bert>
struct Dense {
  template <Index In, Index Rank>
  using First = Linear<In, Rank, Leaf::trained, Leaf::trained, Down>;
  template <Index Rank, Index Out>
  using Second = Linear<Rank, Out, Leaf::trained, Leaf::trained, start::Zeros>;
};

// Bottleneck: z = σ(x W_dᵀ + b_d) W_uᵀ + b_u, x [T, In], W_d [r, In] N(0, 0.02), W_u [Out, r] zero, biases zero: what adapters and the
// pathway are made of. No skip of its own. `stem` begins its names: stem_down.weight, stem_up.weight, ….
template <fixed_string stem, Index In, Index Rank, Index Out, class F = Relu, class Made = Dense<>>
struct BottleneckOf {
  static_assert(Rank > 0, "[towpath] a bottleneck's rank must be at least 1");
  using type = Chain<Activated<Under<stem + fixed_string("_down"), typename Made::template First<In, Rank>>, F, Rank>,
                     Under<stem + fixed_string("_up"), typename Made::template Second<Rank, Out>>>;
};
template <fixed_string stem, Index In, Index Rank, Index Out, class F = Relu, class Made = Dense<>>
using Bottleneck = typename BottleneckOf<stem, In, Rank, Out, F, Made>::type;

// An option of Adapter: s of z + s B(z), a ratio of whole numbers.
template <Index numerator_, Index denominator_ = 1>
struct Scale {
  static constexpr Index numerator = numerator_, denominator = denominator_;
};

namespace detail {
struct AnyAdapter;

template <class T>
concept ScaleOption = requires { T::numerator, T::denominator; };
template <class T>
concept MadeOption = requires { typename T::template First<1, 1>; };

template <class... Options>
struct AdapterOptions {
  template <class T>
  struct IsSite : std::bool_constant<Site<T>> {};
  template <class T>
  struct IsScale : std::bool_constant<ScaleOption<T>> {};
  template <class T>
  struct IsMade : std::bool_constant<MadeOption<T>> {};
  template <class T>
  struct IsFunction : std::bool_constant<!Site<T> && !ScaleOption<T> && !MadeOption<T>> {};
  template <template <class> class Is>
  using chosen = list::filter<Is, List<Options...>>;
  using sites = std::conditional_t<chosen<IsSite>::size == 0, Sites<at::PostAttention, at::PostFfn>, list::apply<Sites, chosen<IsSite>>>;

  template <class Default, class F, class... None>
  static F first(List<F, None...>);
  template <class Default>
  static Default first(List<>);
  using function = decltype(first<Relu>(chosen<IsFunction>{}));
  using made = decltype(first<Dense<>>(chosen<IsMade>{}));
  using scale = decltype(first<Scale<1>>(chosen<IsScale>{}));

  template <class... S>
  static consteval bool fit(List<S...>) {
    return ((S::rule == at::Rule::branch || std::is_same_v<S, at::PostAttention> || std::is_same_v<S, at::PostFfn> ||
             std::is_same_v<S, at::PostAttentionNorm> || std::is_same_v<S, at::PostFfnNorm>) &&
            ...);
  }
};

template <class Branch, class By>
struct ScaledBranch {
  using type = Scaled<Branch, By::numerator, By::denominator>;
};
template <class Branch, class By>
  requires(By::numerator == By::denominator)
struct ScaledBranch<Branch, By> {
  using type = Branch;
};
}  // namespace detail

// Bottleneck adapters, B(z) = σ(z W_dᵀ + b_d) W_uᵀ + b_u, scaled by s:
//   at::PostAttention, PostFfn              z + s B(z) after the sub-layer, before residual and norm (Houlsby et al. 2019)
//   at::PostAttentionNorm, PostFfnNorm      z + s B(z) after the norm
//   at::BesideAttention, BesideFfn          Sub(x) + s B(x), no skip of its own (He et al. 2022, "parallel")
//   at::AroundAttentionNorm, AroundFfnNorm  Norm(z + s B(Norm(z))), z the sum of residual and sub-layer (Pfeiffer et al. 2021)
// The default sites are Houlsby's two, the default function ReLU, s = 1; options in any order: sites, one of Relu, Gelu, Silu, Tanh, Scale<n,
// d>, and how the projections are made (Dense<start::Kaiming>, Phm<4>). Names: adapter_down, adapter_up; parallel_down, parallel_up beside.
template <Index Rank, class... Options>
struct Adapter {
  using family = detail::AnyAdapter;
  using Chosen = detail::AdapterOptions<Options...>;
  using sites = typename Chosen::sites;
  using function = typename Chosen::function;
  static_assert(Chosen::fit(typename sites::list{}),
                "[towpath] an Adapter stands after a sub-layer or beside one: use at::PostAttention, PostFfn, PostAttentionNorm, PostFfnNorm, "
                "AroundAttentionNorm, AroundFfnNorm, BesideAttention or BesideFfn (for a projection use LoRA, for keys and values Prefix)");

  template <fixed_string stem, Index In, Index Out>
  using Branch = typename detail::ScaledBranch<Bottleneck<stem, In, Rank, Out, function, typename Chosen::made>, typename Chosen::scale>::type;
  template <class S>
  static constexpr bool around = std::is_same_v<S, at::AroundAttentionNorm> || std::is_same_v<S, at::AroundFfnNorm>;

  template <class S, Index In, Index Out>
  struct Part {
    static_assert(Rank < In, "[towpath] Adapter: the rank must be smaller than the width it bridges");
    using type = Residual<Branch<"adapter", In, Out>>;
  };
  template <class S, Index In, Index Out>
    requires(S::rule == at::Rule::branch)
  struct Part<S, In, Out> {
    static_assert(Rank < In, "[towpath] Adapter: the rank must be smaller than the width it bridges");
    using type = std::conditional_t<around<S>, Branch<"adapter", In, Out>, Branch<"parallel", In, Out>>;
  };
  template <class Env, class S, Index In, Index Out>
  using Module = typename Part<S, In, Out>::type::template On<Env>;
};

// After both sub-layers, by its author's name (the other placement of that kind: pfeiffer.hpp).
template <Index Rank, class... Options>
using Houlsby = Adapter<Rank, at::PostAttention, at::PostFfn, Options...>;

}  // namespace towpath
