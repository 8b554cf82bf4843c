#pragma once

#include "towpath/loss/groups.hpp"

namespace towpath {

// Pairwise hinge loss (Joachims 2002; for rankers on text Dehghani et al. 2017):
//   L = mean over queries of the mean over their negatives j of  max(0, m - (s_0 - s_j))
//   dL/ds_0 = -[s_0 - s_j < m], dL/ds_j the opposite, shared out as the means are
// A negative that is further away than the margin m has no gradient.
struct PairwiseHinge {
  double margin = 1;

  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    return detail::over_margins(scores, [&](double distance, double& slope, std::size_t, std::size_t) {
      if (distance >= margin) return 0.0;
      slope = -1;
      return margin - distance;
    });
  }
};

}  // namespace towpath
