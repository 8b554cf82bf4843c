#include "towpath/metric/significance.hpp"

#include "towpath/base/random.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace {

template <class F>
std::string said(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}
const std::vector<double> better = {0.61, 0.43, 1.0, 0.0, 0.33, 0.52, 0.87, 0.15, 0.76, 0.29},
                          worse = {0.5, 0.43, 0.83, 0.1, 0.25, 0.44, 0.9, 0.11, 0.5, 0.3};

}  // namespace

// 2 * scipy.stats.t.sf(t, n), scipy 1.17
TEST_CASE("Student's t, against scipy") {
  const struct {
    double t, n, p;
  } cases[] = {{0.5, 1, 0.7048327646991335},     {1.0, 2, 0.4226497308103742},      {2.0, 10, 0.07338803477074037},
               {2.5, 29, 0.018325344338426086},  {0.01, 100, 0.9920412102344285},   {4.0, 299, 7.989981762962846e-05},
               {12.0, 954, 5.339138501480574e-31}, {1e-9, 5, 0.9999999992407866},   {50.0, 3, 1.761715204127197e-05},
               {3.0, 2000, 0.0027331437620328}};
  for (const auto& c : cases) {
    CAPTURE(c.t);
    CHECK(student_two_sided(c.t, c.n) == Approx(c.p).epsilon(1e-11));
    CHECK(student_two_sided(-c.t, c.n) == student_two_sided(c.t, c.n));
  }
  CHECK(student_two_sided(0, 4) == 1);
  CHECK(student_two_sided(std::numeric_limits<double>::infinity(), 4) == 0);
  CHECK(student_two_sided(1, 1) == Approx(0.5).epsilon(1e-14));  // Cauchy: half of it lies beyond ±1
  CHECK(student_two_sided(1.959963984540054, 1e7) == Approx(0.05).epsilon(1e-6));
}

// scipy.stats.ttest_rel(better, worse)
TEST_CASE("the paired t-test, against scipy") {
  const auto s = paired_t_test(better, worse);
  CHECK(s.statistic == Approx(1.8182745801939788).epsilon(1e-12));
  CHECK(s.p == Approx(0.1023830592904223).epsilon(1e-11));
  CHECK(s.difference == Approx(0.06).epsilon(1e-12));
  CHECK(s.queries == 10);
  const auto back = paired_t_test(worse, better);
  CHECK(back.p == s.p);
  CHECK(back.statistic == -s.statistic);
}

TEST_CASE("differences that do not vary") {
  CHECK(paired_t_test(better, better).p == 1);
  CHECK(paired_t_test(better, better).statistic == 0);
  CHECK(randomisation_test(better, better).p == 1);
  const std::vector<double> a = {1, 2, 3}, b = {0.5, 1.5, 2.5};
  CHECK(paired_t_test(a, b).p == 0);
  CHECK(std::isinf(paired_t_test(a, b).statistic));
  CHECK(paired_t_test(b, a).statistic < 0);
  CHECK(randomisation_test(a, b).p == 0.25);  // all three alike: two of eight patterns
}

TEST_CASE("lists that cannot be compared") {
  const std::vector<double> two = {1, 2}, one = {1};
  CHECK(said([&] { paired_t_test(two, one); }) ==
        "these systems cannot be compared: 2 values stand against 1. Evaluate both over the same queries");
  CHECK(said([&] { randomisation_test(one, one); }) ==
        "these systems cannot be compared: a test needs two queries at least. Evaluate over more queries");
}

// scipy.stats.permutation_test((a, b), …, permutation_type='samples', n_resamples=inf)
TEST_CASE("the randomisation test over all patterns, against scipy") {
  CHECK(randomisation_test(better, worse).p == 0.109375);  // ten queries, one of them a tie, so nine coins
  CHECK(randomisation_test(worse, better).p == 0.109375);
  CHECK(randomisation_test(better, worse).difference == Approx(0.06));
}

// p over a million patterns by scipy is 0.000332; the t-test says 0.000285.
TEST_CASE("the randomisation test over drawn patterns") {
  std::vector<double> x, y;
  for (int i = 0; i < 60; ++i) {
    x.push_back(std::sin(i) * 0.5 + 0.5);
    y.push_back(std::sin(i) * 0.5 + 0.46 + 0.1 * std::cos(7.0 * i * i));
  }
  CHECK(paired_t_test(x, y).statistic == Approx(3.858265632405392).epsilon(1e-11));
  CHECK(paired_t_test(x, y).p == Approx(0.0002853129896735941).epsilon(1e-10));
  const double p = randomisation_test(x, y).p;
  CHECK(std::abs(p - 0.000332) < 5 * std::sqrt(0.000332 / 100000));  // five standard errors
  CHECK(randomisation_test(x, y, {.patterns = 100000, .seed = 1}).p == p);
  CHECK(randomisation_test(x, y, {.patterns = 999}).p >= 1.0 / 1000);
  for (double& v : y) v += 0.03;  // a p in the middle: two seeds draw other patterns
  CHECK(randomisation_test(x, y, {.patterns = 20000, .seed = 2}).p != randomisation_test(x, y, {.patterns = 20000, .seed = 3}).p);
  for (double& v : y) v -= 5;
  CHECK(randomisation_test(x, y, {.patterns = 999}).p == 1.0 / 1000);  // no pattern reaches it: never 0
}

TEST_CASE("where there is no difference, one test in twenty says that there is one") {
  Random random(5, 1);
  int t = 0, r = 0;
  constexpr int trials = 400;
  for (int i = 0; i < trials; ++i) {
    std::vector<double> a(25), b(25);
    for (double& v : a) v = random.normal();
    for (double& v : b) v = random.normal();
    t += paired_t_test(a, b).p < 0.05;
    r += randomisation_test(a, b, {.patterns = 500, .seed = static_cast<std::uint64_t>(i)}).p < 0.05;
  }
  const double error = std::sqrt(trials * 0.05 * 0.95);
  CHECK(std::abs(t - trials * 0.05) < 4 * error);
  CHECK(std::abs(r - trials * 0.05) < 4 * error);
}

// statsmodels' multipletests(p, method='holm') by hand: sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1
TEST_CASE("Holm's correction") {
  const auto c = holm(std::vector<double>{0.01, 0.04, 0.03, 0.005});
  CHECK(c[3] == Approx(0.02));
  CHECK(c[0] == Approx(0.03));
  CHECK(c[2] == Approx(0.06));
  CHECK(c[1] == Approx(0.06));  // not less than the one before
  CHECK(holm(std::vector<double>{0.6, 0.7}) == std::vector<double>{1, 1});
  CHECK(holm(std::vector<double>{0.2}) == std::vector<double>{0.2});
  CHECK(holm({}).empty());
}

TEST_CASE("systems are paired by query, not by place") {
  Evaluation a{{measure::mrr(10)}, {"q1", "q2", "q3"}, {{1, 0.5, 0}}}, b{{measure::mrr(10)}, {"q3", "q1", "q2"}, {{0.3, 0.1, 0.2}}};
  const auto pairs = paired(a, b, measure::mrr(10));
  CHECK(pairs.a == std::vector<double>{1, 0.5, 0});
  CHECK(pairs.b == std::vector<double>{0.1, 0.2, 0.3});
  b.queries.push_back("q4");
  b.values[0].push_back(1);
  const char* sentence = "these systems cannot be compared: only one of them was evaluated on query q4. "
                         "Evaluate both over every judged query: topics::judged";
  CHECK(said([&] { paired(a, b, measure::mrr(10)); }) == sentence);
  CHECK(said([&] { paired(b, a, measure::mrr(10)); }) == sentence);
}
