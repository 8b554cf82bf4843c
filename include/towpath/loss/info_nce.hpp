#pragma once

#include "towpath/backend/op.hpp"
#include "towpath/loss/scores.hpp"

namespace towpath {

// InfoNCE over in-batch and listed negatives (van den Oord et al. 2018; Karpukhin et al. 2020):
//   L = mean_i -log( e^{s_i,p(i) / τ} / Σ_j e^{s_ij / τ} ),  j over all passages of the batch but those also relevant to query i.
// τ = 0.05 with cosine similarity is sentence-transformers' scale 20; with dot products use 1.
struct InfoNce {
  double temperature = 0.05;

  template <class Env>
  Loss<Env> operator()(const Scores<Env>& s) const {
    Loss<Env> l;
    l.value = op::cross_entropy<Env>(*s.env, s.values, s.positive, s.also_relevant, 1.0 / temperature, l.gradient);
    return l;
  }
};

}  // namespace towpath
