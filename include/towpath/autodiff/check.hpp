#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/op.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace towpath {

// What check_gradients found: the worst relative disagreement, at which parameter, and how many comparisons were made.
struct GradientCheck {
  double worst = 0;
  std::string where;
  Index compared = 0;
};

// How it looks: the lengths of the sequences, the width of x (for modules that take rows), dropout, and how many single entries of
// each parameter are tried beside a whole direction.
struct CheckOptions {
  std::vector<Index> lengths{1, 2, 5};
  Index width = 0;
  float dropout = 0;
  Index entries = 3;
};

namespace detail {

template <class Arch, class Pass>
class GradientProbe {
  using Env = Cpu<double>;
  using Model = typename Arch::template On<Env>;
  static constexpr bool takes_ids = requires(Model& m, Env& e, Ragged& r, typename Model::template Saved<Pass>& s) {
    m.template forward<Pass>(e, r, s);
  };

public:
  GradientProbe(std::uint64_t seed, const CheckOptions& options)
      : options_(options), env_({.threads = 1, .seed = seed, .dropout = options.dropout}), random_(seed, 77) {
    initialise<Model, Env>(model_, seed, Fill::everything);
    shake();
    std::vector<std::int32_t> ids;
    for (Index n : options.lengths) {
      ids.clear();
      for (Index t = 0; t < n; ++t) ids.push_back(static_cast<std::int32_t>(random_.below(takes_ids ? std::uint64_t(vocabulary()) : 1)));
      tokens_.add(ids);
    }
    if constexpr (!takes_ids) {
      x_ = Tensor<Env>(tokens_.tokens(), options.width);
      draw(x_, 1);
    }
  }

  GradientCheck run() {
    typename Model::template Saved<Pass> saved;
    typename Model::Grads grads;
    env_.position(0);
    const Tensor<Env> y = forward(saved);
    weights_ = Tensor<Env>(y.rows(), y.columns());
    draw(weights_, 1);
    Tensor<Env> dx;
    if constexpr (takes_ids) model_.template backward<Pass>(env_, weights_, tokens_, saved, grads);
    else if constexpr (Pass::wants_input) dx = model_.template backward<Pass>(env_, weights_, input(), saved, grads);
    else model_.template backward<Pass>(env_, weights_, input(), saved, grads);

    const auto weights = trained_leaves<Model, Env>(model_);
    const auto exact = tensors<Model, Env>(grads);
    double largest = dx.empty() ? 0 : std::sqrt(op::square_norm<Env>(env_, dx));
    for (const auto* g : exact) largest = std::max(largest, std::sqrt(op::square_norm<Env>(env_, *g)));
    for (std::size_t i = 0; i < weights.size(); ++i) compare(weights[i].name, *weights[i].owned, *exact[i], largest);
    if (!dx.empty()) compare("(input)", x_, dx, largest);
    return result_;
  }

private:
  static constexpr Index vocabulary() {
    if constexpr (requires { Arch::shape::vocabulary; }) return Arch::shape::vocabulary;
    else return 1;
  }
  Tokens<Env> input() const { return {x_, &tokens_}; }
  template <class S>
  Tensor<Env> forward(S& saved) {
    if constexpr (takes_ids) return model_.template forward<Pass>(env_, tokens_, saved);
    else return model_.template forward<Pass>(env_, input(), saved);
  }
  double value() {
    typename Model::template Saved<Pass> saved;
    env_.position(0);
    const Tensor<Env> y = forward(saved);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * weights_.data()[i];
    return sum;
  }
  void draw(Tensor<Env>& t, double scale) {
    for (Index i = 0; i < t.size(); ++i) t.data()[i] = scale * random_.normal();
  }
  // Nothing may be zero or one by design, or a wrong gradient could hide behind it.
  void shake() {
    for (auto& leaf : leaves<Model, Env>(model_)) {
      Tensor<Env> t(leaf.rows(), leaf.columns());
      const double spread = leaf.rows() > 1 && leaf.columns() > 1 ? std::min(0.5, 1.0 / std::sqrt(static_cast<double>(leaf.columns()))) : 0.2;
      for (Index i = 0; i < t.size(); ++i) t.data()[i] = leaf.view().data[i] + spread * random_.normal();
      if (leaf.owned) *leaf.owned = std::move(t);
      else leaf.shared->refer(std::move(t));
    }
  }
  // Directional derivative by central differences, at two step sizes (a kink of ReLU may lie inside one of them).
  double slope(Tensor<Env>& w, const std::vector<double>& direction, double step, bool fourth_order) {
    const auto at = [&](double h) {
      Tensor<Env> kept = w.copy();
      for (Index i = 0; i < w.size(); ++i) w.data()[i] += h * direction[static_cast<std::size_t>(i)];
      const double f = value();
      w = std::move(kept);
      return f;
    };
    if (!fourth_order) return (at(step) - at(-step)) / (2 * step);
    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
  }
  void compare(const std::string& name, Tensor<Env>& w, const Tensor<Env>& g, double largest) {
    const double norm = std::sqrt(op::square_norm<Env>(env_, g));
    std::vector<double> direction(static_cast<std::size_t>(w.size()));
    for (Index probe = 0; probe <= options_.entries; ++probe) {
      if (probe == 0) {
        double square = 0;
        for (double& d : direction) {
          d = random_.normal();
          square += d * d;
        }
        for (double& d : direction) d /= std::sqrt(square);
      } else {
        std::fill(direction.begin(), direction.end(), 0.0);
        direction[random_.below(direction.size())] = 1;
      }
      double exact = 0;
      for (Index i = 0; i < w.size(); ++i) exact += g.data()[i] * direction[static_cast<std::size_t>(i)];
      double best = 1e300;
      for (const auto& [step, fourth] : {std::pair{2e-4, true}, std::pair{1e-5, false}, std::pair{2e-6, false}}) {
        const double numeric = slope(w, direction, step, fourth);
        const double scale = std::max({std::fabs(exact), std::fabs(numeric), 1e-2 * norm, 1e-3 * largest, 1e-12});
        best = std::min(best, std::fabs(numeric - exact) / scale);
        if (best < 1e-8) break;
      }
      ++result_.compared;
      if (!(best <= result_.worst)) {
        result_.worst = best;
        result_.where = name + (probe ? " (one entry)" : " (a direction)");
      }
    }
  }

  CheckOptions options_;
  Env env_;
  Random random_;
  Model model_;
  Ragged tokens_;
  Tensor<Env> x_, weights_;
  GradientCheck result_;
};

}  // namespace detail

// check_gradients<Arch>(seed): the gradients of an architecture, as it will be trained but in double, against central differences of
// L = Σ C ⊙ y with random C, over a ragged batch: for each trained parameter (and the input, under Learn<true>) one random direction and
// a few single entries. Arch is a Bert, or any module description together with the width of its input.
template <class Arch, class Pass = Learn<false>>
GradientCheck check_gradients(std::uint64_t seed, const CheckOptions& options = {}) {
  static_assert(Arch::trains || Pass::wants_input, "[towpath] check_gradients: nothing in this model trains, so there is no gradient to check");
  return detail::GradientProbe<Arch, Pass>(seed, options).run();
}

}  // namespace towpath
