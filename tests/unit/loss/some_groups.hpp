// Four queries with three, two, one and four pairs, and what torch makes of them (2.15, float64):
//   s = torch.tensor(score, requires_grad=True);  over(f) = torch.stack([f(s[a:b], t[a:b]) for (a, b) of two or more]).mean()
//   GroupCrossEntropy  over(F.cross_entropy(s[None] / 0.5, torch.tensor([0])))
//   BinaryCrossEntropy F.binary_cross_entropy_with_logits(s, y, pos_weight=torch.tensor(2.5)), y = 1 for the first of each query
//   PairwiseHinge      over(F.margin_ranking_loss(s[:1].expand(len(s) - 1), s[1:], torch.ones(len(s) - 1), margin=0.8))
//   RankNet            over(F.binary_cross_entropy_with_logits(s[0] - s[1:], torch.ones(len(s) - 1)))
//   RankNet, graded    i, j = torch.where(t[:, None] > t[None]);  over(F.binary_cross_entropy_with_logits(s[i] - s[j], torch.ones(len(i))))
//   MarginMse          over(F.mse_loss(s[0] - s[1:], t[0] - t[1:]))
//   Kl                 over(F.kl_div(F.log_softmax(s / 2, -1), F.log_softmax(t / 2, -1), log_target=True, reduction="sum")), times 2 ** 2 if square
#pragma once

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/loss/groups.hpp"

#include "../tolerances.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace some_groups {

using namespace towpath;

inline const std::vector<double> score{0.3, -0.2, 0.9, 1.5, -0.4, 0.7, -1.0, 0.25, 0.5, -2.0};
inline const std::vector<float> teacher{2.0f, -1.5f, 0.5f, 0.75f, 1.25f, 3.0f, 1.0f, -0.5f, 0.25f, -3.0f};
inline const std::vector<float> grades{2, 0, 1, 1, 1, 3, 0, 2, 2, 1};  // the second query has one grade only
inline const std::vector<Index> groups{0, 3, 5, 6, 10};

template <class Env>
GroupScores<Env> scores(Env& env, const std::vector<double>& s, std::span<const Index> of,
                        std::span<const float> said = {}) {
  Tensor<Env> t(static_cast<Index>(s.size()), 1);
  for (std::size_t i = 0; i < s.size(); ++i) t.data()[i] = static_cast<typename Env::Scalar>(s[i]);
  return {std::move(t), of, said, &env};
}

// Value and gradient as torch has them; the gradient as the differences of the value have it; in float the same but for rounding; scores
// far apart stay finite. said: what the teacher says.
template <class L>
void check(const L& loss, double value, const std::vector<double>& gradient, const std::vector<float>& said = teacher) {
  Cpu<double> env{{.threads = 1}};
  const auto of = [&](const std::vector<double>& s) { return loss(scores(env, s, groups, said)); };
  const auto l = of(score);
  CHECK(std::fabs(l.value - value) <= tolerance::ten_decimals * (1 + std::fabs(value)));
  REQUIRE((l.gradient.rows() == 10 && l.gradient.columns() == 1));
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(std::fabs(l.gradient.data()[i] - gradient[i]) <= tolerance::ten_decimals * (1 + std::fabs(gradient[i])));
    const double h = 1e-5;
    auto up = score, down = score;
    up[i] += h;
    down[i] -= h;
    CHECK(std::fabs((of(up).value - of(down).value) / (2 * h) - l.gradient.data()[i]) <= tolerance::slope * 10);
  }
  Cpu<float> single{{.threads = 1}};
  const auto f = loss(scores(single, score, groups, said));
  CHECK(std::fabs(f.value - value) <= tolerance::same_in_float * (1 + std::fabs(value)));
  for (std::size_t i = 0; i < 10; ++i) CHECK(std::fabs(f.gradient.data()[i] - gradient[i]) <= tolerance::same_in_float);
  const auto far = loss(scores(single, {-4e4, 4e4, 0, 4e4, -4e4, 0, 0, 0, 4e4, -4e4}, groups, said));
  CHECK(std::isfinite(far.value));
  for (std::size_t i = 0; i < 10; ++i) CHECK(std::isfinite(far.gradient.data()[i]));
}

// A query without a negative, alone or among others, says nothing.
template <class L>
void says_nothing_of_one_pair(const L& loss) {
  Cpu<double> env{{.threads = 1}};
  const std::vector<Index> alone{0, 1}, none{0};
  const auto l = loss(scores(env, {0.7}, alone, std::span(teacher).first(1)));
  CHECK(l.value == 0);
  CHECK(l.gradient.data()[0] == 0);
  CHECK(loss(scores(env, {}, none)).value == 0);
}
template <class L>
void needs_a_teacher(const L& loss, const char* name) {
  Cpu<double> env{{.threads = 1}};
  CHECK_THROWS_WITH(loss(scores(env, score, groups)),
                    doctest::Contains((std::string(name) + " has nothing to learn from").c_str()));
}

}  // namespace some_groups
