// The layer, written as what it is: equations between parts. Each alias below is one line of
//
//   q, k, v = x Wᵀ + b + Σ deltas                       at::Query, at::Key, at::Value, at::KeysValues, then at::Keys, at::Values
//   a = Post( drop( SA(q,k,v) W_oᵀ + b_o + Σ deltas ) ) + Σ B(x)      at::Context, at::AttentionOutput, at::PostAttention, at::BesideAttention
//   u = After( Norm(x + a) ) + Σ B(x)                   at::PostAttentionNorm, at::OutsideAttention
//                                                       at::AroundAttentionNorm: Norm(s + Σ B(Norm(s))) for Norm(s), s = x + a
//   f = Post( drop( H( act( I( u W_iᵀ + b_i + Σ ) ) ) W_fᵀ + b_f + Σ ) ) + Σ B(u)
//                                                       at::FfnIn, at::FfnArgument (I), at::FfnHidden (H), at::FfnOut, at::PostFfn, at::BesideFfn
//   y = After( Norm(u + f) ) + Σ B(u) + Σ B(x)          at::PostFfnNorm, at::OutsideFfn, at::OutsideLayer; at::AroundFfnNorm likewise
//
// (BERT's post-norm order.) What is kept for backward and where backward stops follows from the parts:
//
//   site            reads   adds to            kept because of it
//   Query…Value     x       q, k, v            x
//   AttentionOutput SA      a                  SA, and all of q, k, v and probabilities from there down only if x or they train
//   PostAttention   a       a                  a, the bottleneck's inside
//   Beside…         x or u  a or f             x or u
//   Outside…        x or u  u or y             x or u
//   FfnIn, FfnOut   u, act  hidden, f          u, act(·)
//   any, anywhere below                        the norms' inputs, the activation's input, q, k, v, probabilities above it
#pragma once

#include "towpath/nn/activation.hpp"
#include "towpath/nn/attention.hpp"
#include "towpath/nn/beside.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/feed_forward.hpp"
#include "towpath/nn/layer_norm.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/renormed.hpp"
#include "towpath/nn/residual.hpp"
#include "towpath/nn/under.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

namespace detail {
struct LayerHost {
  using offers = List<at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut, at::KeysValues, at::Keys, at::Values, at::Context,
                      at::FfnArgument, at::FfnHidden, at::BesideAttention, at::BesideFfn, at::PostAttention, at::PostFfn, at::PostAttentionNorm,
                      at::PostFfnNorm, at::AroundAttentionNorm, at::AroundFfnNorm, at::OutsideAttention, at::OutsideFfn, at::OutsideLayer,
                      at::Outside, at::Biases, at::Norms, at::Weights>;
};

template <class L>
struct PrefixIn {
  using type = NoPrefix;
};
template <class P>
struct PrefixIn<List<P>> {
  using type = P;
};

template <class Norm, class Branches>
struct RenormedBy {
  using type = Norm;
};
template <class Norm, class B, class... Rest>
struct RenormedBy<Norm, List<B, Rest...>> {
  using type = Renormed<Norm, typename BesideAll<B, List<Rest...>>::type>;
};

template <class Shape, class Methods>
struct LayerParts {
  static_assert(check_methods<LayerHost>(Methods{}));
  static constexpr Index H = Shape::hidden, F = Shape::ffn;
  static constexpr bool weights = any_claims<at::Weights, Methods>, biases = any_claims<at::Biases, Methods>, norms = any_claims<at::Norms, Methods>;

  template <class Site, Index... widths>
  using At = typename Attached<Site, Methods, widths...>::list;
  template <class Main, class... Branches>
  using Plus = typename BesideAll<Main, list::join<Branches...>>::type;
  template <class... Ms>
  using Follow = list::apply<Chain, list::join<Ms...>>;

  // a projection with its deltas
  template <class Site, Index In, Index Out>
  using Projection = Plus<Under<Site::path_name, Linear<In, Out, leaf(weights), leaf(biases)>>, At<Site, In, Out>>;
  template <fixed_string name, class Site>
  using Norm = typename RenormedBy<Under<name, LayerNorm<Shape, norms, norms || biases>>, At<Site, H, H>>::type;

  using SA = SelfAttention<Shape::heads, Projection<at::Query, H, H>, Follow<List<Projection<at::Key, H, H>>, At<at::Keys, H>>,
                           Follow<List<Projection<at::Value, H, H>>, At<at::Values, H>>, typename PrefixIn<At<at::KeysValues, H>>::type>;
  using AttentionSub = Plus<Follow<List<SA>, At<at::Context, H>, List<Dropped<Projection<at::AttentionOutput, H, H>>>, At<at::PostAttention, H, H>>,
                            At<at::BesideAttention, H, H>>;                                                        // a
  using Lower = Plus<Follow<List<AddNorm<AttentionSub, Norm<"attention.output.LayerNorm", at::AroundAttentionNorm>>>,
                            At<at::PostAttentionNorm, H, H>>,
                     At<at::OutsideAttention, H, H>>;                                                              // u

  using Argument = Follow<List<Projection<at::FfnIn, H, F>>, At<at::FfnArgument, F>>;
  using Hidden = Follow<List<Activated<Argument, typename Shape::Activation, F>>, At<at::FfnHidden, F>>;
  using FfnSub = Plus<Follow<List<FeedForward<Hidden, Dropped<Projection<at::FfnOut, F, H>>>>, At<at::PostFfn, H, H>>, At<at::BesideFfn, H, H>>;  // f
  using Upper = Plus<Follow<List<AddNorm<FfnSub, Norm<"output.LayerNorm", at::AroundFfnNorm>>>, At<at::PostFfnNorm, H, H>>, At<at::OutsideFfn, H, H>>;

  using Whole = Plus<Then<Lower, Upper>, At<at::OutsideLayer, H, H>, At<at::Outside, H, H>>;                        // y
};
}  // namespace detail

// TransformerLayer<Shape, Methods…>: one BERT layer, [T, H] -> [T, H], frozen but for what the methods attach or flip. Methods compose by
// their sites; those that cannot stand together are refused in a sentence. Without methods the layer is the backbone's and has no backward
// unless something below it trains.
template <class Shape, class... Methods>
struct TransformerLayer : detail::LayerParts<Shape, detail::Parts<Methods...>>::Whole {
  static_assert(Shape::hidden % Shape::heads == 0, "[towpath] TransformerLayer: the hidden width must be a multiple of the number of heads");
  using shape = Shape;
};

}  // namespace towpath
