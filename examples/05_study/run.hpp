// One run of the study, whatever the stage: train, choose the best weights on dev, test.
#pragma once

#include "../collection.hpp"
#include "../device.hpp"
#include "plan.hpp"

#include <towpath/analysis/discrepancy.hpp>
#include <towpath/analysis/loss_surface.hpp>
#include <towpath/analysis/sharpness.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <time.h>
#include <utility>
#include <vector>

namespace study::TOWPATH_WHERE {

using namespace towpath;
using Env = program::TOWPATH_WHERE::Device;

inline const std::vector<Measure>& measures() {
  static const std::vector<Measure> all{measure::ndcg(10), measure::mrr(10), measure::recall(100)};
  return all;
}

// What every run reads.
struct Data {
  Collection c;
  Qrels train, dev, test;
  std::string train_run, dev_run, test_run;  // names of first-stage runs, empty where there is none

  explicit Data(const Setting& s) : c(open_collection(s.collection)), test(c.qrels("test")) {
    std::tie(train, dev) = program::train_and_dev(c);
    for (const auto& [qrels, wanted] : {std::pair{&train, s.train_queries}, {&dev, s.dev_queries}, {&test, s.test_queries}})
      if (wanted > 0) program::keep_some(*qrels, c, wanted);
    const auto known = [&](const std::string& split) {
      const std::string name = s.first_stage + "." + split;
      return std::find(c.runs.begin(), c.runs.end(), name) != c.runs.end() ? name : std::string();
    };
    const std::string held = c.has("dev") ? "dev" : "train";
    train_run = known("train"), dev_run = known(held), test_run = known("test");
    if (s.stage == "reranking")
      for (const auto& [split, name] : {std::pair{std::string("train"), train_run}, {held, dev_run}, {std::string("test"), test_run}})
        if (name.empty())
          fail(s.collection + " has no run " + s.first_stage + "." + split, "what is to be re-ranked comes from a first stage",
               "Put runs/" + s.first_stage + "." + split + ".trec there, or name another with --first-stage");
  }
};

// Seconds that this process has had a processor, all threads together: other than wall time it says little about what ran beside.
inline double processor_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline Index batches_of(const auto& sampler, Index epochs) {
  Index n = 0;
  for (Index e = 0; e < epochs; ++e) n += sampler.epoch(e).count();
  return n;
}

// The run of the first seed once more, looked at from inside on one fixed batch: the discrepancy before the first step and at each evaluation, and
// at the end the loss about the weights and how sharply it bends.
template <class Stage>
void analyse(const Task& t, Stage& stage, typename Stage::Model& model, Env& env) {
  using Model = typename Stage::Model;
  const Setting& s = t.setting;
  const auto sampler = stage.sampler();
  const auto loss = stage.loss();
  const auto batch = sampler.epoch(s.epochs).batch(0);  // of an epoch that is not trained on
  typename Model::template Saved<Learn<false>> saved;
  const auto gradients = [&](const Model& m, typename Model::Grads& g) {
    const auto l = loss(m.forward(env, batch, saved));
    m.backward(env, l.gradient, batch, saved, g);
    return l.value;
  };
  AdamW<Model> adam(model, Adam{.rate = t.rate, .decay = s.decay});
  const Index steps = batches_of(sampler, s.epochs);
  const LinearSchedule schedule{steps, s.warmup};
  Json seen = Json::array();
  const auto look = [&](Index step) {
    Json here{{"step", step}};
    for (const auto& [name, module_of] : {std::pair{"by_layer", &by_layer}, {"by_site", &by_site}}) {
      if (module_of == &by_site && (t.method == "full" || t.method == "bitfit")) continue;  // every matrix and every bias would be a module
      Json list = Json::array();
      for (const Discrepancy& d : discrepancy(model, gradients, adam, schedule(std::min(step, steps - 1)), s.clip, module_of))
        list.push_back(Json{{"module", d.module}, {"norm", d.norm}, {"relative", std::isfinite(d.relative) ? Json(d.relative) : Json()}, {"cosine", d.cosine}});
      here[name] = list;
    }
    seen.push_back(here);
    return static_cast<double>(step);  // as a metric it rises, so the last weights are kept
  };
  look(0);
  train(model, env, adam, sampler, loss, LoopOptions{.epochs = s.epochs, .evaluate_every = std::max<Index>(1, steps / s.evaluations), .warmup = s.warmup, .clip = s.clip, .ahead = 0},
        [&](const TrainState& state) { return look(static_cast<Index>(state.losses.size())); });

  const Sharpness bend = sharpness(model, gradients, {.iterations = 100, .tolerance = 1e-3});
  const LossSurface around = loss_surface(model, [&](const Model& m) {
    typename Model::template Saved<Learn<false>> room;
    return loss(m.forward(env, batch, room)).value;
  });
  around.save(t.folder + "/surface.npy");
  program::write_json(t.folder + "/analysis.json",
                      Json{{"discrepancy", seen}, {"sharpness", {{"eigenvalue", bend.eigenvalue}, {"residual", bend.residual}, {"gradients", bend.gradients}, {"converged", bend.converged}}},
                           {"along", std::vector<double>(around.along.begin(), around.along.end())}, {"surface", std::vector<double>(around.loss.begin(), around.loss.end())}});
}

template <class Stage>
void run(const Task& t) {
  using Model = typename Stage::Model;
  const Setting& s = t.setting;
  const std::string done = t.folder + "/run.json", weights = t.folder + "/trained.safetensors", tested = t.folder + "/test.json", state = t.folder + "/state.safetensors";
  make_folder(t.folder);
  const Data data(s);
  // a second difference of gradients would be lost in what bf16 rounds, so the analysis looks in float
  Env env({.threads = s.threads, .seed = t.seed, .bf16 = s.weights == "bf16" && !t.analyse});
  Model model(env);
  load(model, Safetensors(s.model + "/model.safetensors"));
  const WordPiece words(s.model);
  Stage stage(s, data, words, t.seed);

  if (t.analyse) {
    if constexpr (Model::trains) analyse(t, stage, model, env);
    return;
  }
  if (!there(done)) {
    constexpr Count size = parameters<typename Stage::Arch>();
    Json j{{"method", t.method}, {"budget", t.budget}, {"rate", t.rate}, {"seed", t.seed}, {"trained", t.method == "none" ? 0 : size.trainable}, {"total", size.total}, {"dev_start", stage.dev(model, env)}};
    if constexpr (Model::trains) if (t.method != "none") {
      const auto sampler = stage.sampler();
      AdamW<Model> adam(model, Adam{.rate = t.rate, .decay = s.decay});
      const Index batches = batches_of(sampler, s.epochs);
      char identity[200];
      std::snprintf(identity, sizeof identity, "%s %s lr %g seed %llu", t.method.c_str(), t.budget.c_str(), t.rate, static_cast<unsigned long long>(t.seed));
      const LoopOptions loop{.epochs = s.epochs,
                             .evaluate_every = std::max<Index>(1, batches / s.evaluations),
                             .warmup = s.warmup,
                             .clip = s.clip,
                             .state = state,
                             .identity = identity,
                             .save_seconds = 60,
                             .resume = there(state),
                             .ahead = 0};
      std::vector<double> processor;  // at each evaluation, without the evaluations; a run that was resumed has none of the part before
      double evaluating = processor_seconds();
      const TrainState r = train(model, env, adam, sampler, stage.loss(), loop, [&](const TrainState&) {
        const double from = processor_seconds();
        processor.push_back(from - evaluating);
        const double metric = stage.dev(model, env);
        evaluating += processor_seconds() - from;
        return metric;
      });
      j["losses"] = r.losses, j["norms"] = r.norms, j["dev"] = r.dev, j["dev_steps"] = r.dev_steps, j["dev_seconds"] = r.dev_seconds;
      if (processor.size() == r.dev.size()) j["dev_processor_seconds"] = processor;
      j["best"] = r.best, j["best_at"] = r.best_at, j["seconds"] = r.seconds, j["tokens"] = r.tokens;
      save_trainable(model, weights, {{"method", t.method}, {"budget", t.budget}});
    }
    j["peak_memory_bytes"] = program::peak_memory();
    program::write_json(done, j);
    std::remove(state.c_str());
  } else if (t.test && t.method != "none") {
    if constexpr (Model::trains) load_trainable(model, Safetensors(weights));
  }
  if (t.test && !there(tested)) {
    const Stopwatch watch;
    const auto [found, e] = stage.test(Stage::ranks_untrained || t.method != "none" ? &model : nullptr, env);
    Json values = Json::object();
    for (std::size_t i = 0; i < e.measures.size(); ++i) values[e.measures[i].name()] = e.values[i];
    program::write_run(t.folder + "/test.trec", found, data.c);
    program::write_json(tested, Json{{"seconds", watch.seconds()}, {"queries", e.queries}, {"values", values}});
  }
}

}  // namespace study::TOWPATH_WHERE
