#pragma once

#include "towpath/nn/phm.hpp"
#include "towpath/peft/adapter.hpp"

namespace towpath {

// An option of Adapter: projections of parameterised hypercomplex multiplication, W = Σ_i A_i ⊗ (L_i R_i), i = 1 … n, L_i R_i of rank r
// (nn/phm.hpp), in place of full matrices. The second one starts at zero.
template <Index n = 4, Index rank = 1>
struct Phm {
  template <Index In, Index Rank>
  using First = PhmLinear<In, Rank, n, rank>;
  template <Index Rank, Index Out>
  using Second = PhmLinear<Rank, Out, n, rank, true>;
};

// Compacter (Karimi Mahabadi, Henderson and Ruder 2021): Houlsby's adapters with such projections and GELU, n = 4 of rank 1. On BERT-base
// Compacter<24> (a reduction of 32) has 60,096 numbers; with the A_i shared among all its projections, as in the paper, it would be 57,088.
// Compacter<R, at::AroundFfnNorm> is the adapters library's Compacter++. Options as Adapter's, those given before the defaults.
// Names: adapter_down and adapter_up with phm_rule, W_left, W_right (the adapters library's), bias (there b).
template <Index Rank, class... Options>
using Compacter = Adapter<Rank, Options..., Phm<4>, Gelu>;

}  // namespace towpath
