#include "towpath/loss/binary.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("binary cross-entropy of each pair") {
  check(BinaryCrossEntropy{.positive = 2.5}, 1.0459793059,
        {-0.1063893708, 0.0450166003, 0.0710949503, -0.0456063810, 0.0401312340, -0.0829530570, -0.1827646447, 0.0562176501, 0.0622459331, 0.0119202922});
  Cpu<double> env{{.threads = 1}};
  const std::vector<Index> alone{0, 1};
  const auto one = BinaryCrossEntropy{}(scores(env, {0}, alone));    // a relevant pair alone says something here
  CHECK(one.value == doctest::Approx(std::log(2.0)));
  CHECK(one.gradient.data()[0] == doctest::Approx(-0.5));
}
