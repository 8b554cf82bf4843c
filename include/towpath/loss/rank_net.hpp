#pragma once

#include "towpath/loss/groups.hpp"

#include <cstddef>
#include <optional>
#include <span>

namespace towpath {

// RankNet (Burges et al. 2005): the relevant pair beats a negative with probability σ(s_0 - s_j), σ the logistic function;
//   L = mean over queries of the mean over their negatives j of  log(1 + e^{-(s_0 - s_j)})
//   dL/ds_0 = -σ(-(s_0 - s_j)), dL/ds_j the opposite, shared out as the means are
// With `graded` the labels y are the numbers that the batch has from a teacher, of which the order alone counts:
//   L = mean over queries of the mean over i, j with y_i > y_j of  log(1 + e^{-(s_i - s_j)})
//   dL/ds_i = Σ of -σ(-(s_i - s_j)), dL/ds_j the opposite, shared out as the means are
// They may be grades, too: give the Sampler a run with grades for scores, and .taught = true. A query whose labels are all the
// same is left out of the mean. Errors: `graded`, and a batch without a teacher's scores.
struct RankNet {
  bool graded = false;

  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    if (graded) return over_labels(scores);
    return detail::over_margins(scores, [](double distance, double& slope, std::size_t, std::size_t) {
      slope = -detail::logistic(-distance);
      return detail::softplus(-distance);
    });
  }

private:
  template <class Env>
  static Loss<Env> over_labels(const GroupScores<Env>& scores) {
    detail::require_teacher(scores, "RankNet");
    const auto query = [&](std::span<const double> s, std::span<double> ds, std::size_t from) -> std::optional<double> {
      const auto y = scores.teacher.subspan(from, s.size());
      double sum = 0, pairs = 0;
      for (std::size_t i = 0; i < s.size(); ++i)
        for (std::size_t j = 0; j < s.size(); ++j) {
          if (!(y[i] > y[j])) continue;
          const double distance = s[i] - s[j], slope = -detail::logistic(-distance);
          sum += detail::softplus(-distance);
          ds[i] += slope;
          ds[j] -= slope;
          ++pairs;
        }
      if (pairs == 0) return std::nullopt;
      for (double& d : ds) d /= pairs;
      return sum / pairs;
    };
    return detail::over_queries(scores, query);
  }
};

}  // namespace towpath
