// The main job for one shape: every method at every budget is a type, chosen here by name.
#pragma once

#include "../collection.hpp"
#include "../device.hpp"
#include "task.hpp"

namespace finetune::TOWPATH_WHERE {

using namespace towpath;
using namespace program;

template <class Encoder>
using Retriever = BiEncoder<Encoder, MeanPooling, Cosine>;

template <class Encoder>
Report tune(const Task& task, double usual_rate) {
  using Arch = Retriever<Encoder>;
  using Env = program::TOWPATH_WHERE::Device;
  using Model = typename Arch::template On<Env>;
  constexpr Count count = parameters<Arch>();
  std::FILE* const out = task.quiet || !task.first() ? nullptr : stderr;

  program::TOWPATH_WHERE::take_device(task.members);
  Env env({.threads = task.threads, .seed = task.seed, .dropout = task.dropout, .bf16 = task.weights == "bf16"});
  const auto over_devices = program::TOWPATH_WHERE::over_devices(env, task.members);
  Model model(env);
  load(model, Safetensors(task.model + "/model.safetensors"));
  if (!model.tokenizer) fail("no vocab.txt in " + task.model, "texts cannot be tokenised without it", "Copy the checkpoint's vocab.txt there");
  const WordPiece words = *model.tokenizer;
  if (words.vocabulary() > Encoder::shape::vocabulary)
    fail(task.model + "/vocab.txt has " + std::to_string(words.vocabulary()) + " pieces", "the embeddings have " + std::to_string(Encoder::shape::vocabulary) + " rows",
         "Give the vocabulary that belongs to these weights");
  const Index longest = Encoder::shape::positions;
  const Index query_length = std::min(task.query_length, longest), passage_length = std::min(task.passage_length, longest);

  const Collection c = open_collection(task.collection);
  for (const auto& [what, texts] : {std::pair{"documents", &c.documents}, std::pair{"queries", &c.queries}})
    if (texts->empty && out) std::fprintf(out, "note: %td of the %s are empty\n", texts->empty, what);
  const Qrels test = c.qrels(task.split);
  Retrieval<Env> retrieval(c, words, {.query_length = query_length, .document_length = passage_length, .depth = task.depth, .progress = out, .threads = task.threads});
  const std::vector<Measure> measures{measure::ndcg(10), measure::mrr(10), measure::map(), measure::recall(task.depth)};

  // with the model that was indexed last
  const auto means = [&](const Run& run, const Qrels& qrels) {
    const Evaluation e = retrieval.evaluate(run, qrels, measures);
    std::vector<double> values;
    for (const Measure& m : measures) values.push_back(e.mean(m));
    return values;
  };

  Report r;
  for (const Measure& m : measures) r.measures.push_back(m.name());
  r.total = count.total;
  r.trained = count.trainable;
  if (task.first()) {  // the other members only train
    const Stopwatch watch;
    retrieval.index(model, env);
    const Run untuned = retrieval.search(model, env, test);
    r.zero_shot = means(untuned, test);
    r.encode_seconds = watch.seconds();
    r.encode_tokens = retrieval.tally().tokens;
    r.truncated = retrieval.tally().truncated;
    if (out && r.truncated)
      std::fprintf(out, "note: %td texts were longer than %td (queries) or %td (documents) tokens and were cut\n", r.truncated, query_length, passage_length);
    if (!Model::trains && !task.run.empty()) write_run(task.run, untuned, c);
  }
  if constexpr (Model::trains) {
    auto split = train_and_dev(c);
    if (task.train_queries > 0) keep_some(split.first, c, task.train_queries);
    const Qrels &train_qrels = split.first, &dev = split.second;  // (clang 14 cannot capture a structured binding)
    const auto runs = c.runs;
    const bool mined = task.negatives > 0 && std::find(runs.begin(), runs.end(), "bm25.train") != runs.end();
    const SamplerOptions sampling{.batch = task.batch, .query_length = query_length, .passage_length = passage_length, .negatives = mined ? task.negatives : 0, .seed = task.seed,
                                  .lengths = {.tokens = task.batch_tokens, .alike = task.by_length}, .threads = task.threads};
    const Sampler sampler = mined ? Sampler(c, train_qrels, c.run("bm25.train"), words, sampling) : Sampler(c, train_qrels, words, sampling);
    if (out && task.negatives > 0 && !mined) std::fprintf(out, "note: there is no runs/bm25.train.trec(.gz), so the negatives are those of the batch\n");

    const double rate = r.rate = task.rate > 0 ? task.rate : usual_rate;
    AdamW<Model> adam(model, Adam{.rate = rate, .decay = task.decay});
    const std::string folder = task.resume.empty() ? task.save : task.resume;
    LoopOptions loop{.epochs = task.epochs, .accumulate = task.accumulate, .warmup = task.warmup, .clip = task.clip, .resume = !task.resume.empty(), .stop_after = task.stop_after, .progress = out, .team = over_devices ? over_devices.get() : task.members};
    if (!folder.empty()) loop.state = folder + "/state.safetensors";
    char numbers[320];
    std::snprintf(numbers, sizeof numbers, " queries %td epochs %td batch %td x %td negatives %td lr %g temperature %g dropout %g seed %llu lengths %td %td", sampler.count(), task.epochs, task.batch, task.accumulate, sampling.negatives, rate,
                  task.temperature, static_cast<double>(task.dropout), static_cast<unsigned long long>(task.seed), query_length, passage_length);
    loop.identity = task.method + (count.trainable == count.total ? "" : " at " + task.budget + " %") + " on " + std::string(Encoder::shape::name) + "," + numbers;
    if (task.batch_tokens > 0) loop.identity += " tokens " + std::to_string(task.batch_tokens);
    if (task.weights == "bf16") loop.identity += " weights bf16";
    if (task.by_length) loop.identity += " by length";
    if (task.members && task.members->count() > 1) loop.identity += " members " + std::to_string(task.members->count());
    if (!folder.empty()) make_folder(folder);

    const auto dev_ndcg = [&] { return means(retrieval.search(model, env, dev), dev)[0]; };
    if (task.first()) r.dev_zero_shot = dev_ndcg();
    Index indexed = -1;  // the epoch whose model the index holds
    const auto evaluate = [&](const TrainState& s) {
      retrieval.index(model, env);
      indexed = s.epoch;
      const double metric = dev_ndcg();
      if (out) std::fprintf(out, "epoch %td: loss %.4f, dev nDCG@10 %.4f (zero-shot %.4f)\n", s.epoch + 1, s.losses.empty() ? 0.0 : s.losses.back(), metric, r.dev_zero_shot);
      return metric;
    };
    const InfoNce loss{.temperature = task.temperature};
    const TrainState state = [&] {
      if constexpr (Model::Tower::frozen_layers > 0)
        if (task.cache != "off") {
          FrozenStates<Model> states(model, env, sampler.texts(), {.file = task.cache == "memory" ? "" : task.cache, .say = out});
          return train(model, env, adam, sampler, loss, loop, evaluate, states);
        }
      return train(model, env, adam, sampler, loss, loop, evaluate);
    }();
    r.steps = static_cast<Index>(state.losses.size());
    r.train_seconds = state.seconds;
    r.train_tokens = state.tokens;
    r.losses = state.losses;
    r.dev = state.dev;
    r.best_epoch = state.best_at;
    if (!task.first()) return r;
    if (indexed != state.best_at) retrieval.index(model, env);
    const Run run = retrieval.search(model, env, test);
    r.tuned = means(run, test);
    if (!task.run.empty()) write_run(task.run, run, c);
    if (!folder.empty()) save_trainable(model, folder + "/adapter.safetensors", {{"method", task.method}, {"budget", task.budget}, {"shape", std::string(Encoder::shape::name)}});
  }
  return r;
}

template <class Shape>
Report tune_shape(const Task& task) {
  return methods::with_method<Shape>(task.method, task.budget, [&]<class Encoder>(double rate) { return tune<Encoder>(task, rate); });
}

}  // namespace finetune::TOWPATH_WHERE

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template finetune::Report finetune::TOWPATH_WHERE::tune_shape<Shape>(const finetune::Task&);
