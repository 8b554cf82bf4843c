#pragma once

#include "towpath/nn/gate.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pfeiffer.hpp"
#include "towpath/peft/prefix.hpp"

namespace towpath {

namespace detail {
struct AnyGated;
template <class... S>
consteval bool add_up(List<S...>) {
  return ((S::rule == at::Rule::delta || S::rule == at::Rule::branch || std::is_same_v<S, at::KeysValues>) && ...);
}
}  // namespace detail

// Gated<Method>: what a method adds, times a number between 0 and 1 that each text's states decide, g_s = mean over its tokens of
// sigmoid(x wᵀ + b), x what the module reads (nn/gate.hpp); for a prefix its keys and values. Where the method starts at zero, so does this.
// Names: the method's, one step further down (gated.lora_A.weight), and gated.gate.weight, gated.gate.bias.
template <class M>
struct Gated {
  using family = detail::AnyGated;
  using sites = typename M::sites;
  static_assert(detail::add_up(typename sites::list{}),
                "[towpath] Gated: a gate multiplies what is added, and this method stands where results pass through: give it a site "
                "beside, round or outside something (an Adapter at::AroundFfnNorm or at::BesideFfn), or a projection");

  template <class S, Index... widths>
  struct Part {
    using type = Gate<Attach<M, S, widths...>, widths...>;
  };
  template <class S, Index Width>
  struct Part<S, Width> {
    using type = PrefixGate<Attach<M, S, Width>, Width>;
  };
  template <class Env, class S, Index... widths>
  using Module = typename Under<"gated", typename Part<S, widths...>::type>::template On<Env>;
};

// UniPELT (Mao et al. 2022): a prefix, an adapter and a low-rank change of query and value, each behind its gate. The defaults are the adapters
// library's on BERT-base: 10 rows, Pfeiffer's adapter with 48 units, rank 8. As there, a gate takes the place of LoRA's scale (α = r). The
// prefix's table is trained directly.
template <Index Length = 10, Index Rank = 48, Index LoraRank = 8>
using UniPELT = Together<Gated<Prefix<Length>>, Gated<Pfeiffer<Rank>>, Gated<LoRA<LoraRank>>>;

}  // namespace towpath
