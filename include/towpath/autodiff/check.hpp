#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/op.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
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

// What the check of any model needs and no model's type: the inputs, the direction C, and central differences of L.
template <class Env>
class Differences {
public:
  struct Output {  // y, from the start of the random stream
    const void* of;
    Tensor<Env> (*computed)(const void* of);
  };

  Differences(std::uint64_t seed, const CheckOptions& options)
      : options_(options), env_({.threads = 1, .seed = seed, .dropout = options.dropout}), random_(seed, 77) {}
  void draw_tokens(Index vocabulary);
  void draw_rows();
  void draw_direction(Index rows, Index columns);
  // Nothing may be zero or one by design, or a wrong gradient could hide behind it.
  void shake(const std::vector<LeafRef<Env>>& leaves);
  GradientCheck compare(const std::vector<LeafRef<Env>>& weights, const std::vector<Tensor<Env>*>& exact, const Tensor<Env>& dx,
                        const Output& y);

  Env& env() { return env_; }
  const Ragged& tokens() const { return tokens_; }
  Tokens<Env> input() const { return {x_, &tokens_}; }
  View<Env> direction() const { return weights_; }

private:
  void draw(Tensor<Env>& t) {
    for (Index i = 0; i < t.size(); ++i) t.data()[i] = random_.normal();
  }
  double slope(Tensor<Env>& w, const std::vector<double>& direction, double step, bool fourth_order, const Output& y) const;
  void compare(const std::string& name, Tensor<Env>& w, const Tensor<Env>& g, double largest, const Output& y);

  CheckOptions options_;
  Env env_;
  Random random_;
  Ragged tokens_;
  Tensor<Env> x_, weights_;
  GradientCheck result_;
};

template <class Env>
void Differences<Env>::draw_tokens(Index vocabulary) {
  std::vector<std::int32_t> ids;
  for (Index n : options_.lengths) {
    ids.clear();
    for (Index t = 0; t < n; ++t) ids.push_back(static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(vocabulary))));
    tokens_.add(ids);
  }
}
template <class Env>
void Differences<Env>::draw_rows() {
  x_ = Tensor<Env>(tokens_.tokens(), options_.width);
  draw(x_);
}
template <class Env>
void Differences<Env>::draw_direction(Index rows, Index columns) {
  weights_ = Tensor<Env>(rows, columns);
  draw(weights_);
}
template <class Env>
void Differences<Env>::shake(const std::vector<LeafRef<Env>>& leaves) {
  for (const auto& leaf : leaves) {
    Tensor<Env> t(leaf.rows(), leaf.columns());
    const double spread = leaf.rows() > 1 && leaf.columns() > 1 ? std::min(0.5, 1.0 / std::sqrt(static_cast<double>(leaf.columns()))) : 0.2;
    for (Index i = 0; i < t.size(); ++i) t.data()[i] = leaf.view().data[i] + spread * random_.normal();
    if (leaf.owned) *leaf.owned = std::move(t);
    else leaf.shared->refer(std::move(t));
  }
}
template <class Env>
GradientCheck Differences<Env>::compare(const std::vector<LeafRef<Env>>& weights, const std::vector<Tensor<Env>*>& exact,
                                        const Tensor<Env>& dx, const Output& y) {
  double largest = dx.empty() ? 0 : std::sqrt(op::square_norm<Env>(env_, dx));
  for (const auto* g : exact) largest = std::max(largest, std::sqrt(op::square_norm<Env>(env_, *g)));
  for (std::size_t i = 0; i < weights.size(); ++i) compare(weights[i].name, *weights[i].owned, *exact[i], largest, y);
  if (!dx.empty()) compare("(input)", x_, dx, largest, y);
  return result_;
}
// Directional derivative by central differences, at two step sizes (a kink of ReLU may lie inside one of them).
template <class Env>
double Differences<Env>::slope(Tensor<Env>& w, const std::vector<double>& direction, double step, bool fourth_order,
                               const Output& y) const {
  const auto at = [&](double h) {
    Tensor<Env> kept = w.copy();
    for (Index i = 0; i < w.size(); ++i) w.data()[i] += h * direction[static_cast<std::size_t>(i)];
    const Tensor<Env> there = y.computed(y.of);
    w = std::move(kept);
    double sum = 0;
    for (Index i = 0; i < there.size(); ++i) sum += there.data()[i] * weights_.data()[i];
    return sum;
  };
  if (!fourth_order) return (at(step) - at(-step)) / (2 * step);
  return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
}
template <class Env>
void Differences<Env>::compare(const std::string& name, Tensor<Env>& w, const Tensor<Env>& g, double largest, const Output& y) {
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
      const double numeric = slope(w, direction, step, fourth, y);
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

}  // namespace detail

// check_gradients<Arch>(seed): the gradients of an architecture, as it will be trained but in double, against central differences of
// L = Σ C ⊙ y with random C, over a ragged batch: for each trained parameter (and the input, under Learn<true>) one random direction and
// a few single entries. Arch is a Bert, or any module description together with the width of its input.
template <class Arch, class Pass = Learn<false>>
GradientCheck check_gradients(std::uint64_t seed, const CheckOptions& options = {}) {
  static_assert(Arch::trains || Pass::wants_input, "[towpath] check_gradients: nothing in this model trains, so there is no gradient to check");
  using Env = Cpu<double>;
  using Model = typename Arch::template On<Env>;
  using Saved = typename Model::template Saved<Pass>;
  constexpr bool takes_ids = requires(Model& m, Env& e, Ragged& r, Saved& s) { m.template forward<Pass>(e, r, s); };
  detail::Differences<Env> check(seed, options);
  Model model;
  initialise<Model, Env>(model, seed, Fill::everything);
  check.shake(leaves<Model, Env>(model));
  if constexpr (requires { Arch::shape::vocabulary; }) check.draw_tokens(takes_ids ? Arch::shape::vocabulary : 1);
  else check.draw_tokens(1);
  if constexpr (!takes_ids) check.draw_rows();
  const auto input = [&]() -> decltype(auto) {
    if constexpr (takes_ids) return check.tokens();
    else return check.input();
  };
  const auto forward = [&](Saved& saved) {
    check.env().position(0);
    return model.template forward<Pass>(check.env(), input(), saved);
  };

  Saved saved;
  typename Model::Grads grads;
  const Tensor<Env> y = forward(saved);
  check.draw_direction(y.rows(), y.columns());
  Tensor<Env> dx;
  if constexpr (!takes_ids && Pass::wants_input) dx = model.template backward<Pass>(check.env(), check.direction(), input(), saved, grads);
  else model.template backward<Pass>(check.env(), check.direction(), input(), saved, grads);
  const auto again = [](const void* f) {
    Saved other;
    return (*static_cast<decltype(&forward)>(f))(other);
  };
  return check.compare(trained_leaves<Model, Env>(model), tensors<Model, Env>(grads), dx, {&forward, again});
}

}  // namespace towpath
