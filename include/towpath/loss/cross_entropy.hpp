#pragma once

#include "towpath/loss/groups.hpp"

namespace towpath {

// Cross-entropy within each query's own group, "localized contrastive estimation" (Gao, Dai and Callan 2021, "Rethink training of BERT
// rerankers in multi-stage retrieval pipeline"):
//   L = mean over queries of -log( e^{s_0 / τ} / Σ_j e^{s_j / τ} ),   s_0 the relevant pair's score, j over the query's pairs
//   dL/ds_j = (softmax_j - [j = 0]) / τ / queries
// The usual loss of a cross-encoder. A query without a negative is left out.
struct GroupCrossEntropy {
  double temperature = 1;

  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    std::vector<double> p;
    return detail::over_queries(scores, [&](std::span<const double> s, std::span<double> ds, std::size_t) {
      const double value = detail::softmax(s, temperature, p) - s[0] / temperature;
      for (std::size_t j = 0; j < s.size(); ++j) ds[j] = (p[j] - (j == 0)) / temperature;
      return value;
    });
  }
};

}  // namespace towpath
