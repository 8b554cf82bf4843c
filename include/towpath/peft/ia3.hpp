#pragma once

#include "towpath/nn/gain.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

namespace detail {
struct AnyIa3;
template <class... S>
consteval bool scales(List<S...>) {
  return (list::contains<S, UnitSites> && ...);
}
}  // namespace detail

// (IA)³ (Liu et al. 2022): one learned factor per unit, k = l_k ⊙ K(x), v = l_v ⊙ V(x), f = (l_ff ⊙ act(u W_iᵀ + b_i)) W_fᵀ + b_f; biases
// and deltas are inside K and V. All factors start at one, so training starts at the backbone. The default sites are the paper's three:
//   Ia3<>                                                        the paper's; 55,296 numbers on BERT-base
//   Ia3<at::Keys, at::Values, at::Context, at::FfnHidden>        what peft makes of BERT by default: its target "output.dense" also means
//                                                                 attention.output.dense; 64,512 numbers
//   Ia3<at::Keys, at::Values, at::FfnArgument>                   the adapters library's: before the function instead of after it
// Names: ia3_l, as peft's (there under output.dense, here intermediate, for at::FfnHidden).
// Merged: the rows of the weight and bias that make the units, the columns of the weight that reads them.
template <class... S>
struct Ia3 {
  using family = detail::AnyIa3;
  using sites = std::conditional_t<sizeof...(S) == 0, Sites<at::Keys, at::Values, at::FfnHidden>, Sites<S...>>;
  static_assert(detail::scales(List<S...>{}),
                "[towpath] Ia3 multiplies units: use at::Keys, at::Values, at::Context, at::FfnArgument or at::FfnHidden");

  template <class Env, class, Index Width>
  using Module = typename Gain<"ia3_l", Width>::template On<Env>;

  static constexpr bool merges = true;
  template <class Site, class Env, class Trained>
  static void merge(Env& env, const Trained& l, Tensor<Env>& weight, Tensor<Env>& bias) {
    if constexpr (detail::units_read<Site>) {
      weight = op::scale_columns<Env>(env, weight, l.gain);
    } else {
      op::scale_rows<Env>(env, l.gain, weight);
      if (!bias.empty()) bias = op::scale_columns<Env>(env, bias, l.gain);
    }
  }
};

}  // namespace towpath
