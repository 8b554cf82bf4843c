#include "towpath/loss/groups.hpp"

#include "some_groups.hpp"

#include <type_traits>

using namespace some_groups;

static_assert(std::is_move_constructible_v<GroupScores<Cpu<float>>> && !std::is_copy_constructible_v<GroupScores<Cpu<float>>>);

TEST_CASE("queries count alike, however many pairs they have; those with one pair do not") {
  Cpu<double> env{{.threads = 1}};
  std::vector<std::size_t> sizes, firsts;
  const auto l = detail::over_queries(scores(env, score, groups), [&](std::span<const double> s, std::span<double> ds, std::size_t from) {
    sizes.push_back(s.size());
    firsts.push_back(from);
    for (double& d : ds) d = 3;
    return static_cast<double>(s.size());
  });
  CHECK(sizes == std::vector<std::size_t>{3, 2, 4});
  CHECK(firsts == std::vector<std::size_t>{0, 3, 6});
  CHECK(l.value == 3);
  for (std::size_t i = 0; i < 10; ++i) CHECK(l.gradient.data()[i] == (i == 5 ? 0 : 1));
}

TEST_CASE("a softmax of anything") {
  std::vector<double> p;
  const std::vector<float> s{1e30f, 1e30f, -1e30f};
  detail::softmax(std::span<const float>(s), 1.0, p);
  CHECK(p == std::vector<double>{0.5, 0.5, 0});
  CHECK(detail::softplus(1e300) == 1e300);
  CHECK(detail::softplus(-1e300) == 0);
  CHECK(detail::logistic(-1e300) == 0);
  CHECK(detail::logistic(0) == 0.5);
}
