#pragma once

#include "towpath/analysis/point.hpp"

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/random.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace towpath {

struct SharpnessOptions {
  Index iterations = 100;   // at most, for each of at most two power iterations
  double tolerance = 1e-3;  // stop when the estimate changes by less than this share
  double step = 0;          // of the differences, as a share of 1 + ‖φ‖; 0: the cube root of the scalar's rounding
  std::uint64_t seed = 1;
};
struct Sharpness {
  double eigenvalue = 0;  // the largest (most positive) of the Hessian
  double residual = 0;    // ‖Hv - λv‖ for the unit vector v found: an eigenvalue lies no further than this from λ
  Index gradients = 0;    // how many were computed
  bool converged = false;
};

// The largest eigenvalue of the Hessian of the loss in the trained parameters φ, by power iteration. Hessian-vector products are central
// differences of gradients, Hv ≈ (∇L(φ + εv) - ∇L(φ - εv)) / 2ε with ‖v‖ = 1 and ε = step (1 + ‖φ‖), not exact ones: good to about the
// two-thirds power of the scalar's rounding (1e-5 in float, 1e-10 in double) where L is smooth, and an average over ±ε across the kinks of a ReLU.
// Power iteration finds the eigenvalue that is largest in size; where that is negative (a saddle), a second one on H - λI finds the
// largest. gradients(model, grads) -> loss is that of discrepancy(): a fixed batch, added to grads. The model's weights are afterwards what they
// were, bit by bit.
template <class Net, class Gradients>
Sharpness sharpness(Net& model, const Gradients& gradients, const SharpnessOptions& options = {}) {
  using Scalar = typename Point<Net>::Scalar;
  using Vector = std::vector<double>;
  Point<Net> trained(model);
  const auto centre = trained.weights();
  const auto dot = [](const auto& a, const auto& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  const double share = options.step > 0 ? options.step : std::cbrt(static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
  const double step = share * (1 + std::sqrt(dot(centre, centre)));
  Sharpness found;
  typename Net::Grads grads;
  std::vector<Scalar> there(centre.size());
  const auto gradient_at = [&](const Vector& v, double h) {
    for (std::size_t i = 0; i < there.size(); ++i) there[i] = static_cast<Scalar>(static_cast<double>(centre[i]) + h * v[i]);
    trained.set(there);
    zero(grads);
    gradients(model, grads);
    ++found.gradients;
    return trained.gradient(grads);
  };
  // Power iteration on H - shift I.
  const auto iterate = [&](double shift, std::uint64_t stream) {
    Random random(options.seed, stream);
    Vector v(centre.size());
    for (double& x : v) x = random.normal();
    double length = std::sqrt(dot(v, v)), value = 0;
    found.converged = false;
    for (Index k = 0; k < options.iterations && length > 0; ++k) {
      for (double& x : v) x /= length;
      const auto up = gradient_at(v, step), down = gradient_at(v, -step);
      Vector hv(v.size());
      for (std::size_t i = 0; i < v.size(); ++i) hv[i] = (static_cast<double>(up[i]) - static_cast<double>(down[i])) / (2 * step) - shift * v[i];
      const double before = std::exchange(value, dot(v, hv));
      found.residual = std::sqrt(std::max(0.0, dot(hv, hv) - value * value));
      found.converged = k > 0 && std::fabs(value - before) <= options.tolerance * std::fabs(value);
      length = std::sqrt(dot(hv, hv));
      v = std::move(hv);
      if (found.converged) break;
    }
    if (length == 0) found.converged = true;  // a plane: every direction has eigenvalue 0
    return value;
  };
  found.eigenvalue = iterate(0, 0);
  if (found.eigenvalue < 0) {
    const double lowest = found.eigenvalue;
    found.eigenvalue = lowest + iterate(lowest, 1);
  }
  trained.set(centre);
  return found;
}

}  // namespace towpath
