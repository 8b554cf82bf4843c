#pragma once

#include "towpath/loss/groups.hpp"

namespace towpath {

// Margin-MSE (Hofstätter et al. 2020): the distance between relevant and irrelevant is to be the teacher's,
//   L = mean over queries of the mean over their negatives j of  ((s_0 - s_j) - (t_0 - t_j))²
// so the scores themselves may lie anywhere. Teacher and student should agree on the unit of a score, as two cross-encoders do.
// Errors: a batch without a teacher's scores.
struct MarginMse {
  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    detail::require_teacher(scores, "MarginMse");
    return detail::over_margins(scores, [&](double distance, double& slope, std::size_t first, std::size_t other) {
      const double off = distance - (static_cast<double>(scores.teacher[first]) - static_cast<double>(scores.teacher[other]));
      slope = 2 * off;
      return off * off;
    });
  }
};

}  // namespace towpath
