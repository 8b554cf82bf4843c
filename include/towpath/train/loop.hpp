#pragma once

#include "towpath/data/ahead.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/loss/info_nce.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/optim/clip.hpp"
#include "towpath/optim/schedule.hpp"
#include "towpath/train/checkpoint.hpp"
#include "towpath/train/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace towpath {

struct LoopOptions {
  Index epochs = 3;
  Index accumulate = 1;            // batches whose gradients are summed before a step
  Index evaluate_every = 0;        // steps between evaluations (0: only after each epoch)
  double warmup = 0.1, clip = 1.0; // share of the steps; largest gradient norm (0: any)
  std::string state{};             // a file for the state of training (empty: none); written after every epoch and every save_seconds
  std::string identity{};          // what run this is; see save_training
  double save_seconds = 120;
  bool resume = false;             // from `state`
  Index stop_after = 0;            // leave after so many steps, as if interrupted (0: never)
  std::FILE* progress = nullptr;
  Index ahead = 2;                 // batches that are made beside the computing, on a thread of its own (0: none); the same bits either way
};

// How a batch goes through a model in training: as it is. (Another way: train/frozen_states.hpp.)
struct Straight {
  template <class Pass, class Model, class Env>
  auto forward(const Model& model, Env& env, const typename Model::Input& batch, typename Model::template Saved<Pass>& saved) const {
    return model.forward(env, batch, saved);
  }
  template <class Pass, class Model, class Env>
  void backward(const Model& model, Env& env, View<Env> dscores, const typename Model::Input& batch,
                typename Model::template Saved<Pass>& saved, typename Model::Grads& g) const {
    model.backward(env, dscores, batch, saved, g);
  }
};

// The training loop: batches of `sampler` in the order of (seed, epoch), loss, backward, clipping, AdamW with linear warm-up and decay. A
// BiEncoder takes the batches of Triples or a Sampler, a CrossEncoder those of AsPairs. After each epoch, and every evaluate_every steps,
// `evaluate(state)` gives the dev metric (larger is better), and at the end the model has the weights that were best by it. A run that
// stopped goes on from its last saved state and ends with the same bits as one that did not.
// A loss that is not finite ends the run with a sentence. The sampler is constant, since another thread makes the next batches from it.
template <class Model, class Env, class Sampler, class LossFunction, class Evaluate, class Way = Straight>
TrainState train(Model& model, Env& env, AdamW<Model>& adam, const Sampler& sampler, const LossFunction& loss, const LoopOptions& options,
                 const Evaluate& evaluate, Way&& way = Straight{}) {
  static_assert(std::is_convertible_v<decltype(sampler.epoch(0).batch(0)), typename Model::Input>,
                "[towpath] train: the batches are of another kind than the model reads: a CrossEncoder takes pairs, AsPairs{sampler, …}, "
                "a BiEncoder the sampler itself");
  static_assert(std::is_invocable_v<const LossFunction&, const typename Model::Output&>,
                "[towpath] train: this loss does not take the scores of this model: give a BiEncoder InfoNce, a CrossEncoder a loss of "
                "groups such as GroupCrossEntropy");
  using Pass = Learn<false>;
  typename Model::template Saved<Pass> saved;
  typename Model::Grads grads;
  std::vector<Tensor<Env>> best;
  TrainState state;
  env.position(0);
  if (options.resume) {
    state = load_training(options.state, options.identity, model, adam, best);
    env.position(state.position);
  }
  const auto save = [&] {
    state.position = env.position();
    state.step = adam.steps();
    if (!options.state.empty()) save_training(options.state, options.identity, model, adam, best, state);
  };
  std::vector<Index> before{0};    // batches before each epoch, and all; epochs differ where batches are bounded by tokens
  Index steps = 0;
  for (Index e = 0; e < options.epochs; ++e) {
    const Index batches = sampler.epoch(e).count();
    before.push_back(before.back() + batches);
    steps += (batches + options.accumulate - 1) / options.accumulate;
  }
  const auto done = [&] { return before[static_cast<std::size_t>(std::min(state.epoch, options.epochs))] + state.batch; };
  const LinearSchedule schedule{steps, options.warmup};
  Progress progress("train ", before.back(), options.progress, done());
  Stopwatch watch, since_saved;
  const double seconds_before = state.seconds;
  const Index tokens_before = state.tokens;
  double shown = state.losses.empty() ? 0 : state.losses.back();
  double evaluating = 0;
  const auto judge = [&] {
    const Stopwatch evaluation;
    const double metric = evaluate(state);
    evaluating += evaluation.seconds();
    state.dev.push_back(metric);
    state.dev_seconds.push_back(state.seconds);
    state.dev_steps.push_back(static_cast<Index>(state.losses.size()));
    if (metric > state.best) {
      state.best = metric;
      state.best_at = static_cast<Index>(state.dev.size()) - 1;
      best.clear();
      for (const auto& leaf : trained_leaves(model)) best.push_back(leaf.owned->copy());
    }
  };

  while (state.epoch < options.epochs) {
    const auto epoch = sampler.epoch(state.epoch);
    const Index batches = epoch.count();
    Ahead made(
        [&epoch, next = state.batch]() mutable -> std::optional<typename Model::Input> {
          if (next >= epoch.count()) return std::nullopt;
          return epoch.batch(next++);
        },
        options.ahead);
    double sum = 0;
    Index summed = 0;
    while (state.batch < batches) {
      if (summed == 0) zero(grads);
      const typename Model::Input batch = *made.next();
      const auto scores = way.template forward<Pass>(model, env, batch, saved);
      const auto l = loss(scores);
      if (!std::isfinite(l.value))
        fail("the loss is no longer a number", "in epoch " + std::to_string(state.epoch + 1) + ", batch " + std::to_string(state.batch + 1),
             "Lower the learning rate, or lengthen the warm-up");
      way.template backward<Pass>(model, env, View<Env>(l.gradient), batch, saved, grads);
      sum += l.value;
      ++summed;
      ++state.batch;
      state.tokens += batch.tokens();
      if (summed == options.accumulate || state.batch == batches) {
        const double mean = 1.0 / static_cast<double>(summed);
        const double norm = mean * gradient_norm<Model>(env, grads);
        adam.update(env, model, grads, schedule(static_cast<Index>(adam.steps())), mean * clip_factor(norm, options.clip));
        state.losses.push_back(sum * mean);
        state.norms.push_back(norm);
        shown = state.losses.size() == 1 ? sum * mean : 0.95 * shown + 0.05 * sum * mean;
        sum = 0;
        summed = 0;
        state.seconds = seconds_before + watch.seconds() - evaluating;
        if (options.evaluate_every > 0 && state.batch < batches && static_cast<Index>(state.losses.size()) % options.evaluate_every == 0) judge();
        if (options.stop_after > 0 && static_cast<Index>(state.losses.size()) >= options.stop_after) return save(), state;
        if (since_saved.seconds() > options.save_seconds) {
          save();
          since_saved = Stopwatch();
        }
      }
      char note[96];
      std::snprintf(note, sizeof note, "epoch %td  loss %.4f  %.0f tokens/s", state.epoch + 1, shown,
                    static_cast<double>(state.tokens - tokens_before) / (watch.seconds() - evaluating));
      progress.at(done(), note);
    }
    progress.finish();
    judge();
    ++state.epoch;  // where to go on from is the first batch of the next
    state.batch = 0;
    save();
    since_saved = Stopwatch();
  }
  if (!best.empty()) {
    const auto weights = trained_leaves(model);
    for (std::size_t i = 0; i < weights.size(); ++i) *weights[i].owned = best[i].copy();
  }
  return state;
}

}  // namespace towpath
