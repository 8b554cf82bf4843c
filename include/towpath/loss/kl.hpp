#pragma once

#include "towpath/loss/groups.hpp"

namespace towpath {

// Distillation of a group's distribution (Hinton, Vinyals and Dean 2015; for rankers Lin, Yang and Lin 2021):
//   L = mean over queries of  Σ_j p_j (log p_j - log q_j),   p = softmax(t / τ) of the teacher, q = softmax(s / τ)
//   dL/ds_j = (q_j - p_j) / τ / queries
// Which pair is relevant plays no part. With `square` both are multiplied by τ²: the gradient falls about as 1 / τ², and Hinton,
// Vinyals and Dean make up for that where this loss is added to another, lest τ change its share. Libraries have the factor
// as a rule (sentence-transformers' DistillKLDivLoss always); a learning rate found with them is for `square`.
// Errors: a batch without a teacher's scores.
struct Kl {
  double temperature = 1;
  bool square = false;  // times τ²

  template <class Env>
  Loss<Env> operator()(const GroupScores<Env>& scores) const {
    detail::require_teacher(scores, "Kl");
    const double times = square ? temperature * temperature : 1;
    std::vector<double> p, q;
    return detail::over_queries(scores, [&](std::span<const double> s, std::span<double> ds, std::size_t from) {
      const auto t = scores.teacher.subspan(from, s.size());
      const double of_teacher = detail::softmax(t, temperature, p), of_student = detail::softmax(s, temperature, q);
      double value = of_student - of_teacher;  // Σ_j p_j (t_j/τ - s_j/τ) - log Σ e^{t/τ} + log Σ e^{s/τ}
      for (std::size_t j = 0; j < s.size(); ++j) {
        value += p[j] * (static_cast<double>(t[j]) - s[j]) / temperature;
        ds[j] = times * (q[j] - p[j]) / temperature;
      }
      return times * value;
    });
  }
};

}  // namespace towpath
