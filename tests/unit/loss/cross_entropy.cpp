#include "towpath/loss/cross_entropy.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("cross-entropy within the groups") {
  check(GroupCrossEntropy{.temperature = 0.5}, 1.6919287238,
        {-0.5244595029, 0.0523150919, 0.4721444110, -0.0145875140, 0.0145875140, 0, -0.6467085983, 0.2431390477, 0.4008685197, 0.0027010308});
  says_nothing_of_one_pair(GroupCrossEntropy{});
}
