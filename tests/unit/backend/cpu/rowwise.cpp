#include "../compare.hpp"

#include <doctest/doctest.h>

using namespace towpath;
using namespace towpath::compare;

// Equality with the loops is tested beside this file in cpu.cpp; here is what the loops cannot say.
TEST_CASE("GELU and its slope in float are within a few ulp of the truth, far into both tails") {
  Cpu<float> env({.threads = 1});
  const Index n = 40001;
  Tensor<Cpu<float>> x(1, n), y(1, n), slope(1, n);
  for (Index i = 0; i < n; ++i) x.data()[i] = static_cast<float>(i - 20000) * 5e-4f;
  env.kernels().unary(Function::gelu, x.view(), y, slope);
  double worst = 0, worst_slope = 0, worst_relative = 0;
  for (Index i = 0; i < n; ++i) {
    const double t = static_cast<double>(x.data()[i]), phi = 0.5 * std::erfc(-t * 0.70710678118654752440);
    const double value = t * phi, derivative = phi + t * 0.39894228040143267794 * std::exp(-0.5 * t * t);
    worst = std::max(worst, std::fabs(static_cast<double>(y.data()[i]) - value) / std::max(1.0, std::fabs(value)));
    worst_slope = std::max(worst_slope, std::fabs(static_cast<double>(slope.data()[i]) - derivative));
    if (t > -5 && t != 0) worst_relative = std::max(worst_relative, std::fabs(static_cast<double>(y.data()[i]) / value - 1));
  }
  CHECK(worst < 2e-7);
  CHECK(worst_slope < 3e-7);
  CHECK(worst_relative < 5e-6);
}

TEST_CASE("softmax's exponential and the erf-free GELU do not overflow") {
  Cpu<float> env({.threads = 1});
  Tensor<Cpu<float>> x(1, 4), y(1, 4), slope(1, 4);
  const float far[] = {-1e4f, -200, 200, 1e4f};
  std::copy(far, far + 4, x.data());
  env.kernels().unary(Function::gelu, x.view(), y, slope);
  CHECK(y.data()[0] == 0);
  CHECK(y.data()[1] == 0);
  CHECK(y.data()[2] == 200);
  CHECK(y.data()[3] == 1e4f);
  CHECK(slope.data()[0] == 0);
  CHECK(slope.data()[3] == 1);
}
