// A batch of queries and passages, and the gradient check of a whole retriever through its loss.
#pragma once

#include "../model/small.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/loss/info_nce.hpp"

#include <algorithm>
#include <cmath>

namespace towpath {

inline Batch some_batch(const std::vector<Index>& queries, const std::vector<Index>& passages, std::uint64_t seed = 1,
                        std::uint64_t vocabulary = Small::vocabulary) {
  Batch b{.queries = some_tokens(queries, seed, vocabulary), .passages = some_tokens(passages, seed + 100, vocabulary), .positive = {}, .also_relevant = {}};
  for (Index q = 0; q < b.queries.count(); ++q) b.positive.push_back(q % b.passages.count());
  return b;
}

// L = loss(scores) in double against central differences, along one direction and one entry of each trained parameter; the worst
// relative disagreement.
template <class Arch, class L>
double worst_through(const L& loss, const typename Arch::template On<Cpu<double>>::Input& batch, float dropout = 0) {
  using Env = Cpu<double>;
  using Net = typename Arch::template On<Env>;
  Env env{{.threads = 1, .dropout = dropout}};
  Net model{env};
  randomise(model, 11);
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  const auto value = [&] {
    env.position(0);
    return loss(model.forward(env, batch, saved)).value;
  };
  env.position(0);
  const auto l = loss(model.forward(env, batch, saved));
  model.backward(env, l.gradient, batch, saved, grads);
  const auto weights = trained_leaves(model);
  const auto exact = tensors<Net>(grads);
  double largest = 0, worst = 0;
  for (const auto* g : exact) largest = std::max(largest, std::sqrt(op::square_norm<Env>(env, *g)));
  Random random(3, 3);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Tensor<Env>& w = *weights[i].owned;
    const double norm = std::sqrt(op::square_norm<Env>(env, *exact[i]));
    for (int probe = 0; probe < 3; ++probe) {
      std::vector<double> direction(static_cast<std::size_t>(w.size()), 0.0);
      if (probe) direction[random.below(direction.size())] = 1;
      else
        for (double& d : direction) d = random.normal() / std::sqrt(static_cast<double>(direction.size()));
      double right = 0;
      for (Index k = 0; k < w.size(); ++k) right += exact[i]->data()[k] * direction[static_cast<std::size_t>(k)];
      double best = 1e300;
      for (double h : {1e-4, 1e-5, 1e-6}) {
        const auto at = [&](double step) {
          Tensor<Env> kept = w.copy();
          for (Index k = 0; k < w.size(); ++k) w.data()[k] += step * direction[static_cast<std::size_t>(k)];
          const double v = value();
          w = std::move(kept);
          return v;
        };
        const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
        best = std::min(best, std::fabs(numeric - right) / std::max({std::fabs(right), std::fabs(numeric), 1e-2 * norm, 1e-4 * largest}));
      }
      worst = std::max(worst, best);
    }
  }
  if (std::getenv("TOWPATH_SHOW_WORST")) std::printf("through the loss: %.1e over %zu parameters\n", worst, weights.size());
  return worst;
}

template <class Arch>
double worst_through_the_loss(const Batch& batch, double temperature, float dropout = 0) {
  return worst_through<Arch>(InfoNce{.temperature = temperature}, batch, dropout);
}

}  // namespace towpath
