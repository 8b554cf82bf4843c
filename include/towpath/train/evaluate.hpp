#pragma once

#include "towpath/backend/environment.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/data/ahead.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/data/collection.hpp"
#include "towpath/ir/flat_index.hpp"
#include "towpath/metric/ranking.hpp"
#include "towpath/tensor/tensor.hpp"
#include "towpath/train/progress.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace towpath {

struct EncodeOptions {
  Index max_length = 128;          // tokens, [CLS] and [SEP] among them
  Index batch_tokens = 8192;       // tokens that go through the model at once
  std::FILE* progress = nullptr;
  Index ahead = 4;                 // batches that are made beside the computing, on a thread of its own (0: none); the same bits either way
  Side side = Side::passage;       // what the texts are, where that makes a difference (ir/tower_pair.hpp)
};

// What encoding came to: tokens that were read, texts that were cut.
struct EncodeTally {
  Index tokens = 0, truncated = 0;
};

// model.encode, with the side where the model wants to know it.
template <class Model, class Env>
Tensor<Env> encode_side(const Model& model, Env& env, const Ragged& tokens, [[maybe_unused]] Side side) {
  if constexpr (requires { model.encode(env, tokens); }) return model.encode(env, tokens);
  else return model.encode(env, tokens, side);
}

// f(tokens) -> [sequences, width] for all batches, as one matrix whose row i belongs to text (or pair) i.
template <Index width, class Env, class F>
Tensor<Env> through_all(Env& env, LongestFirst& batches, const char* what, std::FILE* shown, Index ahead, const F& f, EncodeTally* tally = nullptr) {
  Tensor<Env> all(batches.count(), width);
  Progress progress(what, batches.count(), shown);
  EncodeTally count;
  Index done = 0;
  Stopwatch watch;
  Ahead parts([&] { return batches.next(); }, ahead);
  while (const auto part = parts.next()) {
    const Tensor<Env> rows = f(part->tokens);
    const std::vector<std::int32_t> places(part->rows.begin(), part->rows.end());
    op::scatter_rows_add<Env>(env, rows, places, all);  // to zeros
    count.tokens += part->tokens.tokens();
    count.truncated += part->truncated;
    done += static_cast<Index>(part->rows.size());
    progress.at(done, std::to_string(static_cast<Index>(static_cast<double>(count.tokens) / watch.seconds())) + " tokens/s");
  }
  if (tally) *tally = count;
  return all;
}

// The embeddings of many texts, [texts, H] in the order given. They go through the model longest first, in batches of about the same number
// of tokens; a text's embedding does not depend on what else is in its batch beyond rounding.
template <class Model, class Env>
Tensor<Env> encode_all(const Model& model, Env& env, const WordPiece& words, const Pieces& texts, const EncodeOptions& options = {},
                       EncodeTally* tally = nullptr) {
  LongestFirst batches(words, texts, options.max_length, options.batch_tokens);
  return through_all<Model::hidden>(env, batches, "encode", options.progress, options.ahead,
                                         [&](const Ragged& tokens) { return encode_side(model, env, tokens, options.side); }, tally);
}

struct RetrievalOptions {
  Index query_length = 64, document_length = 256;
  Index depth = 100;               // results per query
  std::FILE* progress = nullptr;
  Index threads = 0;               // for tokenising (0: all cores)
  std::vector<Index> documents{};  // search among these rows only (empty: all), for evaluations that should not take long
};

// Retrieval over a collection, tokenised once: index() encodes its documents with a model, search() then answers those queries that have
// judgements, exactly, with a run whose rows are the collection's.
template <class Env>
class Retrieval {
public:
  Retrieval(const Collection& collection, WordPiece words, const RetrievalOptions& options = {})
      : collection_(&collection), words_(std::move(words)), options_(options) {
    Threads threads(options.threads);
    const Index some = static_cast<Index>(options_.documents.size());
    tokenise(documents_, words_, some ? some : collection.documents.count(), [&](Index d) { return collection.documents[row(d)]; }, threads);
  }

  const EncodeTally& tally() const { return tally_; }  // of the last index() and the searches after it

  template <class Model>
  void index(const Model& model, Env& env) {
    index_ = FlatIndex<Env>(Model::hidden, env.settings());
    index_.add(encode_all(model, env, words_, documents_, {.max_length = options_.document_length, .progress = options_.progress}, &tally_));
  }
  template <class Model>
  Run search(const Model& model, Env& env, const Qrels& qrels) {
    Pieces queries;
    std::vector<std::size_t> rows;
    for (std::size_t q = 0; q < qrels.of.size(); ++q)
      if (!qrels.of[q].empty()) {
        rows.push_back(q);
        queries.add(words_.pieces(collection_->queries[static_cast<Index>(q)]));
      }
    EncodeTally of_queries;
    const Tensor<Env> vectors = encode_all(model, env, words_, queries, {.max_length = options_.query_length, .side = Side::query}, &of_queries);
    tally_.tokens += of_queries.tokens;
    tally_.truncated += of_queries.truncated;
    Run run;
    run.tag = "towpath";
    run.of.resize(qrels.of.size());
    constexpr Index together = 256;
    for (Index first = 0; first < vectors.rows(); first += together) {
      const auto found = index_.search_all(vectors.view().row_block(first, std::min(together, vectors.rows() - first)), options_.depth);
      for (std::size_t i = 0; i < found.size(); ++i) {
        auto& list = run.of[rows[static_cast<std::size_t>(first) + i]];
        for (const Hit& hit : found[i]) list.push_back({row(hit.id), static_cast<Index>(list.size()) + 1, hit.score});
        run.ranked += 1;
        run.pairs += static_cast<Index>(list.size());
      }
    }
    return run;
  }
  Evaluation evaluate(const Run& run, const Qrels& qrels, std::vector<Measure> measures) const {
    return towpath::evaluate(run, qrels, collection_->queries.ids, collection_->documents.ids, std::move(measures));
  }

private:
  Index row(Index d) const { return options_.documents.empty() ? d : options_.documents[static_cast<std::size_t>(d)]; }

  const Collection* collection_;
  WordPiece words_;
  RetrievalOptions options_;
  Pieces documents_;
  EncodeTally tally_;
  FlatIndex<Env> index_{1};
};

}  // namespace towpath
