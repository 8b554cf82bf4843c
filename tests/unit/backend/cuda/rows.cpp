#include "towpath/backend/cuda/rows.hpp"

#include "../compare.hpp"

#include <doctest/doctest.h>
#include <utility>
#include <vector>

// Each kernel by itself stands beside the CPU's in ../cpu/*.cpp (compare.hpp runs both). Here: the same by several threads, who share rows.
using namespace towpath;
using namespace towpath::compare;

TEST_CASE("rows that a team works on together") {
  const auto run = [](auto& env, Index w) {
    using Ops = OpsOf<decltype(env)>;
    Draw draw(static_cast<std::uint64_t>(w));
    const Index n = 5;
    const Grid<double> x = draw.matrix<double>(n, w, 1), dy = draw.matrix<double>(n, w, 2), gain = draw.matrix<double>(1, w), bias = draw.matrix<double>(1, w);
    Grid<double> y(n, w), stats(n, 2), dx(n, w, 3), unit(n, w), norms(n, 1), back(n, w), lengths(1, n), ds(n, w);
    Ops::layer_norm(env, x, gain, bias, 1e-12, y, stats, dy);
    Ops::layer_norm_backward(env, dy, x, stats, gain, dx);
    Ops::normalise_rows(env, x, unit, norms);
    Ops::normalise_rows_backward(env, dy, unit, norms, back);
    Ops::row_norms(env, x, lengths);
    const std::vector<Index> right{0, -1, w - 1, w / 2, 0};
    const std::vector<std::pair<Index, Index>> without{{0, w / 2}, {3, 0}, {3, w - 1}};
    const double loss = Ops::cross_entropy(env, x, right, without, 3.0, ds);
    Outcome out;
    return out << y << stats << dx << unit << norms << back << lengths << ds << loss << Ops::square_norm(env, x);
  };
  for (Index w : {1, 3, 4, 37}) {
    CAPTURE(w);
    CHECK(close(run(emulated<double, 4>(), w), run(compare::reference(), w), tolerance::same_in_double));
  }
}

TEST_CASE("functions by their names") {
  for (const Function f : {Function::gelu, Function::gelu_tanh, Function::relu, Function::tanh, Function::silu})
    with_function(f, [&]<class F>(F) {
      for (double x : {-2.0, -0.3, 0.0, 0.7, 3.0}) {
        double value = 0, slope = 0;
        cuda::evaluate(f, x, value, slope);
        CHECK(value == F::value(x));
        CHECK(slope == F::slope(x));
      }
    });
  double value = 0, slope = 0;
  cuda::evaluate(Function::none, 2.5, value, slope);
  CHECK(value == 2.5);
  CHECK(slope == 1);
}

TEST_CASE("a finish with its slope and gate in bf16 rounds them as the reference does") {
  Draw draw(5);
  const Grid<float> x = draw.matrix<float>(3, 6), gate = draw.matrix<float>(3, 3);
  const auto run = [&](auto& env) {
    Grid<float> y = x, slope(3, 3), again = x;
    using F = op::FinishOf<std::remove_reference_t<decltype(env)>>;
    F first{.bias = {}, .plus = {}, .function = Function::gelu, .slope = slope, .gate = {}, .half = true};
    OpsOf<decltype(env)>::finish(env, y, first);
    OpsOf<decltype(env)>::finish(env, again, F{.bias = {}, .plus = {}, .function = Function::none, .slope = {}, .gate = slope, .half = true});
    Outcome out;
    return out << y << again;
  };
  Reference<float> loops({.threads = 1});
  CHECK(close(run(emulated<float>()), run(loops), 1e-6));
}
