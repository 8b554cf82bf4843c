#pragma once

#include "towpath/data/wordpiece.hpp"

#include "towpath/tensor/ragged.hpp"

#include "towpath/base/random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace towpath {

// Texts to train on. Every passage of a batch stands against every query in it, except its positive and what also_relevant
// lists: pairs (query, passage) known to be relevant that are not the positive, which a contrastive loss must leave out of the
// denominator, for they would be pushed apart. A passage that several queries brought is there once.
struct Batch {
  Ragged queries, passages;
  std::vector<Index> positive;                             // [queries] row in passages
  std::vector<std::pair<Index, Index>> also_relevant;      // rows (query, passage), ascending
  Index truncated = 0;                                     // texts that were cut to fit
};

// The same for a model that reads query and passage together: pairs groups[g] … groups[g+1] belong to one query, the first of
// them is relevant and the others are not.
struct PairBatch {
  Ragged pairs;
  std::vector<Index> groups{0};
  Index truncated = 0;                                     // pairs that were cut to fit

  Index count() const { return static_cast<Index>(groups.size()) - 1; }
};

// Tokenise and append; each returns 1 if the text had to be cut, otherwise 0, to be summed.
inline Index append(Ragged& to, const WordPiece& words, std::string_view text, Index max_length) {
  const Encoded e = words.encode(text, max_length);
  to.add(e.ids, e.types);
  return e.truncated;
}
inline Index append_pair(Ragged& to, const WordPiece& words, std::string_view first, std::string_view second, Index max_length,
                         Truncation rule = Truncation::longest_first) {
  const Encoded e = words.encode_pair(first, second, max_length, rule);
  to.add(e.ids, e.types);
  return e.truncated;
}

// A query with one relevant passage and some that are taken to be irrelevant; all are rows of TrainingTexts.
struct Example {
  Index query = 0, positive = 0;
  std::vector<Index> negatives{};
};

// The pieces of many texts end to end, uncut and without [CLS] and [SEP], so that each is tokenised once whatever it is cut to.
struct Pieces : Sequences {
  std::vector<std::int32_t> ids;

  Index add(std::span<const std::int32_t> text) {
    ids.insert(ids.end(), text.begin(), text.end());
    offsets.push_back(static_cast<Index>(ids.size()));
    return count() - 1;
  }
  std::span<const std::int32_t> operator[](Index s) const { return {ids.data() + begin(s), static_cast<std::size_t>(length(s))}; }
};

// What training examples are made from. Constant after it was filled, so batches may be made by several threads.
struct TrainingTexts {
  WordPiece words;
  Index query_length, passage_length;
  Pieces queries{}, passages{};
  std::vector<std::vector<Index>> relevant{};    // [queries] passages, ascending

  Batch collate(std::span<const Example> examples) const {
    Batch b;
    std::unordered_map<Index, Index> rows;
    const auto passage = [&](Index p) {
      const auto [at, is_new] = rows.emplace(p, b.passages.count());
      if (is_new) b.truncated += add(b.passages, passages[p], passage_length);
      return at->second;
    };
    for (const Example& e : examples) {
      b.truncated += add(b.queries, queries[e.query], query_length);
      b.positive.push_back(passage(e.positive));
      for (Index n : e.negatives) passage(n);
    }
    for (Index q = 0; q < static_cast<Index>(examples.size()); ++q) {
      const auto first = static_cast<Index>(b.also_relevant.size());
      for (Index p : relevant[static_cast<std::size_t>(examples[static_cast<std::size_t>(q)].query)])
        if (const auto at = rows.find(p); at != rows.end() && at->second != b.positive[static_cast<std::size_t>(q)])
          b.also_relevant.emplace_back(q, at->second);
      std::sort(b.also_relevant.begin() + first, b.also_relevant.end());
    }
    return b;
  }

  // A stated negative that is relevant to the query all the same is left out.
  PairBatch collate_pairs(std::span<const Example> examples, Index max_length, Truncation rule) const {
    PairBatch b;
    for (const Example& e : examples) {
      const auto& known = relevant[static_cast<std::size_t>(e.query)];
      const auto pair = [&](Index p) {
        const Encoded made = words.pair(queries[e.query], passages[p], max_length, rule);
        b.pairs.add(made.ids, made.types);
        b.truncated += made.truncated;
      };
      pair(e.positive);
      for (Index n : e.negatives)
        if (!std::binary_search(known.begin(), known.end(), n)) pair(n);
      b.groups.push_back(b.pairs.count());
    }
    return b;
  }

private:
  Index add(Ragged& to, std::span<const std::int32_t> text, Index max_length) const {
    const Encoded e = words.single(text, max_length);
    to.add(e.ids, e.types);
    return e.truncated;
  }
};

// One pass over a source of examples (Triples, Sampler), in an order that is a pure function of (seed, epoch). Batch i is made
// on its own, so a run that was stopped goes on at batch i exactly; the last batch may be smaller. Holds a reference to the
// source.
template <class Source>
class Epoch {
public:
  Epoch(const Source& source, Index number) : source_(&source), number_(number), order_(static_cast<std::size_t>(source.count())) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<Index>(i);
    Random{source.seed(), stream_of("order of examples") + static_cast<std::uint64_t>(number)}.shuffle(order_);
  }

  Index number() const { return number_; }
  Index count() const { return (source_->count() + source_->batch() - 1) / source_->batch(); }    // batches

  std::vector<Example> examples(Index batch) const {
    if (batch < 0 || batch >= count())
      fail("there is no batch " + std::to_string(batch), "an epoch has " + std::to_string(count()) + " batches");
    const Index from = batch * source_->batch(), to = std::min(from + source_->batch(), source_->count());
    std::vector<Example> all;
    for (Index i = from; i < to; ++i) all.push_back(source_->example(number_, order_[static_cast<std::size_t>(i)]));
    return all;
  }
  Batch batch(Index i) const { return source_->texts().collate(examples(i)); }
  PairBatch pairs(Index i, Index max_length, Truncation rule = Truncation::longest_first) const {
    return source_->texts().collate_pairs(examples(i), max_length, rule);
  }

  struct End {};
  class Iterator {
  public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;

    explicit Iterator(Epoch epoch) : epoch_(std::move(epoch)) { make(); }
    const Batch& operator*() const { return batch_; }
    const Batch* operator->() const { return &batch_; }
    Iterator& operator++() {
      ++at_;
      make();
      return *this;
    }
    friend bool operator==(const Iterator& i, End) { return i.at_ == i.epoch_.count(); }
    friend bool operator!=(const Iterator& i, End) { return i.at_ != i.epoch_.count(); }

  private:
    void make() {
      if (at_ < epoch_.count()) batch_ = epoch_.batch(at_);
    }
    Epoch epoch_;
    Index at_ = 0;
    Batch batch_;
  };
  Iterator begin() const { return Iterator(*this); }
  End end() const { return {}; }

private:
  const Source* source_;
  Index number_;
  std::vector<Index> order_;
};

namespace detail {
inline void check_lengths(Index batch, Index query_length, Index passage_length) {
  if (batch < 1) fail("batch = " + std::to_string(batch), "a batch holds one example or more");
  for (Index n : {query_length, passage_length})
    if (n < 3) fail("a text of at most " + std::to_string(n) + " ids", "[CLS] and [SEP] take two of them", "Use 3 or more");
}
}  // namespace detail

}  // namespace towpath
