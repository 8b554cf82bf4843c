#include "towpath/loss/hinge.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("hinge on the distance of a negative") {
  check(PairwiseHinge{.margin = 0.8}, 0.7666666667,
        {-0.3333333333, 0.1666666667, 0.1666666667, 0, 0, 0, -0.2222222222, 0.1111111111, 0.1111111111, 0});
  says_nothing_of_one_pair(PairwiseHinge{});
}
