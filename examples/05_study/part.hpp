// The runs of the study for one shape: every method at every budget is a type, chosen here by name.
#pragma once

#include "../collection.hpp"
#include "plan.hpp"

#include <towpath/towpath.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace study {

using namespace towpath;
using Env = Cpu<float>;

inline const std::vector<Measure>& measures() {
  static const std::vector<Measure> all{measure::ndcg(10), measure::mrr(10), measure::recall(100)};
  return all;
}

// What every run reads.
struct Data {
  Collection c;
  Qrels train, dev, test;
  std::string train_run, dev_run;  // names of first-stage runs, empty where there is none

  explicit Data(const Setting& s) : c(open_collection(s.collection)), test(c.qrels("test")) {
    std::tie(train, dev) = program::train_and_dev(c);
    for (const auto& [qrels, wanted] : {std::pair{&train, s.train_queries}, {&dev, s.dev_queries}, {&test, s.test_queries}})
      if (wanted > 0) program::keep_some(*qrels, c, wanted);
    const auto known = [&](const char* name) { return std::find(c.runs.begin(), c.runs.end(), name) != c.runs.end() ? name : ""; };
    train_run = known("bm25.train");
    dev_run = c.has("dev") ? known("bm25.dev") : train_run;
  }
};

// Retrieval: a bi-encoder with InfoNCE over in-batch and hard negatives; dev searches a pool of documents, test all of them.
template <class Encoder>
class Retrieving {
public:
  using Arch = BiEncoder<Encoder, MeanPooling, Cosine>;
  using Model = typename Arch::template On<Env>;

  Retrieving(const Setting& s, const Data& data, const WordPiece& words, std::uint64_t seed) : setting_(s), data_(data), words_(words), seed_(seed) {}

  Sampler sampler() const {
    const SamplerOptions o{.batch = setting_.batch,
                           .query_length = setting_.query_length,
                           .passage_length = setting_.passage_length,
                           .negatives = data_.train_run.empty() ? 0 : setting_.negatives,
                           .seed = seed_,
                           .threads = setting_.threads};
    return data_.train_run.empty() ? Sampler(data_.c, data_.train, words_, o) : Sampler(data_.c, data_.train, data_.c.run(data_.train_run), words_, o);
  }
  InfoNce loss() const { return {.temperature = setting_.temperature}; }

  double dev(const Model& model, Env& env) {
    if (!dev_) {
      const Run first = data_.dev_run.empty() ? Run{} : data_.c.run(data_.dev_run);
      dev_.emplace(data_.c, words_, options(data_.dev_run.empty() ? std::vector<Index>{} : program::pooled(data_.dev, first, setting_.pool)));
    }
    dev_->index(model, env);
    return dev_->evaluate(dev_->search(model, env, data_.dev), data_.dev, measures()).mean(measures()[0]);
  }
  std::pair<Run, Evaluation> test(const Model& model, Env& env) const {
    Retrieval<Env> whole(data_.c, words_, options({}));
    whole.index(model, env);
    Run run = whole.search(model, env, data_.test);
    Evaluation e = whole.evaluate(run, data_.test, measures());
    return {std::move(run), std::move(e)};
  }

private:
  RetrievalOptions options(std::vector<Index> documents) const {
    return {.query_length = setting_.query_length, .document_length = setting_.passage_length, .depth = setting_.depth, .threads = setting_.threads, .documents = std::move(documents)};
  }

  const Setting& setting_;
  const Data& data_;
  WordPiece words_;
  std::uint64_t seed_;
  std::optional<Retrieval<Env>> dev_;
};


template <class Stage>
void run(const Task& t) {
  using Model = typename Stage::Model;
  const Setting& s = t.setting;
  const std::string done = t.folder + "/run.json", weights = t.folder + "/trained.safetensors", tested = t.folder + "/test.json", state = t.folder + "/state.safetensors";
  make_folder(t.folder);
  const Data data(s);
  Env env({.threads = s.threads, .seed = t.seed});
  Model model(env);
  load(model, Safetensors(s.model + "/model.safetensors"));
  const WordPiece words(s.model);
  Stage stage(s, data, words, t.seed);

  if (!there(done)) {
    constexpr Count size = parameters<typename Stage::Arch>();
    Json j{{"method", t.method}, {"budget", t.budget}, {"rate", t.rate}, {"seed", t.seed}, {"trained", size.trainable}, {"total", size.total}, {"dev_start", stage.dev(model, env)}};
    if constexpr (Model::trains) {
      const auto sampler = stage.sampler();
      AdamW<Model> adam(model, Adam{.rate = t.rate, .decay = s.decay});
      Index batches = 0;
      for (Index e = 0; e < s.epochs; ++e) batches += sampler.epoch(e).count();
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
      const TrainState r = train(model, env, adam, sampler, stage.loss(), loop, [&](const TrainState&) { return stage.dev(model, env); });
      j["losses"] = r.losses, j["norms"] = r.norms, j["dev"] = r.dev, j["dev_steps"] = r.dev_steps, j["dev_seconds"] = r.dev_seconds;
      j["best"] = r.best, j["best_at"] = r.best_at, j["seconds"] = r.seconds, j["tokens"] = r.tokens;
      save_trainable(model, weights, {{"method", t.method}, {"budget", t.budget}});
    }
    j["peak_memory_bytes"] = program::peak_memory();
    program::write_json(done, j);
    std::remove(state.c_str());
  } else if (Model::trains && t.test) {
    if constexpr (Model::trains) load_trainable(model, Safetensors(weights));
  }
  if (t.test && !there(tested)) {
    const Stopwatch watch;
    const auto [found, e] = stage.test(model, env);
    Json values = Json::object();
    for (std::size_t i = 0; i < e.measures.size(); ++i) values[e.measures[i].name()] = e.values[i];
    program::write_run(t.folder + "/test.trec", found, data.c);
    program::write_json(tested, Json{{"seconds", watch.seconds()}, {"queries", e.queries}, {"values", values}});
  }
}

template <class Shape>
void run_retrieval(const Task& t) {
  methods::with_method<Shape>(t.method, t.budget, [&]<class Encoder>(double) { run<Retrieving<Encoder>>(t); });
}

}  // namespace study

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template void study::run_retrieval<Shape>(const study::Task&);
