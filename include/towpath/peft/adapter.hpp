#pragma once

#include "towpath/nn/activation.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/residual.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

// Bottleneck: z = σ(x W_dᵀ + b_d) W_uᵀ + b_u, x [T, In], W_d [r, In] N(0, 0.02), W_u [Out, r] zero, biases zero: what adapters and the
// pathway are made of. No skip of its own. `stem` begins its names: stem_down.weight, stem_up.weight, ….
template <fixed_string stem, Index In, Index Rank, Index Out, class F = Relu>
struct BottleneckOf {
  static_assert(Rank > 0, "[towpath] a bottleneck's rank must be at least 1");
  using type = Chain<Activated<Under<stem + fixed_string("_down"), Linear<In, Rank, Leaf::trained, Leaf::trained, start::Bert>>, F, Rank>,
                     Under<stem + fixed_string("_up"), Linear<Rank, Out, Leaf::trained, Leaf::trained, start::Zeros>>>;
};
template <fixed_string stem, Index In, Index Rank, Index Out, class F = Relu>
using Bottleneck = typename BottleneckOf<stem, In, Rank, Out, F>::type;

namespace detail {
struct AnyAdapter;

template <class... Options>
struct AdapterOptions {
  template <class T>
  struct IsSite : std::bool_constant<Site<T>> {};
  template <class T>
  struct IsFunction : std::bool_constant<!Site<T>> {};
  using named = list::apply<Sites, list::filter<IsSite, List<Options...>>>;
  using sites = std::conditional_t<named::size == 0, Sites<at::PostAttention, at::PostFfn>, named>;

  template <class F, class... None>
  static F first(List<F, None...>);
  static Relu first(List<>);
  using function = decltype(first(list::filter<IsFunction, List<Options...>>{}));

  template <class... S>
  static consteval bool fit(List<S...>) {
    return ((S::rule == at::Rule::branch || std::is_same_v<S, at::PostAttention> || std::is_same_v<S, at::PostFfn> ||
             std::is_same_v<S, at::PostAttentionNorm> || std::is_same_v<S, at::PostFfnNorm>) &&
            ...);
  }
};
}  // namespace detail

// Bottleneck adapters. At a Post site (Houlsby et al. 2019): A(z) = z + Bottleneck(z), after the sub-layer and before residual and norm.
// At a Beside site (He et al. 2022, "parallel"): s = Sub(x) + Bottleneck(x), no skip of its own. The default sites are Houlsby's two,
// the default function ReLU; options in any order: sites, and one of Relu, Gelu, Silu, Tanh.
// Names: adapter_down, adapter_up after a sub-layer, parallel_down, parallel_up beside one.
template <Index Rank, class... Options>
struct Adapter {
  using family = detail::AnyAdapter;
  using sites = typename detail::AdapterOptions<Options...>::sites;
  using function = typename detail::AdapterOptions<Options...>::function;
  static_assert(detail::AdapterOptions<Options...>::fit(typename sites::list{}),
                "[towpath] an Adapter stands after a sub-layer or beside one: use at::PostAttention, PostFfn, PostAttentionNorm, PostFfnNorm, "
                "BesideAttention or BesideFfn (for a projection use LoRA, for keys and values Prefix)");

  template <class S, Index In, Index Out>
  struct Part {
    static_assert(Rank < In, "[towpath] Adapter: the rank must be smaller than the width it bridges");
    using type = Residual<Bottleneck<"adapter", In, Rank, Out, function>>;
  };
  template <class S, Index In, Index Out>
    requires(S::rule == at::Rule::branch)
  struct Part<S, In, Out> {
    static_assert(Rank < In, "[towpath] Adapter: the rank must be smaller than the width it bridges");
    using type = Bottleneck<"parallel", In, Rank, Out, function>;
  };
  template <class Env, class S, Index In, Index Out>
  using Module = typename Part<S, In, Out>::type::template On<Env>;
};

}  // namespace towpath
