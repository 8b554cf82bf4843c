#pragma once

#include "towpath/loss/groups.hpp"

namespace towpath {

// Pointwise binary cross-entropy (Nogueira and Cho 2019): each pair by itself is relevant or it is not,
//   L = mean over all pairs of  -w log σ(s)  if it is the first of its group,  -log(1 - σ(s))  if it is not;   σ the logistic function
//   dL/ds = w (σ(s) - 1) / pairs  or  σ(s) / pairs
// `positive` is w: with n negatives for each positive, n makes both sides weigh the same. Scores become log-odds, which compare across
// queries; for the order within a query alone, GroupCrossEntropy does better as a rule.
struct BinaryCrossEntropy {
  double positive = 1;

  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    return detail::on_host(scores, [&](std::span<const double> s, std::span<double> ds) {
      double sum = 0;
      const double each = s.empty() ? 0 : 1.0 / static_cast<double>(s.size());
      for (std::size_t g = 0; g + 1 < scores.groups.size(); ++g) {
        const auto first = static_cast<std::size_t>(scores.groups[g]), end = static_cast<std::size_t>(scores.groups[g + 1]);
        for (std::size_t i = first; i < end; ++i) {
          const double sign = i == first ? -1 : 1, weight = i == first ? positive : 1;
          sum += weight * detail::softplus(sign * s[i]);
          ds[i] = each * weight * sign * detail::logistic(sign * s[i]);
        }
      }
      return each * sum;
    });
  }
};

}  // namespace towpath
