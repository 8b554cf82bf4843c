#include "towpath/backend/environment.hpp"

#include "../tolerances.hpp"

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

using namespace towpath;

using Env = Reference<double>;
static_assert(!std::is_copy_constructible_v<Env>, "an environment is one place, not a value");
static_assert(std::is_same_v<Env::Scalar, double> && std::is_same_v<Env::Space, Host>);

TEST_CASE("settings are what was asked for") {
  const Env env{{.threads = 3, .seed = 7, .dropout = 0.1f}};
  CHECK(env.threads() == 3);
  CHECK(env.seed() == 7);
  CHECK(env.settings().dropout == 0.1f);
  CHECK(Env().seed() == 42);
  CHECK(Env().threads() >= 1);
  CHECK(Env().settings().dropout == 0);
}

TEST_CASE("masks are numbered in program order, and a position can be returned to") {
  Env env{{.threads = 1, .seed = 7, .dropout = 0.5f}};
  const Mask first = env.mask(), second = env.mask();
  CHECK(first.position == 0);
  CHECK(second.position == 1);
  CHECK(first.seed == 7);
  CHECK(first.rate == 0.5f);
  CHECK(env.position() == 2);
  env.position(0);
  const Mask again = env.mask();
  int differ_again = 0, differ_next = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    differ_again += again(i) != first(i);
    differ_next += second(i) != first(i);
  }
  CHECK(differ_again == 0);
  CHECK(differ_next > 300);  // half of them, more or less
  env.dropout(0);
  CHECK(env.mask().rate == 0);
  CHECK(env.position() == 2);  // and counts all the same: turning dropout off moves nobody else's mask
}

TEST_CASE("a mask drops its share and scales the rest, so that the mean stays") {
  for (const float rate : {0.1f, 0.5f, 0.9f}) {
    const Mask mask{rate, 3, 5};
    constexpr int n = 100000;
    int dropped = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      const float m = mask(i);
      REQUIRE((m == 0 || m == 1 / (1 - rate)));
      dropped += m == 0;
    }
    const double share = static_cast<double>(rate);
    CHECK(std::fabs(dropped - n * share) < tolerance::standard_errors * std::sqrt(n * share * (1 - share)));
  }
  CHECK(Mask{}(17) == 1);
}

TEST_CASE("what is taken comes back to the pool: a steady step asks the system for nothing") {
  Env env{{.threads = 1}};
  const auto step = [&] {
    auto a = env.take<Env>(10, 20);
    const auto b = env.take<Env>(3, 3), c = env.take<Env>(10, 20);
    CHECK(a.data() != c.data());
    a = env.take<Env>(5, 5);
  };
  step();
  const std::size_t warm = env.pool().fetched();
  CHECK(warm > 0);
  for (int i = 0; i < 50; ++i) step();
  CHECK(env.pool().fetched() == warm);
}

TEST_CASE("a tensor may outlive its environment, and environments do not share memory") {
  Tensor<Env> kept;
  {
    Env a{{.threads = 1}}, b{{.threads = 1}};
    kept = a.take<Env>(2, 2);
    kept.clear();
    CHECK(b.pool().fetched() == 0);
    const auto other = b.take<Env>(2, 2);
    CHECK(other.data() != kept.data());
  }
  CHECK(kept.data()[3] == 0);
}

TEST_CASE("rows() hands out all rows") {
  Env env{{.threads = 2}};
  std::vector<int> seen(100);
  env.rows(100, 9, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  CHECK(seen == std::vector<int>(100, 1));
}
