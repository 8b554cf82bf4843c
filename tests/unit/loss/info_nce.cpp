#include "towpath/loss/info_nce.hpp"

#include "../model/small.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace towpath;

namespace {

using Pairs = std::vector<std::pair<Index, Index>>;

// The definition, term by term.
double by_hand(const std::vector<std::vector<double>>& s, const std::vector<Index>& positive, const Pairs& also, double t) {
  double sum = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    double all = 0;
    for (std::size_t j = 0; j < s[i].size(); ++j) {
      bool out = false;
      for (const auto& [q, p] : also) out |= q == Index(i) && p == Index(j);
      if (!out) all += std::exp(s[i][j] / t);
    }
    sum -= std::log(std::exp(s[i][std::size_t(positive[i])] / t) / all);
  }
  return sum / double(s.size());
}

template <class Env>
Scores<Env> scores(Env& env, const std::vector<std::vector<double>>& s, const std::vector<Index>& positive, const Pairs& also = {}) {
  Tensor<Env> t(Index(s.size()), Index(s[0].size()));
  for (Index i = 0; i < t.rows(); ++i)
    for (Index j = 0; j < t.columns(); ++j) t.data()[i * t.columns() + j] = static_cast<typename Env::Scalar>(s[std::size_t(i)][std::size_t(j)]);
  return {std::move(t), positive, also, &env};
}

template <class Env>
void value_and_gradient(std::vector<std::vector<double>> s, const std::vector<Index>& positive, const Pairs& also, double temperature, double epsilon) {
  Env env{{.threads = 1}};
  const InfoNce loss{.temperature = temperature};
  const auto l = loss(scores(env, s, positive, also));
  CHECK(l.value == doctest::Approx(by_hand(s, positive, also, temperature)).epsilon(epsilon));
  REQUIRE((l.gradient.rows() == Index(s.size()) && l.gradient.columns() == Index(s[0].size())));
  for (std::size_t i = 0; i < s.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < s[i].size(); ++j) {
      const double h = 1e-6, kept = s[i][j];
      s[i][j] = kept + h;
      const double up = by_hand(s, positive, also, temperature);
      s[i][j] = kept - h;
      const double numeric = (up - by_hand(s, positive, also, temperature)) / (2 * h);
      s[i][j] = kept;
      const double exact = l.gradient.view().row(Index(i))[j];
      CHECK(exact == doctest::Approx(numeric).epsilon(std::max(epsilon, 1e-6)).scale(1));
      sum += exact;
    }
    CHECK(std::fabs(sum) < 1e-5);  // a shift of all scores of a query changes nothing
  }
}

const std::vector<std::vector<double>> some{{0.3, -0.2, 0.9, 0.1}, {0.5, 0.4, -0.7, 0.2}, {-0.1, 0.0, 0.6, 0.8}};

}  // namespace

TEST_CASE("value and gradient are the definition's") {
  value_and_gradient<Cpu<double>>(some, {0, 1, 2}, {}, 1, 1e-10);
  value_and_gradient<Cpu<double>>(some, {2, 0, 0}, {}, 0.2, 1e-10);
  value_and_gradient<Cpu<float>>(some, {0, 1, 2}, {}, 0.5, 1e-5);
  value_and_gradient<Reference<double>>(some, {3, 3, 3}, {}, 1, 1e-10);
}

TEST_CASE("passages that are also relevant are no negatives: out of the sum, and without a gradient") {
  const Pairs also{{0, 2}, {0, 3}, {2, 3}};
  value_and_gradient<Cpu<double>>(some, {0, 1, 2}, also, 0.3, 1e-10);
  Cpu<double> env{{.threads = 1}};
  const auto l = InfoNce{.temperature = 0.3}(scores(env, some, {0, 1, 2}, also));
  CHECK(l.gradient.view().row(0)[2] == 0);
  CHECK(l.gradient.view().row(0)[3] == 0);
  CHECK(l.gradient.view().row(2)[3] == 0);
  CHECK(l.gradient.view().row(1)[2] != 0);
}

TEST_CASE("one passage only: nothing to tell apart") {
  Cpu<double> env{{.threads = 1}};
  const auto l = InfoNce{}(scores(env, std::vector<std::vector<double>>{{0.7}}, {0}));
  CHECK(l.value == 0);
  CHECK(l.gradient.data()[0] == 0);
  const auto all_relevant = InfoNce{}(scores(env, std::vector<std::vector<double>>{{0.7, 0.1}}, {0}, {{0, 1}}));
  CHECK(all_relevant.value == 0);
  CHECK((all_relevant.gradient.data()[0] == 0 && all_relevant.gradient.data()[1] == 0));
}

TEST_CASE("scores far apart at a low temperature stay finite") {
  Cpu<float> env{{.threads = 1}};
  const auto l = InfoNce{.temperature = 0.01}(scores(env, std::vector<std::vector<double>>{{-50, 50}, {50, -50}}, {0, 0}));
  CHECK(l.value == doctest::Approx(10000.0 / 2));
  for (Index i = 0; i < 4; ++i) CHECK(std::isfinite(l.gradient.data()[i]));
  CHECK(l.gradient.data()[0] == doctest::Approx(-50.0));
}
