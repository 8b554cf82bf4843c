#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/base/json.hpp"
#include "towpath/io/checkpoint.hpp"
#include "towpath/optim/adam.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace towpath {

// Where a training run stands, beside its weights: enough to go on as if it had never stopped.
struct TrainState {
  Index epoch = 0, batch = 0;             // the next batch
  std::uint64_t step = 0;                 // optimiser steps taken
  double best = -1;                       // the best dev metric so far (-1: none), and which evaluation gave it
  Index best_at = -1;
  double seconds = 0;                     // of training, without evaluations
  Index tokens = 0;
  std::vector<double> losses, norms;      // per step; norms of gradients before clipping
  std::vector<double> dev, dev_seconds;   // per evaluation: the metric, and when: after so many seconds of training and steps
  std::vector<Index> dev_steps;
};

namespace detail {
inline Json to_json(const TrainState& s) {
  return {{"epoch", s.epoch}, {"batch", s.batch}, {"step", s.step}, {"best", s.best}, {"best_at", s.best_at},
          {"seconds", s.seconds}, {"tokens", s.tokens}, {"losses", s.losses}, {"norms", s.norms}, {"dev", s.dev}, {"dev_seconds", s.dev_seconds},
          {"dev_steps", s.dev_steps}};
}
inline TrainState train_state(const Json& j, const std::string& path) {
  TrainState s;
  const auto get = [&](const char* key, auto& to) {
    const Json* v = j.find(key);
    if (!v || !v->read(to)) fail("cannot resume from " + path, std::string("its notes have no ") + key, "Start the run again");
  };
  get("epoch", s.epoch), get("batch", s.batch), get("step", s.step), get("best", s.best);
  get("best_at", s.best_at), get("seconds", s.seconds), get("tokens", s.tokens), get("losses", s.losses), get("norms", s.norms);
  get("dev", s.dev), get("dev_seconds", s.dev_seconds), get("dev_steps", s.dev_steps);
  return s;
}
}  // namespace detail

inline void make_folder(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) fail("cannot make the folder " + part, std::strerror(errno), "Choose a place that may be written to");
    if (slash == std::string::npos) break;
  }
}

// One file with everything: current weights, both moments, the best weights so far, and the state as a note. `identity` says what is being
// trained and how; a run resumes only from a file with the same identity. Written whole or not at all.
template <class Model>
void save_training(const std::string& path, const std::string& identity, const Model& model, const AdamW<Model>& adam,
                   const std::vector<Tensor<typename Model::Environment>>& best, const TrainState& state) {
  using Env = typename Model::Environment;
  const auto weights = trained_leaves(model);
  const auto first = tensors<Model>(adam.first_moments()), second = tensors<Model>(adam.second_moments());
  detail::Entries<Env> entries;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    LeafRef<Env> leaf = weights[i];
    const auto put = [&](const char* kind, const Tensor<Env>& t) {
      leaf.owned = const_cast<Tensor<Env>*>(&t);
      entries.add(kind + leaf.name, leaf);
    };
    put("weight.", *weights[i].owned);
    put("first.", *first[i]);
    put("second.", *second[i]);
    if (!best.empty()) put("best.", best[i]);
  }
  entries.write(path, {{"identity", identity}, {"state", detail::to_json(state).dump()}});
}

template <class Model>
TrainState load_training(const std::string& path, const std::string& identity, Model& model, AdamW<Model>& adam,
                         std::vector<Tensor<typename Model::Environment>>& best) {
  using Env = typename Model::Environment;
  const Safetensors file(path);
  const auto note = [&](const char* key) {
    const auto it = file.metadata().find(key);
    if (it == file.metadata().end()) fail("cannot resume from " + path, "it is not the state of a training run", "Give the folder that --save of an earlier run wrote");
    return it->second;
  };
  if (const std::string other = note("identity"); other != identity)
    fail("cannot resume from " + path, "it belongs to another run: \"" + other + "\", this one is \"" + identity + "\"",
         "Repeat the options of that run, or choose another folder");
  const TrainState state = detail::train_state(parse_json(note("state"), "the notes of " + path, "Start the run again"), path);
  const auto first = tensors<Model>(adam.first_moments()), second = tensors<Model>(adam.second_moments());
  const auto weights = trained_leaves(model);
  std::vector<LeafRef<Env>> all;
  const bool has_best = state.best_at >= 0;
  best.clear();
  for (std::size_t i = 0; has_best && i < weights.size(); ++i) best.emplace_back(weights[i].owned->copy());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto add = [&](const char* kind, Tensor<Env>& t) {
      LeafRef<Env> leaf = weights[i];
      leaf.name = kind + leaf.name;
      leaf.owned = &t;
      all.push_back(leaf);
    };
    add("weight.", *weights[i].owned);
    add("first.", *first[i]);
    add("second.", *second[i]);
    if (has_best) add("best.", best[i]);
  }
  const auto every = [](const LeafRef<Env>&) { return true; };
  detail::read_into<Env>(all, file, names::plain, every, every, "Give the folder of a run of this very composition");
  adam.steps(state.step);
  return state;
}

}  // namespace towpath
