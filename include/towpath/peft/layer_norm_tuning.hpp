#pragma once

#include "towpath/peft/method.hpp"

namespace towpath {

// LayerNorm tuning (Qi, Ruan, Zuo and Li 2022; peft's LN_TUNING, after Zhao et al. 2023): in every norm, y = γ ⊙ (x - mean(x)) / √(var(x) + ε) + β,
// γ and β train, [H] each. Nothing is attached: training starts at the backbone's own values, and there is nothing to choose. On BERT-base, named
// in the layers and in the Bert, 25 norms, 38,400 numbers: what peft has with target_modules=["LayerNorm"] (it has no default for BERT), which
// keeps a copy of each norm where here the norm itself trains. Names: the backbone's, ….LayerNorm.weight, ….LayerNorm.bias.
struct LayerNormTuning {
  using sites = Sites<at::Norms>;
};

}  // namespace towpath
