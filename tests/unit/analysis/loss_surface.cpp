#include "towpath/analysis/loss_surface.hpp"

#include "toy.hpp"

#include <cmath>
#include <cstdio>
#include <doctest/doctest.h>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace {
using Model = toy::Toy<double, 2, 3>;
double row_norm(const double* row) { return std::sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2]); }
}  // namespace

TEST_CASE("each row of a direction is as long as the row it perturbs") {
  Model model;
  model.fill();
  for (Index i = 3; i < 6; ++i) model[i] = 0;  // the second row
  Point<Model> trained(model);
  const auto d = random_direction(trained, 7, 0), again = random_direction(trained, 7, 0), other = random_direction(trained, 7, 1);
  const auto w = trained.weights();
  for (std::size_t r = 0; r < 4; ++r) CHECK(row_norm(&d[3 * r]) == Approx(row_norm(&w[3 * r])));
  CHECK(d[4] == 0);
  CHECK(d == again);
  CHECK(d != other);
  CHECK(d != random_direction(trained, 8, 0));
  CHECK(d[0] / w[0] != Approx(d[1] / w[1]));  // not along the weights
  CHECK(d[0] / d[1] != Approx(d[6] / d[7]));  // each matrix draws its own
}

TEST_CASE("the surface of a quadratic is that quadratic in a and b") {
  Model model;
  model.fill();
  const auto before = model.numbers();
  Point<Model> trained(model);
  const auto d1 = random_direction(trained, 3, 0), d2 = random_direction(trained, 3, 1);
  int calls = 0;
  const auto loss = [&](const Model& m) {
    ++calls;
    double sum = 0;
    for (Index i = 0; i < Model::size; ++i) sum += 0.5 * static_cast<double>(i + 1) * m[i] * m[i];
    return sum;
  };
  const auto s = loss_surface(model, loss, {.seed = 3});
  CHECK(calls == 625);
  CHECK(model.numbers() == before);
  CHECK(s.along(0) == -1);
  CHECK(s.along(12) == 0);
  CHECK(s.along(24) == 1);
  CHECK(s.loss(12, 12) == loss(model));
  double c = 0, g1 = 0, g2 = 0, h11 = 0, h12 = 0, h22 = 0;  // L(a, b) = c + g·(a, b) + (a, b) H (a, b)ᵀ / 2
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double k = static_cast<double>(i + 1);
    c += 0.5 * k * before[i] * before[i];
    g1 += k * before[i] * d1[i];
    g2 += k * before[i] * d2[i];
    h11 += k * d1[i] * d1[i];
    h12 += k * d1[i] * d2[i];
    h22 += k * d2[i] * d2[i];
  }
  double worst = 0;
  for (std::size_t i = 0; i < 25; ++i)
    for (std::size_t j = 0; j < 25; ++j) {
      const double a = s.along(i), b = s.along(j), expected = c + g1 * a + g2 * b + 0.5 * (h11 * a * a + 2 * h12 * a * b + h22 * b * b);
      worst = std::max(worst, std::abs(s.loss(i, j) - expected));
    }
  CHECK(worst < 1e-12);

  s.save("surface.npy");
  const Npy file("surface.npy");
  CHECK(file.shape() == std::vector<Index>{25, 25});
  CHECK(file.values<double>()[24] == s.loss(0, 24));
  std::remove("surface.npy");

  const auto small = loss_surface(model, loss, {.points = 3, .reach = 0.5, .seed = 3});
  CHECK(small.loss(2, 0) == Approx(c + 0.5 * g1 - 0.5 * g2 + 0.125 * (h11 - 2 * h12 + h22)));
  CHECK_THROWS_WITH(loss_surface(model, loss, {.points = 1}),
                    "cannot look at a loss surface: it needs two points along each direction at least. Ask for 25");
}
