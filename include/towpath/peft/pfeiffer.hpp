#pragma once

#include "towpath/peft/adapter.hpp"

namespace towpath {

// Pfeiffer's placement (Pfeiffer et al. 2021): one adapter in a layer, after the feed-forward network. It reads the sum z of residual and
// sub-layer normalised, is added to z as it was, and the norm is applied once more,
//   z = u + FFN(u);   y = Norm(z + s B(Norm(z))),   B(x) = σ(x W_dᵀ + b_d) W_uᵀ + b_u
// as the adapters library has it (`seq_bn`; its reduction factor of 16 is Pfeiffer<48> on BERT-base, 894,528 numbers). Defaults and options are
// Adapter's: ReLU, s = 1, W_d ~ N(0, 0.02), W_u zero, so that training starts at the backbone. Names: output.around.adapter_down and …_up.
template <Index Rank, class... Options>
using Pfeiffer = Adapter<Rank, at::AroundFfnNorm, Options...>;

}  // namespace towpath
