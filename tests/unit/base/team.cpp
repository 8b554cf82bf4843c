#include "towpath/base/team.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace towpath;

TEST_CASE("numbers know their size, and one number is shared as many are") {
  float x[3];
  CHECK(Numbers{x, 3, 4}.size() == 12);

  struct Second : Team {  // whose first member has sevens
    Index rank() const override { return 1; }
    Index count() const override { return 2; }
    void sum(std::span<const Numbers>) override {}
    void share(void* host, std::size_t bytes) override {
      REQUIRE(bytes == sizeof(double));
      *static_cast<double*>(host) = 7;
    }
  } team;
  CHECK(team.shared(1) == 7);
}
