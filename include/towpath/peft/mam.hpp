#pragma once

#include "towpath/peft/adapter.hpp"
#include "towpath/peft/prefix.hpp"

namespace towpath {

// Mix-and-match (He et al. 2022): a short prefix in the attention and a wide, scaled adapter beside the feed-forward network,
//   K = [P_k; K], V = [P_v; V];   y = Norm(u + FFN(u) + s B(u))
// The defaults are the paper's for summarisation: 30 rows, 512 units, s = 4 (for GLUE: MAM<16, 16, Scale<2>>; in the IAA paper MAM<16, 16> and
// MAM<200, 200>). W_d starts Kaiming-uniform, W_u zero. Options: Scale<n, d>, and what else Adapter takes. The prefix's table is trained directly.
template <Index Length = 30, Index Rank = 512, class... Options>
using MAM = Together<Prefix<Length>, Adapter<Rank, at::BesideFfn, Options..., Scale<4>, Dense<start::Kaiming>>>;

}  // namespace towpath
