#include "towpath/optim/schedule.hpp"

#include <doctest/doctest.h>
#include <initializer_list>

using towpath::LinearSchedule;

TEST_CASE("up over the warm-up, down to the end") {
  const LinearSchedule s{.total = 10, .warmup = 0.4};
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 5.0 / 6, 4.0 / 6, 3.0 / 6, 2.0 / 6, 1.0 / 6};
  for (int i = 0; i < 10; ++i) CHECK(s(i) == doctest::Approx(expected[i]).epsilon(1e-12));
  CHECK(s(10) == 0);
  CHECK(s(11) == 0);
}

TEST_CASE("the default warms up for a tenth; without warm-up it begins at the top") {
  const LinearSchedule s{.total = 100};
  CHECK(s(0) == doctest::Approx(0.1));
  CHECK(s(8) == doctest::Approx(0.9));
  CHECK(s(9) == 1);
  CHECK(s(99) == doctest::Approx(1.0 / 90));
  const LinearSchedule straight{.total = 4, .warmup = 0};
  const double expected[] = {1, 0.75, 0.5, 0.25};
  for (int i = 0; i < 4; ++i) CHECK(straight(i) == doctest::Approx(expected[i]));
}

TEST_CASE("never above one, never below zero, and no step is lost") {
  for (int total = 1; total < 40; ++total)
    for (double warmup : {0.0, 0.1, 0.33, 0.5, 0.99, 1.0}) {
      const LinearSchedule s{.total = total, .warmup = warmup};
      for (int i = 0; i < total; ++i) CHECK((s(i) > 0 && s(i) <= 1));
    }
}

TEST_CASE("without a total it is one throughout") {
  CHECK(LinearSchedule{}(0) == 1);
  CHECK(LinearSchedule{}(1'000'000) == 1);
}
