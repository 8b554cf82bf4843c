#pragma once

#include "towpath/peft/lora.hpp"

namespace towpath {

// rsLoRA (Kalajdzievski 2023): LoRA with s = α / √r in place of α / r,
//   y = x Wᵀ + b + α / √r (x Aᵀ) Bᵀ
// so that what is learned does not shrink as the rank grows. Everything else is LoRA's, its defaults (query and value, α = r, which is s = √r) and
// its options; peft's use_rslora. Nothing in a saved file tells it from LoRA's: whoever takes it for that scales it wrongly.
template <Index Rank, class... Options>
using RsLoRA = LoRA<Rank, RankStabilised, Options...>;

}  // namespace towpath
