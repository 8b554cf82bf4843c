#pragma once

#include "towpath/peft/method.hpp"

namespace towpath {

// BitFit (Ben Zaken, Ravfogel and Goldberg 2022): of y = x Wᵀ + b the bias alone trains, and of every norm β, the norms' bias. Nothing is
// attached: training starts at the backbone's own values, and there is nothing to choose. On BERT-base, named in the layers and in the Bert,
// 102,144 numbers; the pooler's 768 belong to a head, which trains anyway (ir/cross_encoder.hpp). A key's bias has no gradient but beside a
// prefix, since softmax does not see a shift. Names: the backbone's, ….bias.
struct BitFit {
  using sites = Sites<at::Biases>;
};

}  // namespace towpath
