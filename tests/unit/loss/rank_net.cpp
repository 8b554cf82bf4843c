#include "towpath/loss/rank_net.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("RankNet: the probability that the relevant pair wins") {
  check(RankNet{}, 0.6891235249,
        {-0.1705328292, 0.0629234448, 0.1076093844, -0.0433694915, 0.0433694915, 0, -0.2070906399, 0.0863666512, 0.0908416085, 0.0298823802});
  says_nothing_of_one_pair(RankNet{});
}
