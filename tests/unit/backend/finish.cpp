#include "towpath/backend/finish.hpp"

#include "towpath/backend/environment.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("a Finish of nothing does nothing, and one of some rows looks at those rows") {
  Finish<float> f;
  CHECK(f.nothing());
  float plus[6] = {}, gate[6] = {}, bias[2] = {};
  f.plus = {plus, 3, 2};
  f.gate = {gate, 3, 2};
  f.bias = {bias, 1, 2};
  CHECK_FALSE(f.nothing());
  const auto part = f.rows(1, 2);
  CHECK(part.plus.data == plus + 2);
  CHECK(part.gate.rows == 2);
  CHECK(part.bias.data == bias);
  CHECK(part.slope.empty());
}

TEST_CASE("a factor knows a frozen weight from any other matrix") {
  using Env = Reference<float>;
  SharedTensor<Env> frozen(2, 3);
  frozen.refer(Tensor<Env>(2, 3));
  const Tensor<Env> plain(2, 3);
  CHECK(Factor<float>(frozen).forms != nullptr);
  CHECK(Factor<float>(frozen).values.data == frozen.data());
  CHECK(Factor<float>(plain).forms == nullptr);
  CHECK(Factor<float>(plain.view()).values.columns == 3);
}
