#include "towpath/analysis/sharpness.hpp"

#include "toy.hpp"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace {

// L = φᵀ H φ / 2 + b·φ with H = base I + top u uᵀ + low v vᵀ for unit vectors u and v at right angles: eigenvalues base + top, base + low, base.
template <class T>
struct Quadratic {
  using Model = toy::Toy<T, 2, 3>;
  double base, top, low;
  double operator()(const Model& m, typename Model::Grads& g) const {
    const auto u = [](Index i) { return 1 / std::sqrt(12.0) * (i % 2 ? -1 : 1); };
    const auto v = [](Index i) { return 1 / std::sqrt(12.0) * (i < 6 ? -1 : 1); };
    double along_u = 0, along_v = 0;
    for (Index i = 0; i < Model::size; ++i) {
      along_u += u(i) * static_cast<double>(m[i]);
      along_v += v(i) * static_cast<double>(m[i]);
    }
    for (Index i = 0; i < Model::size; ++i)
      Model::of(g, i) += static_cast<T>(base * static_cast<double>(m[i]) + top * along_u * u(i) + low * along_v * v(i) + 0.1);
    return 0;
  }
};

// L = (s(b) · s(a) - 1)² + Σ a⁴ / 4 with s = sin, row by row: neither quadratic nor convex.
using Model = toy::Toy<double, 2, 3>;
double bent(const Model& m, Model::Grads& g) {
  double sum = -1;
  for (Index i = 0; i < 6; ++i) sum += std::sin(m[i]) * std::sin(m[i + 6]);
  double loss = sum * sum;
  for (Index i = 0; i < 6; ++i) {
    Model::of(g, i) += 2 * sum * std::cos(m[i]) * std::sin(m[i + 6]) + std::pow(m[i], 3);
    Model::of(g, i + 6) += 2 * sum * std::sin(m[i]) * std::cos(m[i + 6]);
    loss += std::pow(m[i], 4) / 4;
  }
  return loss;
}

}  // namespace

TEST_CASE("a quadratic with a known Hessian") {
  Model model;
  model.fill();
  const auto before = model.numbers();
  auto s = sharpness(model, Quadratic<double>{1, 4, 2}, {.tolerance = 1e-8});
  CHECK(s.converged);
  CHECK(s.eigenvalue == Approx(5).epsilon(1e-7));
  CHECK(s.residual < 1e-3);
  CHECK(s.gradients % 2 == 0);
  CHECK(model.numbers() == before);

  s = sharpness(model, Quadratic<double>{-1, -9, 4}, {.tolerance = 1e-9});  // -10, 3 and ten times -1: the largest is not the longest
  CHECK(s.converged);
  CHECK(s.eigenvalue == Approx(3).epsilon(1e-6));
  s = sharpness(model, Quadratic<double>{-2, -1, -1}, {.iterations = 300, .tolerance = 1e-10});  // a hill: all are negative
  CHECK(s.eigenvalue == Approx(-2).epsilon(1e-6));
  s = sharpness(model, Quadratic<double>{0, 0, 0});
  CHECK(s.eigenvalue == 0);
  CHECK(s.converged);
  CHECK(!sharpness(model, Quadratic<double>{1, 4, 3.9}, {.iterations = 3, .tolerance = 1e-12}).converged);
}

TEST_CASE("in float to the digits that differences leave") {
  toy::Toy<float, 2, 3> model;
  model.fill();
  const auto s = sharpness(model, Quadratic<float>{1, 4, 2}, {.tolerance = 1e-5});
  CHECK(s.eigenvalue == Approx(5).epsilon(1e-3));
}

TEST_CASE("a loss that is not quadratic, against all eigenvalues of its Hessian") {
  Model model;
  model.fill();
  constexpr Index n = Model::size;
  Eigen::Matrix<double, n, n> hessian;
  const double h = 1e-5;
  for (Index i = 0; i < n; ++i) {
    const double kept = model[i];
    Model::Grads up, down;
    model[i] = kept + h;
    bent(model, up);
    model[i] = kept - h;
    bent(model, down);
    model[i] = kept;
    for (Index j = 0; j < n; ++j) hessian(j, i) = (Model::of(up, j) - Model::of(down, j)) / (2 * h);
  }
  CHECK((hessian - hessian.transpose()).norm() < 1e-8);
  const Eigen::SelfAdjointEigenSolver<decltype(hessian)> solver(hessian);
  const double largest = solver.eigenvalues()(n - 1);
  CHECK(solver.eigenvalues()(0) < -0.1);  // a saddle
  const auto s = sharpness(model, bent, {.iterations = 1000, .tolerance = 1e-9});
  CHECK(s.eigenvalue == Approx(largest).epsilon(1e-5));
  CHECK(std::abs(s.eigenvalue - largest) <= s.residual + 1e-8);
}
