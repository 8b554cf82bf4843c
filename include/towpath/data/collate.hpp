#pragma once

#include "towpath/data/wordpiece.hpp"

#include "towpath/tensor/ragged.hpp"

#include "towpath/base/random.hpp"
#include "towpath/base/threads.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
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
  std::vector<Index> query_rows{}, passage_rows{};         // which of TrainingTexts they are, where they are some

  Index tokens() const { return queries.tokens() + passages.tokens(); }
};

// The same for a model that reads query and passage together: pairs groups[g] … groups[g+1] belong to one query, the first of
// them is relevant and the others are not.
struct PairBatch {
  Ragged pairs;
  std::vector<Index> groups{0};
  std::vector<float> teacher{};                            // [pairs] how a teacher scores each, or nothing
  Index truncated = 0;                                     // pairs that were cut to fit

  Index count() const { return static_cast<Index>(groups.size()) - 1; }
  Index tokens() const { return pairs.tokens(); }
};

// How query and passage become one sequence: [CLS] query [SEP] passage [SEP].
struct PairOptions {
  Index max_length = 256;                                  // ids, [CLS] and both [SEP] among them
  Truncation rule = Truncation::only_second;
  Index query_pieces = 0;                                  // the query is cut to so many before `rule` is applied (0: it is not)
};
inline Encoded encode_pair(const WordPiece& words, std::span<const std::int32_t> query, std::span<const std::int32_t> passage,
                           const PairOptions& options) {
  const auto most = static_cast<std::size_t>(options.query_pieces);
  const bool cut = most > 0 && query.size() > most;
  Encoded e = words.pair(cut ? query.first(most) : query, passage, options.max_length, options.rule);
  e.truncated |= cut;
  return e;
}

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
  std::vector<float> teacher{};                            // a teacher's scores of positive and negatives, or nothing
};

// The pieces of many texts end to end, uncut and without [CLS] and [SEP], so that each is tokenised once whatever it is cut to.
struct Pieces : Sequences {
  std::vector<std::int32_t> ids;

  Index add(std::span<const std::int32_t> text) {
    ids.insert(ids.end(), text.begin(), text.end());
    offsets.push_back(static_cast<Index>(ids.size()));
    return count() - 1;
  }
  void append(const Pieces& more) {
    const Index before = tokens();
    ids.insert(ids.end(), more.ids.begin(), more.ids.end());
    for (Index s = 1; s <= more.count(); ++s) offsets.push_back(before + more.begin(s));
  }
  std::span<const std::int32_t> operator[](Index s) const { return {ids.data() + begin(s), static_cast<std::size_t>(length(s))}; }
};

// Appends the pieces of text(0) … text(n - 1) in this order. They are tokenised on all threads, in blocks that are joined in
// order: the result does not depend on how many threads there are. text(i) is a std::string_view that holds until the end of the
// call, asked for by several threads at once.
template <class Text>
void tokenise(Pieces& to, const WordPiece& words, Index n, const Text& text, Threads& threads) {
  constexpr Index block = 64, together = 1024 * block;  // what is there twice, in blocks and joined, stays bounded
  for (Index from = 0; from < n; from += together) {
    const Index count = std::min(together, n - from);
    std::vector<Pieces> parts(static_cast<std::size_t>((count + block - 1) / block));
    threads.rows(count, block, [&](Index begin, Index end) {
      Pieces& part = parts[static_cast<std::size_t>(begin / block)];
      for (Index i = begin; i < end; ++i) part.add(words.pieces(text(from + i)));
    });
    for (const Pieces& part : parts) to.append(part);
  }
}

// Texts to encode as batches, longest first (equal lengths in their order), each of as many as have at most `tokens` ids together;
// a text that alone has more is a batch of its own. There is no padding to save: the order puts the largest batch first, so that
// a run that fits in memory at its start fits to its end, and gives the texts of a batch the same work.
//   LongestFirst batches{words, texts, 256, 8192};
//   while (auto batch = batches.next()) …           // row i of the batch is text batch->rows[i]
//   LongestFirst batches{words, queries, passages, pairs, {.max_length = 256}, 8192};    // pairs of rows: row i is pair batch->rows[i]
// Refers to words, texts and pairs.
class LongestFirst {
public:
  using Pairs = std::span<const std::pair<Index, Index>>;
  struct Part {
    Ragged tokens;
    std::vector<Index> rows;
    Index truncated = 0;
  };

  LongestFirst(const WordPiece& words, const Pieces& texts, Index max_length, Index tokens)
      : words_(&words), texts_(&texts), options_{.max_length = max_length}, tokens_(tokens), order_(static_cast<std::size_t>(texts.count())) {
    sort();
  }
  LongestFirst(const WordPiece& words, const Pieces& queries, const Pieces& passages, Pairs pairs, const PairOptions& options, Index tokens)
      : words_(&words), texts_(&queries), passages_(&passages), pairs_(pairs), options_(options), tokens_(tokens), order_(pairs.size()) {
    sort();
  }
  Index count() const { return static_cast<Index>(order_.size()); }
  std::optional<Part> next();

private:
  Index ids(Index row) const {    // uncut
    if (!passages_) return texts_->length(row) + 2;
    const auto [q, p] = pairs_[static_cast<std::size_t>(row)];
    return texts_->length(q) + passages_->length(p) + 3;
  }
  Encoded encode(Index row) const {
    if (!passages_) return words_->single((*texts_)[row], options_.max_length);
    const auto [q, p] = pairs_[static_cast<std::size_t>(row)];
    return encode_pair(*words_, (*texts_)[q], (*passages_)[p], options_);
  }
  void sort() {
    std::iota(order_.begin(), order_.end(), Index{0});
    std::stable_sort(order_.begin(), order_.end(), [&](Index a, Index b) { return ids(a) > ids(b); });
  }

  const WordPiece* words_;
  const Pieces* texts_;
  const Pieces* passages_ = nullptr;
  Pairs pairs_{};
  PairOptions options_;
  Index tokens_;
  std::vector<Index> order_;
  std::size_t at_ = 0;
};

// How the examples of an epoch are put together. As it stands: in the order that was shuffled, `batch` at a time.
// A Ragged batch has no padding, so none of this saves arithmetic, as it would for a padded batch. What it gives is bounded memory
// and steps that take alike long, both through `tokens`: a batch is closed before it would hold more ids (or more than `batch`
// examples). `alike` sorts by length among some batches' worth at a time and shuffles the batches: all texts of one are about
// equally long. Without `tokens` that makes steps more unequal, not less. Both change what stands against what as a negative:
// with `tokens` a batch of long texts has fewer, and with `alike` they are of the positive's own length.
struct Lengths {
  Index tokens = 0;    // ids of the texts in a batch at most (0: any number), a passage that several bring counted for each;
                       // an example that has more is a batch of its own
  bool alike = false;  // examples of a batch are about equally long
};

// What training examples are made from. Constant after it was filled, so batches may be made by several threads.
struct TrainingTexts {
  WordPiece words;
  Index query_length, passage_length;
  Pieces queries{}, passages{};
  std::vector<std::vector<Index>> relevant{};    // [queries] passages, ascending

  // ids of an example in a batch, if it shares no passage
  Index tokens(const Example& e) const {
    const auto of = [](const Pieces& texts, Index row, Index most) { return std::min(texts.length(row) + 2, most); };
    Index n = of(queries, e.query, query_length) + of(passages, e.positive, passage_length);
    for (Index p : e.negatives) n += of(passages, p, passage_length);
    return n;
  }

  Batch collate(std::span<const Example> examples) const;

private:
  Index add(Ragged& to, std::span<const std::int32_t> text, Index max_length) const {
    const Encoded e = words.single(text, max_length);
    to.add(e.ids, e.types);
    return e.truncated;
  }
};

// The same texts for a model that reads query and passage together.
struct PairTexts {
  const TrainingTexts* texts;
  PairOptions options;

  Index tokens(const Example& e) const {
    Index n = of(e, e.positive);
    for (Index p : e.negatives) n += of(e, p);
    return n;
  }
  // A stated negative that is relevant to the query all the same is left out.
  PairBatch collate(std::span<const Example> examples) const;

private:
  Index of(const Example& e, Index passage) const {
    const Index query = texts->queries.length(e.query), most = options.query_pieces;
    return std::min((most > 0 ? std::min(query, most) : query) + texts->passages.length(passage) + 3, options.max_length);
  }
};

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE std::optional<LongestFirst::Part> LongestFirst::next() {
  if (at_ == order_.size()) return std::nullopt;
  Part part;
  do {
    const Encoded e = encode(order_[at_]);
    part.tokens.add(e.ids, e.types);
    part.truncated += e.truncated;
    part.rows.push_back(order_[at_++]);
  } while (at_ < order_.size() && part.tokens.tokens() + std::min(ids(order_[at_]), options_.max_length) <= tokens_);
  return part;
}

TOWPATH_ONCE Batch TrainingTexts::collate(std::span<const Example> examples) const {
  Batch b;
  std::unordered_map<Index, Index> rows;
  const auto passage = [&](Index p) {
    const auto [at, is_new] = rows.emplace(p, b.passages.count());
    if (is_new) {
      b.truncated += add(b.passages, passages[p], passage_length);
      b.passage_rows.push_back(p);
    }
    return at->second;
  };
  for (const Example& e : examples) {
    b.truncated += add(b.queries, queries[e.query], query_length);
    b.query_rows.push_back(e.query);
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

TOWPATH_ONCE PairBatch PairTexts::collate(std::span<const Example> examples) const {
  PairBatch b;
  for (const Example& e : examples) {
    const auto& known = texts->relevant[static_cast<std::size_t>(e.query)];
    const auto pair = [&](Index p, std::size_t number) {
      const Encoded made = encode_pair(texts->words, texts->queries[e.query], texts->passages[p], options);
      b.pairs.add(made.ids, made.types);
      b.truncated += made.truncated;
      if (number < e.teacher.size()) b.teacher.push_back(e.teacher[number]);
    };
    pair(e.positive, 0);
    for (std::size_t i = 0; i < e.negatives.size(); ++i)
      if (!std::binary_search(known.begin(), known.end(), e.negatives[i])) pair(e.negatives[i], i + 1);
    b.groups.push_back(b.pairs.count());
  }
  return b;
}

#endif  // TOWPATH_ELSEWHERE

// One pass over a source of examples (Triples, Sampler, AsPairs), in an order and in batches that are a pure function of (seed, epoch).
// Batch i is made on its own, so a run that was stopped goes on at batch i exactly; batches can be smaller than the source says,
// the last one or, with Lengths, any. Holds a reference to the source.
template <class Source>
class Epoch {
public:
  Epoch(const Source& source, Index number) : source_(&source), number_(number), order_(static_cast<std::size_t>(source.count())) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<Index>(i);
    Random{source.seed(), stream_of("order of examples") + static_cast<std::uint64_t>(number)}.shuffle(order_);
    cut();
  }

  Index number() const { return number_; }
  Index count() const { return static_cast<Index>(batches_.size()); }    // batches; with Lengths::tokens, of this epoch only

  std::vector<Example> examples(Index batch) const {
    if (batch < 0 || batch >= count())
      fail("there is no batch " + std::to_string(batch), "an epoch has " + std::to_string(count()) + " batches");
    const auto [from, to] = batches_[static_cast<std::size_t>(batch)];
    std::vector<Example> all;
    for (std::size_t i = from; i < to; ++i) all.push_back(source_->example(number_, order_[i]));
    return all;
  }
  auto batch(Index i) const { return source_->texts().collate(examples(i)); }    // a Batch or, of AsPairs, a PairBatch

  struct End {};
  class Iterator {
  public:
    using value_type = decltype(std::declval<const Epoch&>().batch(0));
    using difference_type = std::ptrdiff_t;

    explicit Iterator(Epoch epoch) : epoch_(std::move(epoch)) { make(); }
    const value_type& operator*() const { return batch_; }
    const value_type* operator->() const { return &batch_; }
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
    value_type batch_;
  };
  Iterator begin() const { return Iterator(*this); }
  End end() const { return {}; }

private:
  void cut() {
    const Lengths by = source_->lengths();
    const auto most = static_cast<std::size_t>(source_->batch()), n = order_.size();
    std::vector<Index> size;    // [examples] ids
    if (by.alike || by.tokens > 0)
      for (std::size_t i = 0; i < n; ++i) size.push_back(source_->texts().tokens(source_->example(number_, static_cast<Index>(i))));
    const auto of = [&](std::size_t i) { return size[static_cast<std::size_t>(order_[i])]; };
    if (by.alike) {
      // Up and down in turn, so that a batch across the border of two windows is of like lengths too.
      const std::size_t window = 64 * most;
      bool down = false;
      for (std::size_t from = 0; from < n; from += window, down = !down) {
        const auto first = order_.begin() + static_cast<std::ptrdiff_t>(from);
        std::stable_sort(first, first + static_cast<std::ptrdiff_t>(std::min(window, n - from)), [&](Index a, Index b) {
          const Index x = size[static_cast<std::size_t>(a)], y = size[static_cast<std::size_t>(b)];
          return down ? x > y : x < y;
        });
      }
    }
    for (std::size_t from = 0, to; from < n; from = to) {
      Index tokens = 0;
      to = from;
      do {
        if (by.tokens > 0) tokens += of(to);
        ++to;
      } while (to < n && to - from < most && (by.tokens <= 0 || tokens + of(to) <= by.tokens));
      batches_.emplace_back(from, to);
    }
    if (by.alike) Random{source_->seed(), stream_of("order of batches") + static_cast<std::uint64_t>(number_)}.shuffle(batches_);
  }

  const Source* source_;
  Index number_;
  std::vector<Index> order_;
  std::vector<std::pair<std::size_t, std::size_t>> batches_;    // [from, to) in order_
};

// The examples of a source as groups of pairs, for a cross-encoder: the query with its positive, then with each of its negatives.
//   const Sampler sampler{c, c.qrels("train"), c.run("bm25.train"), words, {.batch = 8, .negatives = 7, .lengths = {.tokens = 8192}}};
//   const AsPairs groups{sampler, {.max_length = 256}};
//   const PairBatch batch = groups.epoch(3).batch(17);
// Order and draws are the source's, a pure function of (seed, epoch); the source's bound on the ids of a batch counts those of the pairs.
// Refers to the source.
template <class Source>
class AsPairs {
public:
  explicit AsPairs(const Source& source, const PairOptions& options = {}) : source_(&source), options_(options) {}

  Epoch<AsPairs> epoch(Index number) const { return {*this, number}; }

  Index count() const { return source_->count(); }
  Index batch() const { return source_->batch(); }
  const Lengths& lengths() const { return source_->lengths(); }
  std::uint64_t seed() const { return source_->seed(); }
  PairTexts texts() const { return {&source_->texts(), options_}; }
  Example example(Index epoch, Index i) const { return source_->example(epoch, i); }

private:
  const Source* source_;
  PairOptions options_;
};

namespace detail {
inline void check_lengths(Index batch, Index query_length, Index passage_length, const Lengths& lengths) {
  if (lengths.tokens < 0) fail("tokens = " + std::to_string(lengths.tokens), "a batch has room for some ids; 0 stands for any number");
  if (batch < 1) fail("batch = " + std::to_string(batch), "a batch holds one example or more");
  for (Index n : {query_length, passage_length})
    if (n < 3) fail("a text of at most " + std::to_string(n) + " ids", "[CLS] and [SEP] take two of them", "Use 3 or more");
}
}  // namespace detail

}  // namespace towpath
