#pragma once

#include "towpath/base/check.hpp"
#include "towpath/loss/scores.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace towpath {

// What a re-ranker says of a batch: one number for each pair. Pairs groups[g] … groups[g+1] belong to query g, the first of them is the
// relevant one. The lists are the batch's own, which has to be there as long.
template <class Env>
struct GroupScores {
  Tensor<Env> values;              // [pairs, 1]
  std::span<const Index> groups;   // [queries + 1]
  std::span<const float> teacher;  // [pairs] what a teacher says of each, or nothing
  Env* env = nullptr;
};

namespace detail {

// A loss over a few hundred numbers is worked out on the host, in double, whatever the scores live on: f(scores, gradient) -> value,
// the gradient being zeros at first.
template <class Env, class F>
Loss<Env> on_host(const GroupScores<Env>& scores, const F& f) {
  using Scalar = typename Env::Scalar;
  const auto n = static_cast<std::size_t>(scores.values.size());
  TOWPATH_CHECK(!scores.groups.empty() && scores.groups.back() == scores.values.size());
  const auto here = towpath::on_host(scores.values);
  const std::vector<double> s(here.data(), here.data() + n);
  std::vector<double> ds(n);
  Loss<Env> l;
  l.value = f(std::span<const double>(s), std::span<double>(ds));
  std::vector<Scalar> gradient(n);
  std::transform(ds.begin(), ds.end(), gradient.begin(), [](double d) { return static_cast<Scalar>(d); });
  l.gradient = scores.env->template take<Env>(scores.values.rows(), scores.values.columns());
  if (n) Env::Space::copy(l.gradient.data(), gradient.data(), n * sizeof(Scalar));
  return l;
}

// The mean over the queries of f(scores of its pairs, their gradient, the first pair's number) -> value. A query with one pair only has
// nothing to be told apart from: it is left out of the mean, so it weighs nothing whatever it says. So is one for which f has
// no value (nullopt) and leaves the gradient at zero.
template <class Env, class F>
Loss<Env> over_queries(const GroupScores<Env>& scores, const F& f) {
  return on_host(scores, [&](std::span<const double> s, std::span<double> ds) {
    double sum = 0;
    Index counted = 0;
    for (std::size_t g = 0; g + 1 < scores.groups.size(); ++g) {
      const auto from = static_cast<std::size_t>(scores.groups[g]),
                 n = static_cast<std::size_t>(scores.groups[g + 1]) - from;
      if (n < 2) continue;
      const std::optional<double> value = f(s.subspan(from, n), ds.subspan(from, n), from);
      if (!value) continue;
      sum += *value;
      ++counted;
    }
    if (counted == 0) return 0.0;
    for (double& d : ds) d /= static_cast<double>(counted);
    return sum / static_cast<double>(counted);
  });
}

// The mean over the queries, and for each over its negatives j, of f(s_0 - s_j, slope, number of 0, number of j): a loss of differences.
template <class Env, class F>
Loss<Env> over_margins(const GroupScores<Env>& scores, const F& f) {
  return over_queries(scores, [&](std::span<const double> s, std::span<double> ds, std::size_t from) {
    double sum = 0;
    const double each = 1.0 / static_cast<double>(s.size() - 1);
    for (std::size_t j = 1; j < s.size(); ++j) {
      double slope = 0;
      sum += each * f(s[0] - s[j], slope, from, from + j);
      ds[0] += each * slope;
      ds[j] -= each * slope;
    }
    return sum;
  });
}

// log Σ e^{s_j / τ}, and p_j = e^{s_j / τ} / Σ.
template <class T>
double softmax(std::span<const T> s, double temperature, std::vector<double>& p) {
  const double top = static_cast<double>(*std::max_element(s.begin(), s.end())) / temperature;
  p.resize(s.size());
  double sum = 0;
  for (std::size_t j = 0; j < s.size(); ++j) sum += p[j] = std::exp(static_cast<double>(s[j]) / temperature - top);
  for (double& x : p) x /= sum;
  return top + std::log(sum);
}

// log(1 + e^x), without overflow; its slope is the logistic function of x.
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
inline double logistic(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

template <class Env>
void require_teacher(const GroupScores<Env>& scores, const char* loss) {
  if (static_cast<Index>(scores.teacher.size()) != scores.values.size())
    fail(std::string(loss) + " has nothing to learn from",
         "the batch has " + std::to_string(scores.teacher.size()) + " scores of a teacher for " +
             std::to_string(scores.values.size()) + " pairs",
         "Give the Sampler the run of a teacher, and .taught = true");
}

}  // namespace detail
}  // namespace towpath
