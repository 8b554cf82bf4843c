#pragma once

#include "towpath/loss/groups.hpp"

namespace towpath {

// RankNet (Burges et al. 2005): the relevant pair beats a negative with probability σ(s_0 - s_j), σ the logistic function;
//   L = mean over queries of the mean over their negatives j of  log(1 + e^{-(s_0 - s_j)})
//   dL/ds_0 = -σ(-(s_0 - s_j)), dL/ds_j the opposite, shared out as the means are
struct RankNet {
  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    return detail::over_margins(scores, [](double distance, double& slope, std::size_t, std::size_t) {
      slope = -detail::logistic(-distance);
      return detail::softplus(-distance);
    });
  }
};

}  // namespace towpath
