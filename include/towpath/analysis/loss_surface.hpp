#pragma once

#include "towpath/analysis/point.hpp"
#include "towpath/interop/xtensor.hpp"

#include "towpath/base/check.hpp"
#include "towpath/base/random.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>
#include <xtensor/xtensor.hpp>

namespace towpath {

struct SurfaceOptions {
  Index points = 25;  // along each direction
  double reach = 1;   // from -reach to reach
  std::uint64_t seed = 1;
};

// L(φ + a d1 + b d2) for a and b in `along`: loss(i, j) belongs to a = along(i), b = along(j).
struct LossSurface {
  xt::xtensor<double, 1> along;
  xt::xtensor<double, 2> loss;

  // numpy.load gives [points, points]
  void save(const std::string& path) const { write_npy(path, loss); }
};

// A random direction in the trained parameters, each row drawn from N(0, I) and brought to the length of the row that it perturbs, so that a
// step of 1 is as far for every row as the row is long and surfaces of models of other scales can be compared (Li et al. 2018, whose filters
// are rows here; vectors are one row). A row of zeros is not perturbed. `which` tells the directions of one seed apart.
template <class Net>
std::vector<double> random_direction(const Point<Net>& trained, std::uint64_t seed, std::uint64_t which) {
  const auto weights = trained.weights();
  std::vector<double> d(weights.size());
  for (const auto& part : trained.parts()) {
    Random random(seed, stream_of(part.name) + which);
    for (Index r = 0; r < part.rows; ++r) {
      const auto first = static_cast<std::size_t>(part.begin + r * part.columns), last = first + static_cast<std::size_t>(part.columns);
      double square = 0, length = 0;
      for (std::size_t i = first; i < last; ++i) {
        d[i] = random.normal();
        square += d[i] * d[i];
        length += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
      }
      for (std::size_t i = first; i < last; ++i) d[i] *= std::sqrt(length / square);
    }
  }
  return d;
}

// The loss about the weights φ that the model has, on two random directions: loss(model) -> double, of a fixed batch, is called points² times (25 x 25
// unless told). The model's weights are afterwards what they were, bit by bit.
//   loss_surface(model, [&](auto& m) { return … ; }).save("surface.npy");
template <class Net, class Loss>
LossSurface loss_surface(Net& model, const Loss& loss, const SurfaceOptions& options = {}) {
  if (options.points < 2) fail("cannot look at a loss surface", "it needs two points along each direction at least", "Ask for 25");
  using Scalar = typename Point<Net>::Scalar;
  Point<Net> trained(model);
  const auto centre = trained.weights();
  const std::array<std::vector<double>, 2> d{random_direction(trained, options.seed, 0), random_direction(trained, options.seed, 1)};
  const auto n = static_cast<std::size_t>(options.points);
  LossSurface surface{xt::xtensor<double, 1>::from_shape({n}), xt::xtensor<double, 2>::from_shape({n, n})};
  for (std::size_t i = 0; i < n; ++i)  // so that the middle of an odd number is 0 and not nearly
    surface.along(i) = options.reach * (2 * static_cast<double>(i) - static_cast<double>(n - 1)) / static_cast<double>(n - 1);
  std::vector<Scalar> there(centre.size());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < there.size(); ++k)
        there[k] = static_cast<Scalar>(static_cast<double>(centre[k]) + surface.along(i) * d[0][k] + surface.along(j) * d[1][k]);
      trained.set(there);
      surface.loss(i, j) = static_cast<double>(loss(model));
    }
  trained.set(centre);
  return surface;
}

}  // namespace towpath
