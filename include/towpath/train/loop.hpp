#pragma once

#include "towpath/base/team.hpp"
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
#include <utility>
#include <vector>

namespace towpath {

struct LoopOptions {
  Index epochs = 3;
  Index accumulate = 1;            // batches whose gradients are summed before a step, of each member of a team
  Index evaluate_every = 0;        // steps between evaluations (0: only after each epoch)
  double warmup = 0.1, clip = 1.0; // share of the steps; largest gradient norm (0: any)
  std::string state{};             // a file for the state of training (empty: none); written after every epoch and every save_seconds
  std::string identity{};          // what run this is; see save_training
  double save_seconds = 120;
  bool resume = false;             // from `state`
  Index stop_after = 0;            // leave after so many steps, as if interrupted (0: never)
  std::FILE* progress = nullptr;
  Index ahead = 2;                 // batches that are made beside the computing, on a thread of its own (0: none); the same bits either way
  Team* team = nullptr;            // processes that train this model together (none: this one alone)
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

namespace detail {
// call(numbers) for those of all tensors, where they are; by way of the host if they are on a device and the team does not reach it.
template <class Env, class F>
void with_numbers(const Team& team, const std::vector<Tensor<Env>*>& tensors, const F& call) {
  using Scalar = typename Env::Scalar;
  constexpr int bytes = static_cast<int>(sizeof(Scalar));
  std::vector<Numbers> all;
  if (std::is_same_v<typename Env::Space, Host> || team.reaches_devices()) {
    for (auto* t : tensors) all.push_back({t->data(), t->size(), bytes});
    return call(all);
  }
  Index n = 0;
  for (auto* t : tensors) n += t->size();
  std::vector<Scalar> here(static_cast<std::size_t>(n));
  Scalar* at = here.data();
  for (auto* t : tensors) {
    all.push_back({at, t->size(), bytes});
    if (t->size()) Env::Space::copy(at, t->data(), all.back().size());
    at += t->size();
  }
  call(all);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (all[i].count) Env::Space::copy(tensors[i]->data(), all[i].data, all[i].size());
}
template <class Env>
std::vector<Tensor<Env>*> owned(const std::vector<LeafRef<Env>>& leaves) {
  std::vector<Tensor<Env>*> all;
  for (const auto& leaf : leaves) all.push_back(leaf.owned);
  return all;
}
}  // namespace detail

// The training loop: batches of `sampler` in the order of (seed, epoch), loss, backward, clipping, AdamW with linear warm-up and decay. A
// BiEncoder takes the batches of Triples or a Sampler, a CrossEncoder those of AsPairs. After each epoch, and every evaluate_every steps,
// `evaluate(state)` gives the dev metric (larger is better), and at the end the model has the weights that were best by it. A run that
// stopped goes on from its last saved state and ends with the same bits as one that did not.
// A loss that is not finite ends the run with a sentence. The sampler is constant, since another thread makes the next batches from it.
// With a team of n, member r takes batches r, r + n, … of each step's n · accumulate: to rounding, what one process does that accumulates
// that many. Everybody begins with the weights of member 0, which alone calls `evaluate` and writes the state; a state is read by all.
template <class Model, class Env, class Sampler, class LossFunction, class Evaluate, class Way = Straight>
TrainState train(Model& model, Env& env, AdamW<Model>& adam, const Sampler& sampler, const LossFunction& loss, const LoopOptions& options,
                 const Evaluate& evaluate, Way&& way = Straight{}) {
  static_assert(std::is_convertible_v<decltype(sampler.epoch(0).batch(0)), typename Model::Input>,
                "[towpath] train: the batches are of another kind than the model reads: a CrossEncoder takes pairs, AsPairs{sampler, …}, "
                "a BiEncoder the sampler itself");
  static_assert(std::is_invocable_v<const LossFunction&, const typename Model::Output&>,
                "[towpath] train: this loss does not take the scores of this model: give a BiEncoder InfoNce, a CrossEncoder a loss of "
                "groups such as GroupCrossEntropy");
  Team* const team = options.team && options.team->count() > 1 ? options.team : nullptr;
  const Index members = team ? team->count() : 1, rank = team ? team->rank() : 0, together = members * options.accumulate;
  using Pass = Learn<false>;
  typename Model::template Saved<Pass> saved;
  typename Model::Grads grads;
  std::vector<Tensor<Env>> best;
  TrainState state;
  if (options.resume) state = load_training(options.state, options.identity, model, adam, best);
  const auto save = [&] {
    state.step = adam.steps();
    if (rank == 0 && !options.state.empty()) save_training(options.state, options.identity, model, adam, best, state);
  };
  if (team) detail::with_numbers(*team, detail::owned(trained_leaves(model)), [&](const auto& all) { team->share(all); });
  std::vector<Index> before{0};    // batches before each epoch, and all; epochs differ where batches are bounded by tokens
  Index steps = 0;
  for (Index e = 0; e < options.epochs; ++e) {
    const Index batches = sampler.epoch(e).count();
    before.push_back(before.back() + batches);
    steps += (batches + together - 1) / together;
  }
  const auto done = [&] { return before[static_cast<std::size_t>(std::min(state.epoch, options.epochs))] + state.batch; };
  const LinearSchedule schedule{steps, options.warmup};
  Progress progress("train ", before.back(), rank == 0 ? options.progress : nullptr, done());
  Stopwatch watch, since_saved;
  const double seconds_before = state.seconds;
  const Index tokens_before = state.tokens;
  double shown = state.losses.empty() ? 0 : state.losses.back();
  double evaluating = 0;
  const auto judge = [&] {
    const Stopwatch evaluation;
    double metric = rank == 0 ? evaluate(state) : 0.0;
    if (team) metric = team->shared(metric);
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
        [&epoch, next = state.batch + rank, members]() mutable -> std::optional<typename Model::Input> {
          if (next >= epoch.count()) return std::nullopt;
          return epoch.batch(std::exchange(next, next + members));
        },
        options.ahead);
    while (state.batch < batches) {
      const Index first = state.batch, end = std::min(first + together, batches);
      double seen[2] = {};  // the sum of the losses, tokens
      zero(grads);
      for (Index b = first + rank; b < end; b += members) {
        const typename Model::Input batch = *made.next();
        env.position(static_cast<std::uint64_t>(done() + b - first) << 24);  // a batch's dropout is its own, whoever has it
        const auto scores = way.template forward<Pass>(model, env, batch, saved);
        const auto l = loss(scores);
        seen[0] += l.value, seen[1] += static_cast<double>(batch.tokens());
        if (!std::isfinite(l.value)) break;
        way.template backward<Pass>(model, env, View<Env>(l.gradient), batch, saved, grads);
      }
      if (team) team->sum(seen);
      if (!std::isfinite(seen[0]))
        fail("the loss is no longer a number", "in epoch " + std::to_string(state.epoch + 1) + ", batch " + std::to_string(first + 1) + (end > first + 1 ? " to " + std::to_string(end) : ""),
             "Lower the learning rate, or lengthen the warm-up");
      if (team) detail::with_numbers(*team, tensors<Model>(grads), [&](const auto& all) { team->sum(all); });
      const double mean = 1.0 / static_cast<double>(end - first);
      const double norm = mean * gradient_norm<Model>(env, grads);
      adam.update(env, model, grads, schedule(static_cast<Index>(adam.steps())), mean * clip_factor(norm, options.clip));
      state.batch = end;
      state.tokens += static_cast<Index>(seen[1]);
      state.losses.push_back(seen[0] * mean);
      state.norms.push_back(norm);
      shown = state.losses.size() == 1 ? seen[0] * mean : 0.95 * shown + 0.05 * seen[0] * mean;
      state.seconds = seconds_before + watch.seconds() - evaluating;
      if (options.evaluate_every > 0 && state.batch < batches && static_cast<Index>(state.losses.size()) % options.evaluate_every == 0) judge();
      if (options.stop_after > 0 && static_cast<Index>(state.losses.size()) >= options.stop_after) return save(), state;
      if (since_saved.seconds() > options.save_seconds) {
        save();
        since_saved = Stopwatch();
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
