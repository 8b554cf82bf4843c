#pragma once

#include "towpath/data/collate.hpp"
#include "towpath/data/collection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace towpath {

struct SamplerOptions {
  Index batch = 32;                                 // queries
  Index query_length = 32, passage_length = 128;    // ids, [CLS] and [SEP] among them
  Index negatives = 1;                              // hard ones per query and epoch, where there is a run
  Index skip = 0, depth = 0;                        // of the run's candidates leave out the first `skip`, use up to place `depth` (0: all)
  bool taught = false;                              // the run is a teacher's: examples have its scores, and only what it scored is drawn
  Index relevant_from = 1;                          // the grade from which a judged document is relevant
  std::uint64_t seed = 42;
  Lengths lengths{};                                // whether batches are made with regard to lengths
  Index threads = 0;                                // for tokenising, at construction (0: all cores)
};

// Training examples from a collection, its judgements and, for hard negatives, a first-stage run.
//   const Sampler sampler{c, c.qrels("train"), c.run("bm25.train"), WordPiece{"vocab.txt"}, {.batch = 32, .negatives = 4}};
//   for (const Batch& batch : sampler.epoch(0)) …
//   sampler.epoch(3).batch(17)
//   AsPairs{sampler, {.max_length = 256}}.epoch(3).batch(17)      // for a cross-encoder
// An epoch has each query with a relevant document once: with one of these, drawn evenly, and with `negatives` different
// documents drawn evenly from those candidates of the run that are not relevant to it (fewer where there are fewer). What is drawn
// is a pure function of (seed, epoch, query); the order of (seed, epoch).
// With options.taught the run's scores go with the examples, for a loss that distils (loss/margin_mse.hpp, loss/kl.hpp); positives are
// drawn from what the run holds too, and a query of which it holds no relevant document is left out.
// With options.lengths, batches have a bound on their ids, or texts of like lengths: see Lengths.
// Documents of equal text are one document. Each text is tokenised once, at construction, and only those that can occur.
// Constant afterwards: batches may be made by several threads. The collection need not outlive it.
// Errors: judgements in which no query has a relevant document.
class Sampler {
public:
  Sampler(const Collection& c, const Qrels& qrels, WordPiece words, const SamplerOptions& options = {})
      : Sampler(c, qrels, Run{}, std::move(words), options) {}

  Sampler(const Collection& c, const Qrels& qrels, const Run& run, WordPiece words, const SamplerOptions& options = {})
      : options_(options), texts_{std::move(words), options.query_length, options.passage_length} {
    detail::check_lengths(options.batch, options.query_length, options.passage_length, options.lengths);
    std::unordered_map<std::string_view, Index> known;
    std::vector<Index> rows(static_cast<std::size_t>(c.documents.count()), -1), documents;    // documents: of each passage
    const auto passage = [&](Index document) {
      Index& row = rows[static_cast<std::size_t>(document)];
      if (row >= 0) return row;
      const std::string_view text = c.documents[document];
      const auto [at, is_new] = known.emplace(text, static_cast<Index>(documents.size()));
      if (is_new) documents.push_back(document);
      return row = at->second;
    };
    for (Index q = 0; q < static_cast<Index>(qrels.of.size()); ++q) {
      if (qrels.of[static_cast<std::size_t>(q)].empty()) continue;
      std::vector<Index> relevant;
      for (Index d : qrels.relevant(q, options.relevant_from)) relevant.push_back(passage(d));
      if (relevant.empty()) {
        ++skipped_;
        continue;
      }
      std::sort(relevant.begin(), relevant.end());
      relevant.erase(std::unique(relevant.begin(), relevant.end()), relevant.end());

      std::vector<Index> hard;
      if (static_cast<std::size_t>(q) < run.of.size() && options.negatives > 0) {
        const auto& candidates = run.of[static_cast<std::size_t>(q)];
        const auto all = static_cast<Index>(candidates.size());
        const Index until = options.depth > 0 ? std::min(options.depth, all) : all;
        for (Index i = std::max<Index>(options.skip, 0); i < until; ++i) hard.push_back(passage(candidates[static_cast<std::size_t>(i)].document));
        std::sort(hard.begin(), hard.end());    // also makes the draw independent of how a run breaks ties
        hard.erase(std::unique(hard.begin(), hard.end()), hard.end());
        std::erase_if(hard, [&](Index p) { return std::binary_search(relevant.begin(), relevant.end(), p); });
      }
      if (options.taught) {
        std::vector<Said> said;
        if (static_cast<std::size_t>(q) < run.of.size())
          for (const Candidate& d : run.of[static_cast<std::size_t>(q)]) said.push_back({passage(d.document), static_cast<float>(d.score)});
        std::sort(said.begin(), said.end(), [](const Said& a, const Said& b) { return a.passage != b.passage ? a.passage < b.passage : a.score > b.score; });
        said.erase(std::unique(said.begin(), said.end(), [](const Said& a, const Said& b) { return a.passage == b.passage; }), said.end());
        std::vector<Index> positives;
        for (const Said& s : said)
          if (std::binary_search(relevant.begin(), relevant.end(), s.passage)) positives.push_back(s.passage);
        if (positives.empty()) {
          ++skipped_;
          continue;
        }
        said_.push_back(std::move(said));
        positives_.push_back(std::move(positives));
      }
      texts_.relevant.push_back(std::move(relevant));
      hard_.push_back(std::move(hard));
      query_.push_back(q);
    }
    Threads threads(options.threads);
    const auto at = [](const std::vector<Index>& list, Index i) { return list[static_cast<std::size_t>(i)]; };
    tokenise(texts_.queries, texts_.words, count(), [&](Index q) { return c.queries[at(query_, q)]; }, threads);
    const auto distinct = static_cast<Index>(documents.size());
    tokenise(texts_.passages, texts_.words, distinct, [&](Index p) { return c.documents[at(documents, p)]; }, threads);
    if (query_.empty())
      fail((qrels.path.empty() ? std::string("the qrels") : qrels.path) + " have no relevant document for any query",
           "a document is relevant from grade " + std::to_string(options.relevant_from), "Lower relevant_from or take another split");
  }

  Epoch<Sampler> epoch(Index number) const { return {*this, number}; }

  Index count() const { return static_cast<Index>(query_.size()); }    // queries with a relevant document
  Index skipped() const { return skipped_; }                           // judged queries without one (or none that the teacher scored)
  Index query(Index i) const { return query_[static_cast<std::size_t>(i)]; }    // row in the collection of query i here
  Index batch() const { return options_.batch; }
  const Lengths& lengths() const { return options_.lengths; }
  std::uint64_t seed() const { return options_.seed; }
  const TrainingTexts& texts() const { return texts_; }

  Example example(Index epoch, Index q) const {
    // The query's row in the collection, not its number here, so that another split or cut-off draws the same for it.
    Random random{options_.seed ^ stream_of("draw of examples"),
                  static_cast<std::uint64_t>(epoch) << 32 | static_cast<std::uint64_t>(query(q))};
    const auto& positives = (options_.taught ? positives_ : texts_.relevant)[static_cast<std::size_t>(q)];
    Example e{q, positives[random.below(positives.size())]};
    std::vector<Index> left = hard_[static_cast<std::size_t>(q)];
    while (!left.empty() && static_cast<Index>(e.negatives.size()) < options_.negatives) {
      const std::size_t at = random.below(left.size());
      e.negatives.push_back(left[at]);
      left[at] = left.back();
      left.pop_back();
    }
    if (options_.taught) {
      e.teacher.push_back(said(q, e.positive));
      for (Index n : e.negatives) e.teacher.push_back(said(q, n));
    }
    return e;
  }

private:
  struct Said {
    Index passage;
    float score;
  };
  float said(Index q, Index passage) const {
    const auto& all = said_[static_cast<std::size_t>(q)];
    return std::lower_bound(all.begin(), all.end(), passage, [](const Said& s, Index p) { return s.passage < p; })->score;
  }

  SamplerOptions options_;
  TrainingTexts texts_;
  std::vector<std::vector<Index>> hard_;    // [queries] candidates that are not relevant, ascending
  std::vector<std::vector<Said>> said_;     // [queries] what a teacher says of the run's candidates, ascending
  std::vector<std::vector<Index>> positives_;    // [queries] those of them that are relevant
  std::vector<Index> query_;                // [queries] row in the collection
  Index skipped_ = 0;
};

}  // namespace towpath
