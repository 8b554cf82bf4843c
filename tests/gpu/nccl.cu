// A team of one GPU, which meets at a file; more need more devices than this program asks for.
#ifdef TOWPATH_HAS_NCCL
#include "towpath/backend/cuda/nccl.cuh"

#include "towpath/backend/cuda/cuda.cuh"

#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>

using namespace towpath;

TEST_CASE("a team of one: sums and shares are what it has; the file is gone when all have come") {
  std::remove("meeting.nccl");
  Cuda<float> gpu;
  Nccl team(gpu.queue(), {.file = "meeting.nccl"});
  CHECK(!std::ifstream("meeting.nccl"));
  CHECK(team.count() == 1);
  double two[] = {1.5, -2};
  team.sum(two);
  CHECK((two[0] == 1.5 && two[1] == -2));
  CHECK(static_cast<Team&>(team).shared(3.25) == 3.25);
  Tensor<Cuda<float>> x(2, 3);
  const float values[] = {1, 2, 3, 4, 5, 6};
  Cuda<float>::Space::copy(x.data(), values, sizeof values);
  const Numbers all[] = {{x.data(), 6, 4}};
  team.sum(all);
  team.share(all);
  CHECK(on_host(x).data()[4] == 5);
}

TEST_CASE("a meeting that is there already, and a member 0 that does not come, end in a sentence") {
  Cuda<float> gpu;
  std::ofstream("old.nccl") << "x";
  CHECK_THROWS_WITH(Nccl(gpu.queue(), {.file = "old.nccl"}), doctest::Contains("it is there already"));
  CHECK_THROWS_WITH(Nccl(gpu.queue(), {.file = "nobody.nccl", .rank = 1, .count = 2, .seconds = 0.2}), doctest::Contains("member 1 waited for 0 seconds"));
}
#endif
