#pragma once

#include "towpath/data/collate.hpp"
#include "towpath/data/reader.hpp"
#include "towpath/data/trec.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace towpath {

struct TripleOptions {
  Index batch = 32;                                 // lines
  Index query_length = 32, passage_length = 128;    // ids, [CLS] and [SEP] among them
  std::uint64_t seed = 42;
  Index epoch = 0;                                  // which one begin() … end() goes through
  Lengths lengths{};                                // whether batches are made with regard to lengths
  Index threads = 0;                                // for tokenising, at construction (0: all cores)
};

// Training examples from a file, plain or gzip: one per line, query TAB positive [TAB negative …].
//   Triples triples{"train.tsv", WordPiece{"vocab.txt"}, {.batch = 32}};
//   for (const Batch& batch : triples) …                       // epoch options.epoch
//   triples.epoch(3).batch(17)                                 // one batch of a later one
// Equal texts are one text: they are tokenised once, and what is positive for a query on one line is known to be relevant to it
// on all (Batch::also_relevant).
// With options.lengths, batches have a bound on their ids, or texts of like lengths: see Lengths.
// The file is read and tokenised at construction and held as ids, about one byte per byte of distinct text: meant for some
// millions of lines. For more, split the file.
// Errors: a line without a tab; a file without a line.
class Triples {
public:
  Triples(const std::string& path, WordPiece words, const TripleOptions& options = {});

  Epoch<Triples> epoch(Index number) const { return {*this, number}; }
  Epoch<Triples>::Iterator begin() const { return Epoch<Triples>::Iterator(epoch(options_.epoch)); }
  Epoch<Triples>::End end() const { return {}; }

  Index count() const { return static_cast<Index>(examples_.size()); }    // lines
  Index empty() const { return empty_; }                                  // fields without a character
  Index batch() const { return options_.batch; }
  const Lengths& lengths() const { return options_.lengths; }
  std::uint64_t seed() const { return options_.seed; }
  const TrainingTexts& texts() const { return texts_; }
  const Example& example(Index /*epoch*/, Index line) const { return examples_[static_cast<std::size_t>(line)]; }

private:
  TripleOptions options_;
  TrainingTexts texts_;
  std::vector<Example> examples_;
  Index empty_ = 0;
};

// The passages of a collection from first to last, one in memory at a time: "id TAB text" lines, or BEIR's objects where the
// name holds ".jsonl"; plain or gzip.
//   for (std::string_view passage : Corpus{"collection.tsv"}) …    // the view holds until the next step
// The number of the step, from 0, is the passage's row. Ids are not compared: read_tsv does that.
class Corpus {
public:
  explicit Corpus(std::string path) : path_(std::move(path)) {}

  struct End {};
  class Iterator {
  public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;

    explicit Iterator(const std::string& path)
        : reader_(std::make_unique<TextReader>(path, form_of(path) == Form::jsonl ? Form::jsonl : Form::tsv)) {
      ++*this;
    }
    std::string_view operator*() const { return text_; }
    Iterator& operator++() {
      more_ = reader_->next(text_);
      return *this;
    }
    friend bool operator==(const Iterator& i, End) { return !i.more_; }
    friend bool operator!=(const Iterator& i, End) { return i.more_; }

  private:
    std::unique_ptr<TextReader> reader_;
    std::string_view text_;
    bool more_ = true;
  };
  Iterator begin() const { return Iterator(path_); }
  End end() const { return {}; }

private:
  std::string path_;
};

struct Query {
  std::string id, text;
  std::vector<Index> relevant;    // rows of the corpus, ascending
};

// Queries with the rows of their relevant passages, from 0: lines "id TAB text TAB row[,row…]", plain or gzip.
//   for (const auto& query : Queries{"dev.tsv"}) mrr.add(index.search(model.encode(cpu, query.text), 10), query.relevant);
// Errors: a line of another form; an id used twice; a row given twice.
class Queries {
public:
  explicit Queries(const std::string& path);

  auto begin() const { return queries_.begin(); }
  auto end() const { return queries_.end(); }
  Index count() const { return static_cast<Index>(queries_.size()); }
  const Query& operator[](Index i) const { return queries_[static_cast<std::size_t>(i)]; }

private:
  std::vector<Query> queries_;
};

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE Triples::Triples(const std::string& path, WordPiece words, const TripleOptions& options)
    : options_(options), texts_{std::move(words), options.query_length, options.passage_length} {
  detail::check_lengths(options.batch, options.query_length, options.passage_length, options.lengths);
  Lines lines{path};
  Ids queries, passages;
  std::vector<std::string_view> fields;
  for (std::string_view line; lines.next(line);) {
    detail::split(line, fields);
    if (fields.size() < 2) lines.malformed(line, "query TAB positive [TAB negative …]");
    Example e{queries.add(fields[0]).first, passages.add(fields[1]).first};
    for (std::size_t i = 2; i < fields.size(); ++i) e.negatives.push_back(passages.add(fields[i]).first);
    detail::at(texts_.relevant, e.query).push_back(e.positive);
    for (std::string_view f : fields) empty_ += f.empty();
    examples_.push_back(std::move(e));
  }
  if (examples_.empty()) fail(path + " has no line", "expected query TAB positive [TAB negative …]");
  Threads threads(options.threads);
  tokenise(texts_.queries, texts_.words, queries.count(), [&](Index q) { return queries[q]; }, threads);
  tokenise(texts_.passages, texts_.words, passages.count(), [&](Index p) { return passages[p]; }, threads);
  for (auto& r : texts_.relevant) {
    std::sort(r.begin(), r.end());
    r.erase(std::unique(r.begin(), r.end()), r.end());
  }
}

TOWPATH_ONCE Queries::Queries(const std::string& path) {
  Lines lines{path};
  Ids ids;
  std::vector<std::string_view> fields;
  for (std::string_view line; lines.next(line);) {
    detail::split(line, fields);
    const char* const form = "id TAB text TAB row[,row…]";
    if (fields.size() != 3 || fields[0].empty()) lines.malformed(line, form);
    if (!ids.add(fields[0]).second) detail::duplicate(lines, fields[0]);
    Query q{std::string(fields[0]), std::string(fields[1]), {}};
    for (std::string_view rest = fields[2];;) {
      const std::size_t comma = rest.find(',');
      Index row = -1;
      if (!detail::number(rest.substr(0, comma), row) || row < 0) lines.malformed(line, form, "Rows are whole numbers from 0");
      q.relevant.push_back(row);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    std::sort(q.relevant.begin(), q.relevant.end());
    if (std::adjacent_find(q.relevant.begin(), q.relevant.end()) != q.relevant.end())
      lines.malformed(line, form, "Each row is named once");
    queries_.push_back(std::move(q));
  }
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
