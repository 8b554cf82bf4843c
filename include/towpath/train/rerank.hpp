#pragma once

#include "towpath/base/check.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/data/collection.hpp"
#include "towpath/metric/ranking.hpp"
#include "towpath/tensor/tensor.hpp"
#include "towpath/train/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace towpath {

struct RerankOptions {
  Index depth = 100;          // of each query's candidates, best first: so many are scored, the others left out
  PairOptions pairs{};        // as in training
  Index batch_tokens = 8192;  // tokens that go through the model at once
  std::FILE* progress = nullptr;
  Index threads = 0;  // for tokenising (0: all cores)
  Index ahead = 4;    // batches made beside the computing
};

// Second-stage ranking: the candidates of any first-stage run in the order of a cross-encoder's scores. Texts are tokenised once, at
// construction, and only those that occur; each call then scores all pairs, longest first.
//   Reranking rerank{c, c.run("bm25.dev"), words, {.depth = 100}};
//   const Run run = rerank(model, env);
//   write_run("reranked.trec", run, c.queries.ids, c.documents.ids);
//   rerank.evaluate(run, c.qrels("dev"), {measure::ndcg(10)}).mean(measure::ndcg(10))
// The candidates that count are the best by the run's scores, ties in the order of the file; pairs that score the same keep the run's order.
// A query without a candidate stays without. Refers to the collection.
class Reranking {
public:
  Reranking(const Collection& collection, const Run& run, WordPiece words, const RerankOptions& options = {})
      : collection_(&collection), words_(std::move(words)), options_(options), first_(run.of.size()) {
    if (options.depth < 1)
      fail("depth = " + std::to_string(options.depth), "at least one candidate of a query is scored");
    std::vector<Index> documents, queries, row(static_cast<std::size_t>(collection.documents.count()), -1);
    for (std::size_t q = 0; q < run.of.size(); ++q) {
      if (run.of[q].empty()) continue;
      auto best = run.of[q];
      std::stable_sort(best.begin(), best.end(),
                       [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
      if (static_cast<Index>(best.size()) > options.depth) best.resize(static_cast<std::size_t>(options.depth));
      for (const Candidate& c : best) {
        Index& at = row[static_cast<std::size_t>(c.document)];
        if (at < 0) {
          at = static_cast<Index>(documents.size());
          documents.push_back(c.document);
        }
        pairs_.emplace_back(static_cast<Index>(queries.size()), at);
        first_[q].push_back(c.document);
      }
      queries.push_back(static_cast<Index>(q));
    }
    Threads threads(options.threads);
    const auto at = [](const std::vector<Index>& rows, Index i) { return rows[static_cast<std::size_t>(i)]; };
    tokenise(
        queries_, words_, static_cast<Index>(queries.size()),
        [&](Index i) { return collection.queries[at(queries, i)]; }, threads);
    tokenise(
        documents_, words_, static_cast<Index>(documents.size()),
        [&](Index i) { return collection.documents[at(documents, i)]; }, threads);
  }

  Index count() const { return static_cast<Index>(pairs_.size()); }  // pairs
  const EncodeTally& tally() const { return tally_; }                // of the last call

  template <class Model, class Env>
  Run operator()(const Model& model, Env& env) {
    LongestFirst batches(words_, queries_, documents_, pairs_, options_.pairs, options_.batch_tokens);
    const Tensor<Env> all = through_all<1>(
        env, batches, "rerank", options_.progress, options_.ahead,
        [&](const Ragged& tokens) { return model.score(env, tokens); }, &tally_);
    const auto scores = on_host(all);
    Run run;
    run.tag = "towpath";
    run.of.resize(first_.size());
    const auto* next = scores.data();
    for (std::size_t q = 0; q < first_.size(); ++q) {
      auto& list = run.of[q];
      for (Index document : first_[q]) {
        list.push_back({document, 0, static_cast<double>(*next++)});
        if (!std::isfinite(list.back().score))
          fail("the score of query \"" + std::string(collection_->queries.id(static_cast<Index>(q))) +
                   "\" and document \"" + std::string(collection_->documents.id(document)) + "\" is no finite number",
               "a ranking needs numbers that can be compared", "Lower the learning rate of the model's training");
      }
      std::stable_sort(list.begin(), list.end(),
                       [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
      for (std::size_t i = 0; i < list.size(); ++i) list[i].rank = static_cast<Index>(i) + 1;
      run.ranked += !list.empty();
      run.pairs += static_cast<Index>(list.size());
    }
    return run;
  }
  Evaluation evaluate(const Run& run, const Qrels& qrels, std::vector<Measure> measures) const {
    return towpath::evaluate(run, qrels, collection_->queries.ids, collection_->documents.ids, std::move(measures));
  }

private:
  const Collection* collection_;
  WordPiece words_;
  RerankOptions options_;
  Pieces queries_, documents_;
  std::vector<std::pair<Index, Index>> pairs_;  // rows of the two, query by query
  std::vector<std::vector<Index>> first_;  // [queries of the collection] the candidates' documents, in the same order
  EncodeTally tally_;
};

}  // namespace towpath
