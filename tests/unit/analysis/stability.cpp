#include "towpath/analysis/stability.hpp"

#include "towpath/base/random.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace {
std::vector<double> noisy(int n) {
  Random random(9, 1);
  std::vector<double> losses;
  for (int t = 0; t < n; ++t) losses.push_back(1 + std::exp(-t / 100.0) + 0.05 * random.normal());
  return losses;
}
}  // namespace

TEST_CASE("mean, deviation and coefficient of variation") {
  const auto s = spread(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  CHECK(s.mean == Approx(5));
  CHECK(s.deviation == Approx(std::sqrt(32.0 / 7)));
  CHECK(s.variation() == Approx(std::sqrt(32.0 / 7) / 5));
  CHECK(s.count == 8);
  CHECK(spread(std::vector<double>{3}).deviation == 0);
  CHECK(spread({}).count == 0);
  CHECK(spread(std::vector<double>{-1, -3}).variation() == Approx(std::sqrt(2.0) / 2));
  CHECK(spread(std::vector<double>{0, 0}).variation() == 0);
}

TEST_CASE("spikes stand out from the noise before them") {
  auto losses = noisy(1000);
  CHECK(spikes(losses).empty());  // 950 draws of normal noise stay within six deviations
  losses[200] += 1;
  losses[500] += 1;
  losses[501] += 0.9;  // of the same rise
  losses[700] -= 1;    // a fall is none
  losses[30] += 5;     // no past yet
  CHECK(spikes(losses) == std::vector<Index>{200, 500});
  losses[800] = std::numeric_limits<double>::quiet_NaN();
  CHECK(spikes(losses) == std::vector<Index>{200, 500, 800});
  CHECK(spikes(losses, {.height = 40}) == std::vector<Index>{800});
  CHECK(spikes(std::vector<double>(20, 1.0)).empty());
}

TEST_CASE("where there is no noise, a spike still has to be of some size") {
  std::vector<double> losses(100, 2.0);
  losses[60] = 2.019;
  CHECK(spikes(losses).empty());
  losses[60] = 2.021;
  CHECK(spikes(losses) == std::vector<Index>{60});
  losses.assign(7, 0);
  losses = {1, 3, 2, 4, 40, 1};  // window 4: median 2.5, distances 1.5 0.5 0.5 1.5, so a bound of 2.5 + 2 * 1.4826
  CHECK(spikes(losses, {.window = 4, .height = 2}) == std::vector<Index>{4});
  losses[4] = 5.46;
  CHECK(spikes(losses, {.window = 4, .height = 2}).empty());
  losses[4] = 5.47;
  CHECK(spikes(losses, {.window = 4, .height = 2}) == std::vector<Index>{4});
}

TEST_CASE("steps to a share of the reference") {
  const std::vector<double> metric = {0.1, 0.5, 0.475, 0.6};
  const std::vector<Index> at = {10, 20, 30, 40};
  CHECK(steps_to(metric, at, 0.5) == 20);
  CHECK(steps_to(metric, at, 0.6) == 40);
  CHECK(steps_to(metric, at, 0.1) == 10);
  CHECK(steps_to(metric, at, 0.6, 1.0) == 40);
  CHECK(!steps_to(metric, at, 0.7));
}

TEST_CASE("one method over its seeds") {
  SeedRuns runs{xt::xtensor<double, 2>({3, 100}, 1.0), xt::xtensor<double, 2>({3, 100}, 2.0), {{0.1, 0.4, 0.3}, {0.2, 0.3, 0.5}, {0.1, 0.2, 0.3}}, {10, 20, 30}};
  runs.loss(1, 70) = 2;
  for (std::size_t t = 0; t < 50; ++t) runs.gradient_norm(2, t) = 4;
  const auto s = stability(runs, 0.42);
  CHECK(s.best.mean == Approx(0.4));
  CHECK(s.best.deviation == Approx(0.1));
  CHECK(s.best.count == 3);
  CHECK(s.spikes_per_thousand.mean == Approx(10.0 / 3));
  CHECK(s.gradient_variation.mean == Approx(std::sqrt(100.0 / 99) / 3 / 3));  // 50 fours and 50 twos: mean 3, deviation 1; the others 0
  CHECK(s.steps_to_reference.count == 2);  // 0.399: at 20, at 30, never
  CHECK(s.steps_to_reference.mean == 25);
  runs.evaluated_at.pop_back();
  CHECK_THROWS_WITH(stability(runs, 0.42),
                    "these runs cannot be summed up: loss, gradient norm and metric do not have a row for each seed and a step for each evaluation. "
                    "Give arrays [seed, step] and [seed, evaluation]");
}
