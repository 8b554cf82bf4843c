#pragma once

#include "towpath/data/lines.hpp"
#include "towpath/data/texts.hpp"

#include "towpath/base/file.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace towpath {

struct Judged {
  Index document, grade;    // grade > 0: relevant; 0 and below: looked at and not relevant
  friend bool operator==(const Judged&, const Judged&) = default;
};
struct Candidate {
  Index document, rank;     // the rank the file states; trec_eval goes by the score alone, MS MARCO's script by the rank
  double score;
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// Relevance judgements: of[q] are those of query row q, sorted by document; empty where there are none.
struct Qrels {
  std::string path;
  std::vector<std::vector<Judged>> of;
  Index judged = 0;                 // queries that have a judgement
  Index pairs = 0;                  // judgements

  std::vector<Index> relevant(Index query, Index from = 1) const {    // document rows of grade >= from, ascending
    std::vector<Index> rows;
    for (const Judged& j : of[static_cast<std::size_t>(query)])
      if (j.grade >= from) rows.push_back(j.document);
    return rows;
  }
};

// A ranking per query: of[q] are the candidates of query row q, in the order of the file.
struct Run {
  std::string path, tag;
  std::vector<std::vector<Candidate>> of;
  Index ranked = 0;                 // queries that have a candidate
  Index pairs = 0;
};

// What a file says that was read by itself, with the ids found in it.
template <class Rows>
struct WithIds {
  Ids queries, documents;
  Rows rows;
};

namespace detail {

template <class T>
bool number(std::string_view text, T& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size();
}

// Nothing but white space, or a remark (trec_eval 10 skips lines that begin with #).
inline bool says_nothing(std::string_view line) { return line.starts_with('#') || line.find_first_not_of(" \t") == std::string_view::npos; }

// Calls f(query, document, grade) for each line of a qrels file. TREC's four columns (query, anything, document, grade; white
// space between) or BEIR's three (tabs, after a header line "query-id corpus-id score").
template <class F>
void each_judgement(Lines& lines, const F& f) {
  std::vector<std::string_view> fields;
  bool first = true, beir = false;
  for (std::string_view line; lines.next(line);) {
    if (says_nothing(line)) continue;
    split(line, fields, true);
    if (first) {
      first = false;
      beir = fields.size() == 3 && fields[0] == "query-id";
      if (beir) continue;
    }
    if (beir) split(line, fields);
    Index grade = 0;
    if (fields.size() != (beir ? 3u : 4u) || !number(fields.back(), grade))
      lines.malformed(line, beir ? "query TAB document TAB whole number, as the header says" : "query 0 document grade",
                      beir || fields.size() != 3 ? "" : "BEIR's three columns need their header line query-id TAB corpus-id TAB score");
    f(fields[0], fields[beir ? 1 : 2], grade);
  }
}

template <class F>
void each_candidate(Lines& lines, std::string& tag, const F& f) {
  std::vector<std::string_view> fields;
  for (std::string_view line; lines.next(line);) {
    if (says_nothing(line)) continue;
    split(line, fields, true);
    Candidate c{};
    if (fields.size() != 6 || !number(fields[3], c.rank) || !number(fields[4], c.score) || !std::isfinite(c.score))
      lines.malformed(line, "query Q0 document rank score tag", "rank is a whole number and score a finite one");
    if (tag.empty()) tag = fields[5];
    f(fields[0], fields[2], c);
  }
}

// Ids that a file names and a collection has not: counted, the first few kept for the sentence.
struct Unknown {
  Index count = 0;
  std::string first{};

  void add(const Lines& lines, const char* kind, std::string_view id) {
    if (++count <= 3) first += (count > 1 ? ", " : "") + std::string(kind) + " \"" + std::string(id) + "\" (line " +
                               std::to_string(lines.number()) + ")";
  }
  void complain(const Lines& lines) const {
    if (!count) return;
    fail(lines.path() + " names " + std::to_string(count) + (count == 1 ? " id that is" : " ids that are") + " not in the collection",
         first + (count > 3 ? ", …" : ""), "Take the qrels, the run and the collection from one release");
  }
};

template <class Row>
std::vector<Row>& at(std::vector<std::vector<Row>>& of, Index q) {
  if (static_cast<std::size_t>(q) >= of.size()) of.resize(static_cast<std::size_t>(q) + 1);
  return of[static_cast<std::size_t>(q)];
}

// A document twice under one query is an error: the metrics would count it twice.
template <class Row, class Name>
void no_document_twice(const std::string& path, const std::vector<Row>& rows, std::string_view query, const Name& name) {
  std::vector<Index> documents;
  documents.reserve(rows.size());
  for (const Row& r : rows) documents.push_back(r.document);
  std::sort(documents.begin(), documents.end());
  const auto twice = std::adjacent_find(documents.begin(), documents.end());
  if (twice != documents.end())
    fail(path + ": query \"" + std::string(query) + "\" has document \"" + std::string(name(*twice)) + "\" twice",
         "one line per query and document", "Remove one of the two lines");
}

template <class Rows, class Queries, class Documents>
void finish(Rows& rows, Index& queries_with, const Queries& query, const Documents& document) {
  for (std::size_t q = 0; q < rows.of.size(); ++q) {
    if (rows.of[q].empty()) continue;
    ++queries_with;
    rows.pairs += static_cast<Index>(rows.of[q].size());
    no_document_twice(rows.path, rows.of[q], query(static_cast<Index>(q)), document);
  }
}

// The two readers differ only in where rows come from: add gives a new id a row, find knows what there is.
template <class Query, class Document, class QueryName, class DocumentName>
Qrels qrels(const std::string& path, Index queries, const Query& query, const Document& document, const QueryName& query_name,
            const DocumentName& document_name) {
  Lines lines{path};
  Qrels all{path, std::vector<std::vector<Judged>>(static_cast<std::size_t>(queries))};
  Unknown unknown;
  each_judgement(lines, [&](std::string_view q, std::string_view d, Index grade) {
    const Index row = query(q), document_row = document(d);
    if (row < 0) unknown.add(lines, "query", q);
    if (document_row < 0) unknown.add(lines, "document", d);
    if (row >= 0 && document_row >= 0) at(all.of, row).push_back({document_row, grade});
  });
  unknown.complain(lines);
  for (auto& judged : all.of)
    std::sort(judged.begin(), judged.end(), [](const Judged& a, const Judged& b) { return a.document < b.document; });
  finish(all, all.judged, query_name, document_name);
  return all;
}
template <class Query, class Document, class QueryName, class DocumentName>
Run run(const std::string& path, Index queries, const Query& query, const Document& document, const QueryName& query_name,
        const DocumentName& document_name) {
  Lines lines{path};
  Run all{path, {}, std::vector<std::vector<Candidate>>(static_cast<std::size_t>(queries))};
  Unknown unknown;
  each_candidate(lines, all.tag, [&](std::string_view q, std::string_view d, Candidate c) {
    const Index row = query(q);
    c.document = document(d);
    if (row < 0) unknown.add(lines, "query", q);
    if (c.document < 0) unknown.add(lines, "document", d);
    if (row >= 0 && c.document >= 0) at(all.of, row).push_back(c);
  });
  unknown.complain(lines);
  finish(all, all.ranked, query_name, document_name);
  return all;
}

}  // namespace detail

// Reads judgements, plain or gzip: TREC's "query 0 document grade", or BEIR's tsv with its header line. With ids, rows are
// theirs, and an id that they lack is an error; without, rows are given in the order of the file.
// Errors: a line of another form; a document twice under one query.
inline Qrels read_qrels(const std::string& path, const Ids& queries, const Ids& documents) {
  return detail::qrels(path, queries.count(), [&](std::string_view s) { return queries.find(s); },
                       [&](std::string_view s) { return documents.find(s); }, [&](Index r) { return queries[r]; },
                       [&](Index r) { return documents[r]; });
}
inline WithIds<Qrels> read_qrels(const std::string& path) {
  WithIds<Qrels> all;
  all.rows = detail::qrels(path, 0, [&](std::string_view s) { return all.queries.add(s).first; },
                           [&](std::string_view s) { return all.documents.add(s).first; }, [&](Index r) { return all.queries[r]; },
                           [&](Index r) { return all.documents[r]; });
  return all;
}

// Reads a run, plain or gzip: "query Q0 document rank score tag". Ids and errors as for read_qrels; so is a score that is not
// finite.
inline Run read_run(const std::string& path, const Ids& queries, const Ids& documents) {
  return detail::run(path, queries.count(), [&](std::string_view s) { return queries.find(s); },
                     [&](std::string_view s) { return documents.find(s); }, [&](Index r) { return queries[r]; },
                     [&](Index r) { return documents[r]; });
}
inline WithIds<Run> read_run(const std::string& path) {
  WithIds<Run> all;
  all.rows = detail::run(path, 0, [&](std::string_view s) { return all.queries.add(s).first; },
                         [&](std::string_view s) { return all.documents.add(s).first; }, [&](Index r) { return all.queries[r]; },
                         [&](Index r) { return all.documents[r]; });
  return all;
}

// A line of a ranking that states ranks and no scores.
struct StatedRank {
  std::string query, document;
  Index rank;
};
// Reads a ranking as MS MARCO's script takes it, plain or gzip: "query document rank", or the six columns of a run, whose scores are then
// not looked at. Nothing is checked but the form of the lines, since the script scores whatever it is given (metric/ms_marco.hpp).
inline std::vector<StatedRank> read_ranks(const std::string& path) {
  Lines lines{path};
  std::vector<StatedRank> all;
  std::vector<std::string_view> fields;
  for (std::string_view line; lines.next(line);) {
    if (detail::says_nothing(line)) continue;
    detail::split(line, fields, true);
    const bool run = fields.size() == 6;
    Index rank = 0;
    if ((!run && fields.size() != 3) || !detail::number(fields[run ? 3 : 2], rank))
      lines.malformed(line, "query document rank, or query Q0 document rank score tag", "rank is a whole number");
    all.push_back({std::string(fields[0]), std::string(fields[run ? 2 : 1]), rank});
  }
  return all;
}

// Writes a run, best document first within each query; ranks are counted here.
//   RunFile run{"towpath.trec", "towpath"};
//   run.add("q7", "doc-3", 0.912f); …  run.commit();
// Scores are printed with as many digits as it takes to read the same number back, so a reader that keeps the type (float or
// double) sees the same order and the same ties. Until commit() the file is not there.
// Errors: a score above the one before it, or not finite; an id that is empty or has white space, which the format cannot hold; a
// query that comes back after another.
class RunFile {
public:
  explicit RunFile(std::string path, std::string tag = "towpath") : path_(path), tag_(std::move(tag)), file_(std::move(path)) {
    whole("tag", tag_);
  }

  void add(std::string_view query, std::string_view document, float score) { put(query, document, score); }
  void add(std::string_view query, std::string_view document, double score) { put(query, document, score); }
  void commit() { file_.commit(); }

private:
  template <class T>
  void put(std::string_view query, std::string_view document, T score) {
    if (rank_ == 0 || query != query_) {
      whole("query", query);
      if (!seen_.add(query).second)
        fail(path_ + ": query \"" + std::string(query) + "\" came back after another", "a run lists each query in one piece");
      query_ = query;
      rank_ = 0;
    }
    whole("document", document);
    if (!std::isfinite(score))
      fail(path_ + ": query \"" + query_ + "\", document \"" + std::string(document) + "\" has a score that is not finite",
           "a ranking needs numbers that can be compared");
    if (rank_ > 0 && static_cast<double>(score) > last_)
      fail(path_ + ": query \"" + query_ + "\", document \"" + std::string(document) + "\" scores above the one before it",
           "a run is written best first", "Sort the documents by falling score");
    last_ = static_cast<double>(score);
    char digits[64];
    const auto [stop, error] = std::to_chars(digits, digits + sizeof digits, score);
    static_cast<void>(error);
    line_.assign(query).append(" Q0 ").append(document).append(" ").append(std::to_string(++rank_)).append(" ");
    line_.append(digits, stop).append(" ").append(tag_).append("\n");
    file_.write(line_);
  }
  void whole(const char* kind, std::string_view id) const {
    if (id.empty() || id.find_first_of(" \t\r\n") != std::string_view::npos)
      fail(path_ + ": the " + kind + " \"" + std::string(id) + "\" cannot be written", "columns are parted by white space",
           "Use names without it");
  }

  std::string path_, tag_, query_, line_;
  NewFile file_;
  Ids seen_;
  Index rank_ = 0;
  double last_ = 0;
};

// A whole run, its rows being those of these ids, in the order that it has. A score that is a float is printed as one.
inline void write_run(const std::string& path, const Run& run, const Ids& queries, const Ids& documents) {
  RunFile file(path, run.tag.empty() ? "towpath" : run.tag);
  for (std::size_t q = 0; q < run.of.size(); ++q)
    for (const Candidate& c : run.of[q]) {
      const auto narrow = static_cast<float>(c.score);
      const std::string_view query = queries[static_cast<Index>(q)], document = documents[c.document];
      if (static_cast<double>(narrow) == c.score) file.add(query, document, narrow);
      else file.add(query, document, c.score);
    }
  file.commit();
}

}  // namespace towpath
