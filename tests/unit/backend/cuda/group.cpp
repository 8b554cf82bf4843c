#include "towpath/backend/cuda/group.hpp"

#include "../emulated.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace towpath;

TEST_CASE("a matrix is a view's numbers") {
  std::vector<double> numbers{1, 2, 3, 4, 5, 6};
  const cuda::Matrix<double> m(BasicView<double>(numbers.data(), 2, 2, 3));
  CHECK(m(1, 1) == 5);
  CHECK(m.row(1) == numbers.data() + 3);
  CHECK(!m.empty());
  CHECK(cuda::Matrix<double>(BasicView<double>()).empty());
  const cuda::Matrix<const double> read(BasicView<const double>(numbers.data(), 2, 2, 3));
  CHECK(read(0, 1) == 2);
}

TEST_CASE("alone, and a team: everybody gets the sum and the maximum") {
  CHECK(cuda::Alone{}.count() == 1);
  CHECK(cuda::Alone{}.sum(3.0) == 3);
  CHECK(cuda::Alone{}.max(-3.0) == -3);
  compare::LoopQueue<double, 4> queue;
  std::vector<double> sums(12), tops(12);
  queue.groups(3, [&](const auto& us, Index i) {
    const auto at = static_cast<std::size_t>(i * 4 + us.lane());
    sums[at] = us.sum(static_cast<double>(us.lane() + i));
    tops[at] = us.max(static_cast<double>(-us.lane()));
  });
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(sums[i] == 6 + 4 * static_cast<double>(i / 4));
    CHECK(tops[i] == 0);
  }
}
