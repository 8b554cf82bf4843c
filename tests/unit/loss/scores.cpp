#include "towpath/loss/scores.hpp"

#include "towpath/backend/environment.hpp"

#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

using namespace towpath;
using Env = Reference<double>;

// Both move and neither copies silently: a score matrix has one owner.
static_assert(std::is_move_constructible_v<Scores<Env>> && !std::is_copy_constructible_v<Scores<Env>>);
static_assert(std::is_move_constructible_v<Loss<Env>> && !std::is_copy_constructible_v<Loss<Env>>);

TEST_CASE("scores know their environment, their positives and what else is relevant") {
  Env env{{.threads = 1}};
  const std::vector<Index> positive{0, 2};
  const std::vector<std::pair<Index, Index>> also{{0, 1}};
  const Scores<Env> s{Tensor<Env>(2, 3), positive, also, &env};
  CHECK(s.values.rows() == static_cast<Index>(s.positive.size()));
  CHECK(s.also_relevant.front() == std::pair<Index, Index>{0, 1});
  CHECK(s.env == &env);
  CHECK(Scores<Env>{}.env == nullptr);
  CHECK(Loss<Env>{}.value == 0);
}
