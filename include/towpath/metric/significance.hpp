#pragma once

#include "towpath/metric/ranking.hpp"

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace towpath {

// Is system a better than system b, or were the queries kind to it? Both tests look at the differences d = a - b, query by query, so a[i] and
// b[i] must be of one query (paired() sees to that); p is two-sided: how often a difference at least as large, either way, comes about
// where there is none.
struct Significance {
  double difference = 0;  // mean of a - b
  double statistic = 0;   // t; for the randomisation test the difference again
  double p = 1;
  Index queries = 0;
};

// P(|T| >= |t|) for Student's t with n > 0 degrees of freedom: the regularised incomplete beta function I_x(n/2, 1/2) at x = n / (n + t²).
double student_two_sided(double t, double n);

// The paired t-test: t = mean(d) / (sd(d) / √n) with n - 1 degrees of freedom and sd over n - 1 (scipy's ttest_rel). Where every difference is
// zero, p = 1; where all are one and the same other number, t is infinite and p = 0. Errors: fewer than two queries, or lists of unequal length.
Significance paired_t_test(std::span<const double> a, std::span<const double> b);

// The randomisation test (Fisher 1935; for retrieval Smucker, Allan and Carterette 2007): if the systems are alike, the sign of each
// difference is the toss of a coin. p is the share of sign patterns whose |mean| reaches the one seen. Where there are no more than
// `patterns` of them all are tried and p is exact; else `patterns` are drawn and p = (1 + reached) / (1 + patterns), which is never 0
// (Phipson and Smyth 2010). Pattern r depends on (seed, r) alone.
struct Randomisation {
  Index patterns = 100000;
  std::uint64_t seed = 1;
};
Significance randomisation_test(std::span<const double> a, std::span<const double> b, const Randomisation& options = {});

// Holm's correction (1979) for m comparisons made together: the i-th smallest p times m - i + 1, never less than the one before it and never
// more than 1. What stays below 0.05 may be called significant at 5 %, all statements together. In the order of p.
std::vector<double> holm(std::span<const double> p);

// The values of one measure for two systems, query by query, in the order of a.
struct Pairs {
  std::vector<double> a, b;
};
// Errors: a query that only one of them was evaluated on, since leaving it out would answer another question.
Pairs paired(const Evaluation& a, const Evaluation& b, const Measure& measure);

#ifndef TOWPATH_ELSEWHERE

namespace detail {

// I_x(a, b) / its prefactor, by the continued fraction of DLMF 8.17.22 in Lentz's order; quick for x < (a + 1) / (a + b + 2).
inline double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto safe = [](double v) { return std::fabs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / safe(1 - (a + b) * x / (a + 1)), f = d;
  for (int m = 1; m < 10000; ++m) {
    const double k = m;
    for (const double term : {k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)),
                              -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))}) {
      d = 1 / safe(1 + term * d);
      c = safe(1 + term / c);
      f *= c * d;
    }
    if (std::fabs(c * d - 1) < 1e-16) break;
  }
  return f;
}
// I_x(a, b), given x and y = 1 - x each to full precision.
inline double beta_share(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(y));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, y) / b;
}

inline std::vector<double> differences(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size())
    fail("these systems cannot be compared", std::to_string(a.size()) + " values stand against " + std::to_string(b.size()),
         "Evaluate both over the same queries");
  if (a.size() < 2) fail("these systems cannot be compared", "a test needs two queries at least", "Evaluate over more queries");
  std::vector<double> d(a.size());
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = a[i] - b[i];
  return d;
}
inline double mean_of(std::span<const double> d) {
  return std::accumulate(d.begin(), d.end(), 0.0) / static_cast<double>(d.size());
}

}  // namespace detail

TOWPATH_ONCE double student_two_sided(double t, double n) {
  const double square = t * t;
  if (std::isinf(square)) return 0;
  return detail::beta_share(n / 2, 0.5, n / (n + square), square / (n + square));
}

TOWPATH_ONCE Significance paired_t_test(std::span<const double> a, std::span<const double> b) {
  const auto d = detail::differences(a, b);
  const auto n = static_cast<double>(d.size());
  const double mean = detail::mean_of(d);
  double square = 0;
  for (double x : d) square += (x - mean) * (x - mean);
  const double error = std::sqrt(square / (n - 1) / n);
  Significance s{mean, 0, 1, static_cast<Index>(d.size())};
  if (std::all_of(d.begin(), d.end(), [&](double x) { return x == d[0]; })) {  // where the mean of equals may be off by a bit
    s.difference = d[0];
    if (d[0] != 0) s.statistic = std::copysign(std::numeric_limits<double>::infinity(), d[0]);
  } else {
    s.statistic = mean / error;
  }
  s.p = student_two_sided(s.statistic, n - 1);
  return s;
}

TOWPATH_ONCE Significance randomisation_test(std::span<const double> a, std::span<const double> b, const Randomisation& options) {
  auto d = detail::differences(a, b);
  const double mean = detail::mean_of(d), seen = std::fabs(std::accumulate(d.begin(), d.end(), 0.0));
  Significance s{mean, mean, 1, static_cast<Index>(d.size())};
  std::erase(d, 0.0);  // no sign changes a zero
  double size = 0;
  for (double x : d) size += std::fabs(x);
  const double reach = seen - 1e-12 * size;  // the pattern that was seen reaches itself, in whatever order it is summed
  Index reached = 0;
  const auto patterns = static_cast<std::uint64_t>(std::max(options.patterns, Index{1}));
  if (d.size() < 63 && (std::uint64_t{1} << d.size()) <= patterns) {
    const std::uint64_t all = std::uint64_t{1} << d.size();
    for (std::uint64_t signs = 0; signs < all; ++signs) {
      double sum = 0;
      for (std::size_t i = 0; i < d.size(); ++i) sum += signs >> i & 1 ? -d[i] : d[i];
      reached += std::fabs(sum) >= reach;
    }
    s.p = static_cast<double>(reached) / static_cast<double>(all);
    return s;
  }
  for (std::uint64_t r = 0; r < patterns; ++r) {
    Random coins(options.seed, r);
    std::uint32_t signs = 0;
    double sum = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (i % 32 == 0) signs = coins.bits();
      sum += signs >> i % 32 & 1 ? -d[i] : d[i];
    }
    reached += std::fabs(sum) >= reach;
  }
  s.p = static_cast<double>(1 + reached) / static_cast<double>(1 + patterns);
  return s;
}

TOWPATH_ONCE std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return p[i] < p[j]; });
  std::vector<double> corrected(p.size());
  double least = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    least = std::max(least, std::min(1.0, p[order[i]] * static_cast<double>(order.size() - i)));
    corrected[order[i]] = least;
  }
  return corrected;
}

TOWPATH_ONCE Pairs paired(const Evaluation& a, const Evaluation& b, const Measure& measure) {
  std::unordered_map<std::string_view, std::size_t> place;
  for (std::size_t i = 0; i < b.queries.size(); ++i) place.emplace(b.queries[i], i);
  const auto& left = a.of(measure);
  const auto& right = b.of(measure);
  const auto alone = [](const std::string& query) {
    fail("these systems cannot be compared", "only one of them was evaluated on query " + query,
         "Evaluate both over every judged query: topics::judged");
  };
  Pairs pairs{left, {}};
  for (const auto& query : a.queries) {
    const auto at = place.find(query);
    if (at == place.end()) alone(query);
    pairs.b.push_back(right[at->second]);
    place.erase(at);
  }
  if (!place.empty())
    for (const auto& query : b.queries)
      if (place.contains(query)) alone(query);
  return pairs;
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
