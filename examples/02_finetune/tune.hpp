// The main job for one shape: every method at every budget is a type, chosen here by name.
#pragma once

#include "task.hpp"

#include <towpath/towpath.hpp>

namespace finetune {

using namespace towpath;

// A budget is a share of the backbone's weights, in tenths of a per cent, as the IAA paper counts it: weights without biases, the size of
// each method's modules made equal. `units` is how many rows of width H one step of rank costs in the whole model.
template <class Shape>
constexpr Index backbone = parameters<Bert<Shape, Repeat<Shape::layers, TransformerLayer<Shape>>>>().total;
template <class Shape>
constexpr Index rank_for(Index tenths, Index units) {
  const Index per_rank = units * Shape::hidden;
  const Index rank = (tenths * backbone<Shape> / 1000 + per_rank / 2) / per_rank;
  return rank < 1 ? 1 : rank;
}

// Ranks of a budget. On BERT-base they are the paper's: 16 / 200 for adapters and LoRA; 8, 8 / 100, 100 for IAA-S; 12, 12 / 50, 300 for IAA-L;
// 15, 24 / 185, 960 for IAA-M (bounded by the width, since a bottleneck is narrower than what it bridges).
template <class Shape, Index tenths>
struct Ranks {
  static constexpr Index L = Shape::layers;
  static constexpr Index whole = rank_for<Shape>(tenths, 4 * L);                 // two modules a layer, two matrices each
  static constexpr Index parallel = rank_for<Shape>(tenths, 2 * L);              // one module a layer
  static constexpr bool large = tenths > 20;
  // IAA-S: the same inside and aside, two of each a layer
  static constexpr Index s = whole / 2 < 1 ? 1 : whole / 2;
  // IAA-L: the paper halves differently at its two budgets
  static constexpr Index l_inside = large ? (whole / 4 < 1 ? 1 : whole / 4) : (whole * 3 / 4 < 1 ? 1 : whole * 3 / 4);
  static constexpr Index l_aside = large ? whole * 3 / 2 : l_inside;
  // IAA-M: one aside module for the whole stack
  static constexpr Index m_inside = large ? whole * 37 / 40 : (whole * 15 / 16 < 1 ? 1 : whole * 15 / 16);
  static constexpr Index m_wanted = large ? whole * 24 / 5 : whole * 3 / 2;
  static constexpr Index m_aside = m_wanted < Shape::hidden ? m_wanted : Shape::hidden - 1;
};
static_assert(Ranks<BertBase, 5>::whole == 15 || Ranks<BertBase, 5>::whole == 16);

template <class Shape, class... Methods>
using Layers = Repeat<Shape::layers, TransformerLayer<Shape, Methods...>>;
template <class Encoder>
using Retriever = BiEncoder<Encoder, MeanPooling, Cosine>;

template <class Env, class Model>
std::pair<std::vector<double>, Run> measure(Env& env, const Model& model, Retrieval& retrieval, const Qrels& qrels, const std::vector<Measure>& measures) {
  Run run = retrieval.run(model, env, qrels);
  const Evaluation e = retrieval.evaluate(run, qrels, measures);
  std::vector<double> values;
  for (const Measure& m : measures) values.push_back(e.mean(m));
  return {values, std::move(run)};
}

// Train and dev judgements: the collection's own, or a fixed tenth of train (by a hash of the query's id) where there is no dev split.
inline std::pair<Qrels, Qrels> train_and_dev(const Collection& c) {
  Qrels train = c.qrels("train"), dev;
  if (c.has("dev")) return {std::move(train), c.qrels("dev")};
  dev = train;
  for (std::size_t q = 0; q < train.of.size(); ++q) {
    const bool held = stream_of(c.queries.id(static_cast<Index>(q))) % 10 == 0;
    (held ? train : dev).of[q].clear();
  }
  for (Qrels* r : {&train, &dev}) {
    r->judged = r->pairs = 0;
    for (const auto& list : r->of) r->judged += !list.empty(), r->pairs += static_cast<Index>(list.size());
  }
  return {std::move(train), std::move(dev)};
}

inline void write_run(const std::string& path, const Run& run, const Collection& c) {
  RunFile file(path, "towpath");
  for (std::size_t q = 0; q < run.of.size(); ++q)
    for (const Candidate& d : run.of[q]) file.add(c.queries.id(static_cast<Index>(q)), c.documents.id(d.document), static_cast<float>(d.score));
  file.commit();
}

template <class Encoder>
Report tune(const Task& task, double usual_rate) {
  using Arch = Retriever<Encoder>;
  using Env = Cpu<float>;
  using Model = typename Arch::template On<Env>;
  constexpr Count count = parameters<Arch>();
  std::FILE* const out = task.quiet ? nullptr : stderr;

  Env env({.threads = task.threads, .seed = task.seed, .dropout = task.dropout});
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
  Retrieval retrieval(c, words, {.query_length = query_length, .document_length = passage_length, .depth = task.depth, .progress = out});
  const std::vector<Measure> measures{measure::ndcg(10), measure::mrr(10), measure::map(), measure::recall(task.depth)};

  Report r;
  for (const Measure& m : measures) r.measures.push_back(m.name());
  r.total = count.total;
  r.trained = count.trainable;
  {
    const Stopwatch watch;
    auto [values, run] = measure(env, model, retrieval, test, measures);
    r.zero_shot = values;
    r.encode_seconds = watch.seconds();
    r.encode_tokens = retrieval.tally().tokens;
    r.truncated = retrieval.tally().truncated;
    if (out && r.truncated) std::fprintf(out, "note: %td texts were longer than %td (queries) or %td (documents) tokens and were cut\n", r.truncated, query_length, passage_length);
    if (!Model::trains && !task.run.empty()) write_run(task.run, run, c);
  }
  if constexpr (Model::trains) {
    const auto [train_qrels, dev] = train_and_dev(c);
    const auto runs = c.runs;
    const bool mined = task.negatives > 0 && std::find(runs.begin(), runs.end(), "bm25.train") != runs.end();
    const SamplerOptions sampling{.batch = task.batch, .query_length = query_length, .passage_length = passage_length, .negatives = mined ? task.negatives : 0, .seed = task.seed};
    const Sampler sampler = mined ? Sampler(c, train_qrels, c.run("bm25.train"), words, sampling) : Sampler(c, train_qrels, words, sampling);
    if (out && task.negatives > 0 && !mined) std::fprintf(out, "note: there is no runs/bm25.train.trec(.gz), so the negatives are those of the batch\n");

    const double rate = r.rate = task.rate > 0 ? task.rate : usual_rate;
    AdamW<Model> adam(model, Adam{.rate = rate, .decay = task.decay});
    const std::string folder = task.resume.empty() ? task.save : task.resume;
    LoopOptions loop{.epochs = task.epochs, .warmup = task.warmup, .clip = task.clip, .resume = !task.resume.empty(), .stop_after = task.stop_after, .progress = out};
    if (!folder.empty()) loop.state = folder + "/state.safetensors";
    char numbers[200];
    std::snprintf(numbers, sizeof numbers, " epochs %td batch %td negatives %td lr %g temperature %g dropout %g seed %llu lengths %td %td", task.epochs, task.batch, sampling.negatives, rate,
                  task.temperature, static_cast<double>(task.dropout), static_cast<unsigned long long>(task.seed), query_length, passage_length);
    loop.identity = task.method + (count.trainable == count.total ? "" : " at " + task.budget + " %") + " on " + std::string(Encoder::shape::name) + "," + numbers;
    if (!folder.empty()) make_folder(folder);

    const std::vector<Measure> chosen{measure::ndcg(10)};
    r.dev_zero_shot = measure(env, model, retrieval, dev, chosen).first[0];
    const TrainState state = train(model, env, adam, sampler, InfoNce{.temperature = task.temperature}, loop, [&](const TrainState& s) {
      const double metric = measure(env, model, retrieval, dev, chosen).first[0];
      if (out) std::fprintf(out, "epoch %td: loss %.4f, dev nDCG@10 %.4f (zero-shot %.4f)\n", s.epoch + 1, s.losses.empty() ? 0.0 : s.losses.back(), metric, r.dev_zero_shot);
      return metric;
    });
    r.steps = static_cast<Index>(state.losses.size());
    r.train_seconds = state.seconds;
    r.train_tokens = state.tokens;
    r.losses = state.losses;
    r.dev = state.dev;
    r.best_epoch = state.best_epoch;
    auto [values, run] = measure(env, model, retrieval, test, measures);
    r.tuned = values;
    if (!task.run.empty()) write_run(task.run, run, c);
    if (!folder.empty()) save_trainable(model, folder + "/adapter.safetensors", {{"method", task.method}, {"budget", task.budget}, {"shape", std::string(Encoder::shape::name)}});
  } else {
    r.composition = "the backbone alone";
  }
  return r;
}

// Learning rates that did best on dev in the runs of bench/RESULTS.md; --lr overrides them.
template <class Shape>
Report tune_shape(const Task& task) {
  const auto at_budget = [&]<Index tenths>(std::integral_constant<Index, tenths>) -> Report {
    using R = Ranks<Shape, tenths>;
    using Inside = Adapter<R::l_inside>;
    if (task.method == "lora") return tune<Bert<Shape, Layers<Shape, LoRA<R::whole, Alpha<2 * R::whole>>>>>(task, 1e-3);
    if (task.method == "adapter") return tune<Bert<Shape, Layers<Shape, Adapter<R::whole>>>>(task, 1e-3);
    if (task.method == "parallel") return tune<Bert<Shape, Layers<Shape, Adapter<R::parallel, at::BesideFfn>>>>(task, 1e-3);
    if (task.method == "iaa-s")
      return tune<Bert<Shape, Layers<Shape, Adapter<R::s>, Pathway<Aside<R::s>, at::OutsideAttention, at::OutsideFfn>>>>(task, 1e-3);
    if (task.method == "iaa-l") return tune<Bert<Shape, Layers<Shape, Inside, Pathway<Aside<R::l_aside>>>>>(task, 1e-3);
    return tune<Bert<Shape, Layers<Shape, Adapter<R::m_inside>>, Pathway<Aside<R::m_aside>>>>(task, 1e-3);
  };
  if (task.method == "none") return tune<Bert<Shape, Layers<Shape>>>(task, 0);
  if (task.method == "full") return tune<Bert<Shape, Layers<Shape, FullTuning>, FullTuning>>(task, 5e-5);
  if (task.method == "bitfit") return tune<Bert<Shape, Layers<Shape, BitFit>, BitFit>>(task, 2e-3);
  if (task.budget == "0.5") return at_budget(std::integral_constant<Index, 5>{});
  return at_budget(std::integral_constant<Index, 67>{});
}

}  // namespace finetune
