#include "towpath/loss/rank_net.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("RankNet: the probability that the relevant pair wins") {
  check(RankNet{}, 0.6891235249,
        {-0.1705328292, 0.0629234448, 0.1076093844, -0.0433694915, 0.0433694915, 0, -0.2070906399, 0.0863666512,
         0.0908416085, 0.0298823802});
  says_nothing_of_one_pair(RankNet{});
}

TEST_CASE("RankNet with grades: every pair of unlike labels") {
  check(RankNet{.graded = true}, 0.4943867440,
        {-0.1705328292, 0.1045467605, 0.0659860686, 0, 0, 0, 0.1136184241, -0.0318049604, -0.0258283704, -0.0559850934},
        grades);
  check(RankNet{.graded = true}, 1.1169867127,
        {-0.1136885528, 0.0696978404, 0.0439907124, 0.2899638419, -0.2899638419, 0, -0.1035453199, 0.0622096609,
         0.0168829332, 0.0244527259});                           // the labels may be any numbers
  const std::vector<float> first{1, 0, 0, 1, 0, 1, 1, 0, 0, 0};  // one relevant pair: what it is without grades
  Cpu<double> env{{.threads = 1}};
  const auto plain = RankNet{}(scores(env, score, groups)),
             same = RankNet{.graded = true}(scores(env, score, groups, first));
  CHECK(std::fabs(plain.value - same.value) < tolerance::exact_in_double);
  for (std::size_t i = 0; i < 10; ++i)
    CHECK(std::fabs(plain.gradient.data()[i] - same.gradient.data()[i]) < tolerance::exact_in_double);
  says_nothing_of_one_pair(RankNet{.graded = true});
  needs_a_teacher(RankNet{.graded = true}, "RankNet");
}
