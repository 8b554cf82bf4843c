// Run by mpiexec with several processes: see tests/CMakeLists.txt.
#define DOCTEST_CONFIG_IMPLEMENT
#include "towpath/interop/mpi.hpp"

#include "../train/together.hpp"

#include <filesystem>
#include <numeric>

namespace {
towpath::Team* team = nullptr;
}

TEST_CASE("numbers are added up over processes, and given by the first") {
  const auto n = static_cast<double>(team->count()), r = static_cast<double>(team->rank());
  std::vector<double> wide(1000);
  std::vector<float> narrow(7, static_cast<float>(r)), other(3, 1);
  std::iota(wide.begin(), wide.end(), r);
  const towpath::Numbers all[] = {{narrow.data(), 7, 4}, {wide.data(), 1000, 8}, {other.data(), 3, 4}, {nullptr, 0, 4}};
  team->sum(all);
  for (std::size_t i = 0; i < wide.size(); ++i) CHECK(wide[i] == n * static_cast<double>(i) + n * (n - 1) / 2);
  CHECK(narrow == std::vector<float>(7, static_cast<float>(n * (n - 1) / 2)));
  CHECK(other == std::vector<float>(3, static_cast<float>(n)));
  double two[] = {1, r};
  team->sum(two);
  CHECK(two[0] == n);
  CHECK(two[1] == n * (n - 1) / 2);
  CHECK(team->shared(r + 5) == 5);
  CHECK(team->local_rank() == team->rank());  // all on this machine
  const towpath::Numbers mine[] = {{wide.data(), 1, 8}};
  wide[0] = r + 3;
  team->share(mine);
  CHECK(wide[0] == 3);
}

TEST_CASE("processes take the steps that one would who accumulates their batches") {
  const auto folder = std::filesystem::current_path() / ("rank" + std::to_string(team->rank()));
  std::filesystem::create_directories(folder);
  std::filesystem::current_path(folder);
  together::as_one(*team, small::triples(), "../mpi.safetensors");
}

int main(int argc, char** argv) {
  towpath::Mpi mpi(argc, argv);
  team = &mpi;
  doctest::Context context(argc, argv);
  const int failed = context.run();
  double all[] = {static_cast<double>(failed), static_cast<double>(mpi.count())};
  mpi.sum(std::span(all, 1));
  if (mpi.rank() == 0) std::printf("%td processes, %s\n", mpi.count(), all[0] != 0 ? "some failed" : "all pass");
  return all[0] != 0;
}
