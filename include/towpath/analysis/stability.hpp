#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include <xtensor/xtensor.hpp>

namespace towpath {

// Mean and sample standard deviation (over n - 1; 0 for a single number).
struct Spread {
  double mean = 0, deviation = 0;
  Index count = 0;

  // The coefficient of variation: deviation / |mean|.
  double variation() const { return deviation == 0 ? 0 : deviation / std::fabs(mean); }
};
inline Spread spread(std::span<const double> values) {
  Spread s{0, 0, static_cast<Index>(values.size())};
  if (values.empty()) return s;
  const auto n = static_cast<double>(values.size());
  for (double v : values) s.mean += v / n;
  double square = 0;
  for (double v : values) square += (v - s.mean) * (v - s.mean);
  if (values.size() > 1) s.deviation = std::sqrt(square / (n - 1));
  return s;
}

// What counts as a spike of the loss: a step whose loss lies more than `height` deviations above the median of the `window` losses before it, where a
// deviation is 1.4826 times the median distance from that median (for normal noise, the standard deviation), and at least `least` times the
// median's size. Steps of one rise count once: a spike ends with the first loss that is not above its own bound. The first `window` steps have no
// past to be judged by. A loss that is not a number is a spike.
struct SpikeRule {
  Index window = 50;
  double height = 6, least = 0.01;
};
std::vector<Index> spikes(std::span<const double> losses, const SpikeRule& rule = {});  // the steps at which one begins

// The first of the steps `at` (ascending) whose metric is at least `share` of a reference; none if none is. Nothing is read between two evaluations.
inline std::optional<Index> steps_to(std::span<const double> metric, std::span<const Index> at, double reference, double share = 0.95) {
  for (std::size_t i = 0; i < std::min(metric.size(), at.size()); ++i)
    if (metric[i] >= share * reference) return at[i];
  return std::nullopt;
}

// What was seen of one method, a row for each seed.
struct SeedRuns {
  xt::xtensor<double, 2> loss;           // [seed, step]
  xt::xtensor<double, 2> gradient_norm;  // [seed, step]
  xt::xtensor<double, 2> metric;         // [seed, evaluation], larger is better
  std::vector<Index> evaluated_at;       // the step of each evaluation
};
struct Stability {
  Spread best;                 // over seeds, of each run's best metric
  Spread gradient_variation;   // over seeds, of the coefficient of variation of a run's gradient norm
  Spread spikes_per_thousand;  // over seeds, of spikes per 1000 steps
  Spread steps_to_reference;   // over the seeds that reached 95 % of the reference (`count` of them)
};
// `reference`: the best that is compared with (full fine-tuning's). Errors: arrays that do not have a row for each seed; evaluations without their steps.
inline Stability stability(const SeedRuns& runs, double reference, const SpikeRule& rule = {}) {
  const std::size_t seeds = runs.metric.shape()[0];
  if (runs.loss.shape()[0] != seeds || runs.gradient_norm.shape()[0] != seeds || runs.metric.shape()[1] != runs.evaluated_at.size())
    fail("these runs cannot be summed up", "loss, gradient norm and metric do not have a row for each seed and a step for each evaluation",
         "Give arrays [seed, step] and [seed, evaluation]");
  const auto row = [](const xt::xtensor<double, 2>& a, std::size_t r) {
    return std::span<const double>(a.data() + r * a.shape()[1], a.shape()[1]);
  };
  std::vector<double> best, variation, spiked, reached;
  for (std::size_t s = 0; s < seeds; ++s) {
    const auto metric = row(runs.metric, s), loss = row(runs.loss, s);
    if (!metric.empty()) best.push_back(*std::max_element(metric.begin(), metric.end()));
    variation.push_back(spread(row(runs.gradient_norm, s)).variation());
    if (!loss.empty()) spiked.push_back(1000.0 * static_cast<double>(spikes(loss, rule).size()) / static_cast<double>(loss.size()));
    if (const auto step = steps_to(metric, runs.evaluated_at, reference)) reached.push_back(static_cast<double>(*step));
  }
  return {spread(best), spread(variation), spread(spiked), spread(reached)};
}

inline std::vector<Index> spikes(std::span<const double> losses, const SpikeRule& rule) {
  std::vector<Index> found;
  const auto window = static_cast<std::size_t>(std::max(rule.window, Index{1}));
  std::vector<double> past;
  const auto median = [&] {
    const auto middle = past.begin() + static_cast<std::ptrdiff_t>(past.size() / 2);
    std::nth_element(past.begin(), middle, past.end());
    if (past.size() % 2) return *middle;
    return (*middle + *std::max_element(past.begin(), middle)) / 2;
  };
  bool inside = false;
  for (std::size_t t = window; t < losses.size(); ++t) {
    past.clear();
    for (std::size_t i = t - window; i < t; ++i)
      if (std::isfinite(losses[i])) past.push_back(losses[i]);
    double bound = std::numeric_limits<double>::infinity();
    if (!past.empty()) {
      const double centre = median();
      for (double& v : past) v = std::fabs(v - centre);
      bound = centre + std::max(rule.height * 1.4826 * median(), rule.least * std::fabs(centre));
    }
    const bool above = !(losses[t] <= bound);
    if (above && !inside) found.push_back(static_cast<Index>(t));
    inside = above;
  }
  return found;
}

}  // namespace towpath
