#include "towpath/loss/margin_mse.hpp"

#include "some_groups.hpp"

using namespace some_groups;

TEST_CASE("margin-MSE: the teacher's distances") {
  check(MarginMse{}, 6.5577777778, {-1.7, 1, 0.7, 1.6, -1.6, 0, -1.7777777778, 0.6111111111, 0.5, 0.6666666667});
  says_nothing_of_one_pair(MarginMse{});
  needs_a_teacher(MarginMse{}, "MarginMse");
}
