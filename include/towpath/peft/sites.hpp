#pragma once

#include "towpath/base/list.hpp"
#include "towpath/base/text.hpp"

#include <string_view>
#include <type_traits>

namespace towpath {

// Where a method may attach. With x the input of a post-norm layer, Sub a sub-layer and u the state between the two sub-layers:
//
//   u = Norm(x + A_post( Sub_attention(x) + Σ beside(x) )) …, then Σ outside(x);   y = Norm(u + A_post( Sub_ffn(u) + Σ beside(u) )) …
//
// The rule of combination belongs to the site: deltas and branches add up, Post modules follow one another in the order in which the
// methods are written, an exclusive site has one owner. `name` is where, under the layer, its parameters are found.
namespace at {

enum class Rule { delta, sequence, branch, owner, leaves };

#define TOWPATH_SITE(site, rule_, path)                          \
  struct site {                                                  \
    static constexpr Rule rule = Rule::rule_;                    \
    static constexpr fixed_string path_name{path};               \
    static constexpr std::string_view name = "at::" #site;       \
  }

// y = x Wᵀ + b + Σ D(x): a delta beside one projection
TOWPATH_SITE(Query, delta, "attention.self.query");
TOWPATH_SITE(Key, delta, "attention.self.key");
TOWPATH_SITE(Value, delta, "attention.self.value");
TOWPATH_SITE(AttentionOutput, delta, "attention.output.dense");
TOWPATH_SITE(FfnIn, delta, "intermediate.dense");
TOWPATH_SITE(FfnOut, delta, "output.dense");
// K = [P_k; K], V = [P_v; V]: one owner
TOWPATH_SITE(KeysValues, owner, "attention.self");
// k = A_n(… A_1(K(x))), the same for v: the keys and values themselves, deltas included
TOWPATH_SITE(Keys, sequence, "attention.self.key");
TOWPATH_SITE(Values, sequence, "attention.self.value");
// what attention gives to its output projection
TOWPATH_SITE(Context, sequence, "attention.output.dense");
// act(A(u W_iᵀ + b_i)) and A(act(u W_iᵀ + b_i)): the units of the feed-forward network before and after their function
TOWPATH_SITE(FfnArgument, sequence, "intermediate.dense");
TOWPATH_SITE(FfnHidden, sequence, "intermediate");
// s = Sub(x) + Σ B(x), before residual and norm
TOWPATH_SITE(BesideAttention, branch, "attention");
TOWPATH_SITE(BesideFfn, branch, "intermediate");
// s = A_n(… A_1(Sub(x))), before residual and norm; A has its own skip
TOWPATH_SITE(PostAttention, sequence, "attention.output");
TOWPATH_SITE(PostFfn, sequence, "output");
// after the norm
TOWPATH_SITE(PostAttentionNorm, sequence, "attention.output.after");
TOWPATH_SITE(PostFfnNorm, sequence, "output.after");
// Norm(s + Σ B(Norm(s))), s being the sum of residual and sub-layer: the branch reads what the norm gives, is added to what it got, and
// the norm is applied once more
TOWPATH_SITE(AroundAttentionNorm, branch, "attention.output.around");
TOWPATH_SITE(AroundFfnNorm, branch, "output.around");
// z = Norm(x + s) + Σ B(x): the pathway's places, round a sub-layer, a layer, the whole stack; Outside is whichever its host has
TOWPATH_SITE(OutsideAttention, branch, "attention");
TOWPATH_SITE(OutsideFfn, branch, "output");
TOWPATH_SITE(OutsideLayer, branch, "");
TOWPATH_SITE(OutsideModel, branch, "");
TOWPATH_SITE(Outside, branch, "");
// rows before the words of each sequence, below the whole model: one owner
TOWPATH_SITE(InputTokens, owner, "");
// no module: which row of the position table a text begins at
TOWPATH_SITE(Positions, owner, "");
// the second stream of a ladder: beside the whole layer, and beyond everything else there
TOWPATH_SITE(Carry, branch, "");
// no module: these make parameters of the backbone trainable
TOWPATH_SITE(Biases, leaves, "");
TOWPATH_SITE(Norms, leaves, "");
TOWPATH_SITE(Weights, leaves, "");

#undef TOWPATH_SITE

}  // namespace at

// What a method claims.
template <class... S>
struct Sites : List<S...> {
  using list = List<S...>;
};

namespace detail {
// Where a module stands between units and one projection: that which makes them or, of Context and FfnHidden, that which reads them.
using UnitSites = List<at::Keys, at::Values, at::Context, at::FfnArgument, at::FfnHidden>;
template <class S>
inline constexpr bool units_read = std::is_same_v<S, at::Context> || std::is_same_v<S, at::FfnHidden>;
}  // namespace detail

template <class T>
concept Site = requires {
  T::rule;
  T::path_name;
};

}  // namespace towpath
