#include "towpath/loss/kl.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("KL divergence from the teacher's distribution") {
  check(Kl{.temperature = 2}, 0.1801159168,
        {-0.0479759776, 0.0238933793, 0.0240825983, 0.0472152798, -0.0472152798, 0, -0.0428162493, 0.0213801612,
         0.0131863419, 0.0082497462});
  check(Kl{.temperature = 2, .square = true}, 0.7204636672,
        {-0.1919039105, 0.0955735173, 0.0963303933, 0.1888611193, -0.1888611193, 0, -0.1712649970, 0.0855206449,
         0.0527453675, 0.0329989846});
  says_nothing_of_one_pair(Kl{});
  needs_a_teacher(Kl{}, "Kl");
  Cpu<double> env{{.threads = 1}};
  const std::vector<double> same(teacher.begin(), teacher.end());  // a student that says what the teacher says
  const auto l = Kl{}(scores(env, same, groups, teacher));
  CHECK(std::fabs(l.value) < tolerance::exact_in_double);
  for (std::size_t i = 0; i < 10; ++i) CHECK(std::fabs(l.gradient.data()[i]) < tolerance::exact_in_double);
}
