#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace towpath {

// Measures of a ranking, with the meaning that trec_eval gives them (usnistgov/trec_eval, m_*.c), each in [0, 1].
//
// One query at a time, and ids do not matter: `ranked` holds the grades of the documents that were returned, best first (0, or
// `unpooled`, for one that nobody judged), `judged` the grades of all documents judged for the query, returned or not. A document is relevant
// from grade `level` on, but never below 1. `cut` looks at so many ranks only; a list that is shorter is as if padded with
// documents of no use. Where a query has no relevant document, every measure is 0.

inline constexpr Index whole_list = std::numeric_limits<Index>::max();

using Grades = std::span<const Index>;

// What evaluate() gives a document that the judgements do not name, to tell it from one that was looked at. Worth as much as 0.
inline constexpr Index unpooled = std::numeric_limits<Index>::min();

namespace detail {
inline bool relevant(Index grade, Index level) { return grade >= level && grade >= 1; }
inline Index count_relevant(Grades grades, Index level) {
  Index n = 0;
  for (Index g : grades) n += relevant(g, level);
  return n;
}
inline Grades top(Grades ranked, Index cut) {
  return ranked.first(std::min(ranked.size(), static_cast<std::size_t>(std::max(cut, Index{0}))));
}
inline double sum_of_precisions(Grades ranked, Index cut, Index level) {
  double sum = 0;
  Index hits = 0;
  const Grades seen = top(ranked, cut);
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (relevant(seen[i], level)) sum += static_cast<double>(++hits) / static_cast<double>(i + 1);
  return sum;
}
inline double gain(Grades grades) {
  double sum = 0;
  for (std::size_t i = 0; i < grades.size(); ++i)
    if (grades[i] > 0) sum += static_cast<double>(grades[i]) / std::log2(static_cast<double>(i + 2));
  return sum;
}
}  // namespace detail

// nDCG = Σ g_i / log2(i + 1) over ranks i = 1 … cut, divided by what the best order of all judged documents would reach. The
// gain is the grade itself, not 2^g - 1; grades below zero add nothing; `level` plays no part.
double ndcg(Grades ranked, Grades judged, Index cut = whole_list);

// 1 / rank of the first relevant document; 0 if there is none within the cut.
inline double reciprocal_rank(Grades ranked, Index cut = whole_list, Index level = 1) {
  const Grades seen = detail::top(ranked, cut);
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (detail::relevant(seen[i], level)) return 1.0 / static_cast<double>(i + 1);
  return 0.0;
}

// Σ (precision at the rank of each relevant document returned) / all relevant documents.
inline double average_precision(Grades ranked, Grades judged, Index cut = whole_list, Index level = 1) {
  const Index all = detail::count_relevant(judged, level);
  return all ? detail::sum_of_precisions(ranked, cut, level) / static_cast<double>(all) : 0.0;
}

// The same sum / min(cut, all relevant documents): as many as the cut can hold. This is the MAP@k of sentence-transformers'
// InformationRetrievalEvaluator; where more documents are relevant than the cut holds it is above trec_eval's map_cut. That
// evaluator knows no grades, leaves out queries without a relevant document (0 here, as everywhere), and ties fall as its
// heap has them.
inline double capped_average_precision(Grades ranked, Grades judged, Index cut = whole_list, Index level = 1) {
  const Index most = std::min(cut, detail::count_relevant(judged, level));
  return most > 0 ? detail::sum_of_precisions(ranked, cut, level) / static_cast<double>(most) : 0.0;
}

// Relevant documents within the cut / all relevant documents.
inline double recall(Grades ranked, Grades judged, Index cut = whole_list, Index level = 1) {
  const Index all = detail::count_relevant(judged, level);
  return all ? static_cast<double>(detail::count_relevant(detail::top(ranked, cut), level)) / static_cast<double>(all)
             : 0.0;
}

// Relevant documents within the cut / cut, also where fewer were returned. Without a cut: / documents returned.
inline double precision(Grades ranked, Index cut = whole_list, Index level = 1) {
  const Index n = cut == whole_list ? static_cast<Index>(ranked.size()) : cut;
  return n > 0 ? static_cast<double>(detail::count_relevant(detail::top(ranked, cut), level)) / static_cast<double>(n)
               : 0.0;
}

// 1 if a relevant document lies within the cut.
inline double success(Grades ranked, Index cut = whole_list, Index level = 1) {
  return detail::count_relevant(detail::top(ranked, cut), level) ? 1.0 : 0.0;
}

// A measure as a value: measure::ndcg(10), measure::mrr(10), measure::map() …
struct Measure {
  enum class Kind { ndcg, reciprocal_rank, average_precision, capped_average_precision, recall, precision, success };

  Kind kind;
  Index cut = whole_list;

  // As papers print it: nDCG@10. They call both kinds of average precision MAP@10; the capped one is MAP_cap@10 here, as BEIR
  // has R_cap@10.
  std::string name() const {
    constexpr const char* names[] = {"nDCG", "MRR", "MAP", "MAP_cap", "Recall", "P", "Success"};
    return names[static_cast<std::size_t>(kind)] + (cut == whole_list ? std::string() : "@" + std::to_string(cut));
  }
  double operator()(Grades ranked, Grades judged, Index level = 1) const {
    switch (kind) {
      case Kind::ndcg: return towpath::ndcg(ranked, judged, cut);
      case Kind::reciprocal_rank: return towpath::reciprocal_rank(ranked, cut, level);
      case Kind::average_precision: return towpath::average_precision(ranked, judged, cut, level);
      case Kind::capped_average_precision: return towpath::capped_average_precision(ranked, judged, cut, level);
      case Kind::recall: return towpath::recall(ranked, judged, cut, level);
      case Kind::precision: return towpath::precision(ranked, cut, level);
      case Kind::success: break;
    }
    return towpath::success(ranked, cut, level);
  }
  friend bool operator==(const Measure&, const Measure&) = default;
};

namespace measure {
constexpr Measure ndcg(Index cut = whole_list) { return {Measure::Kind::ndcg, cut}; }
constexpr Measure mrr(Index cut = whole_list) { return {Measure::Kind::reciprocal_rank, cut}; }
constexpr Measure map(Index cut = whole_list) { return {Measure::Kind::average_precision, cut}; }
constexpr Measure capped_map(Index cut = whole_list) { return {Measure::Kind::capped_average_precision, cut}; }
constexpr Measure recall(Index cut = whole_list) { return {Measure::Kind::recall, cut}; }
constexpr Measure precision(Index cut = whole_list) { return {Measure::Kind::precision, cut}; }
constexpr Measure success(Index cut = whole_list) { return {Measure::Kind::success, cut}; }
}  // namespace measure

// ---- Documents with numbers for ids: what a flat index returns against the ids that are relevant ----

namespace detail {

// The grades (0 or 1) of hits in rank order. A document that comes twice counts once.
void binary_grades(const std::vector<Index>& hits, std::vector<Index> relevant, std::vector<Index>& ranked, std::vector<Index>& judged);

}  // namespace detail

// The mean of a measure over queries. add() takes what a search returned (any range, best first, whose elements have an `id`)
// and the ids that are relevant (any range of integers); a query is counted whether or not it has relevant documents.
//   MeanOf recall{measure::recall(100)};
struct MeanOf {
  Measure measure;
  double sum = 0;
  Index queries = 0;

  template <class Hits, class Relevant>
  void add(const Hits& hits, const Relevant& relevant) {
    std::vector<Index> found, wanted, ranked, judged;
    for (const auto& h : hits) found.push_back(static_cast<Index>(h.id));
    for (const auto& r : relevant) wanted.push_back(static_cast<Index>(r));
    detail::binary_grades(found, std::move(wanted), ranked, judged);
    sum += measure(ranked, judged);
    ++queries;
  }
  double value() const { return queries ? sum / static_cast<double>(queries) : 0.0; }
};

// MeanOf{measure::mrr(cut)} under its own name: MeanReciprocalRank mrr{.cut = 10};
struct MeanReciprocalRank {
  Index cut = whole_list;
  double sum = 0;
  Index queries = 0;

  template <class Hits, class Relevant>
  void add(const Hits& hits, const Relevant& relevant) {
    MeanOf one{measure::mrr(cut)};
    one.add(hits, relevant);
    sum += one.sum;
    ++queries;
  }
  double value() const { return queries ? sum / static_cast<double>(queries) : 0.0; }
};

// ---- Runs and judgements with strings for ids ----

// Which of two documents of equal score comes first.
enum class ties {
  trec_eval,   // the one whose id is greater, byte by byte
  ascending,   // the one whose id is smaller, byte by byte (ir_measures' MS MARCO provider)
  file_order,  // the one that the run names first (the script of MS MARCO, if scores fall along the run)
};

// How scores are compared. Two that differ only as doubles are a tie to trec_eval 9 and pytrec_eval, not to trec_eval 10.
enum class scores { float32, float64 };

// Over which queries a mean goes.
enum class topics {
  judged_and_run,  // those that have judgements and results: trec_eval, pytrec_eval, BEIR
  judged,          // all that have judgements, 0 where the run has nothing: trec_eval -c, ir_measures, MS MARCO
};

struct Protocol {
  ties order = ties::trec_eval;
  scores compare = scores::float32;
  topics mean_over = topics::judged_and_run;
  Index level = 1;                 // the least grade that counts as relevant
  bool skip_query_itself = false;  // BEIR drops a document that has the query's own id
  Index most = whole_list;         // only so many ranks of a run are there (trec_eval -M)
  bool judged_only = false;        // drop documents that were not judged, or with a grade below 0 (trec_eval -J)
};

// Protocols by the name of the program that has them. The script of MS MARCO goes by stated ranks: metric/ms_marco.hpp.
// ir_measures has its measures from pytrec_eval, but RR with a cut (MRR@10) from its MS MARCO provider, of another order.
// beir is EvaluateRetrieval.evaluate() as it is called by default; it rounds to five decimals.
namespace protocol {
inline constexpr Protocol trec_eval9{};
inline constexpr Protocol trec_eval10{.compare = scores::float64};
inline constexpr Protocol beir{.skip_query_itself = true};
inline constexpr Protocol ir_measures{.mean_over = topics::judged};
inline constexpr Protocol ir_measures_ms_marco{
    .order = ties::ascending, .compare = scores::float64, .mean_over = topics::judged};
}  // namespace protocol

// Values of every measure for every query (in the order in which the judgements first name them), for means and for tests of
// significance, which pair two systems query by query.
struct Evaluation {
  std::vector<Measure> measures;
  std::vector<std::string> queries;
  std::vector<std::vector<double>> values;  // [measure][query]

  const std::vector<double>& of(const Measure& m) const {
    const auto at = std::find(measures.begin(), measures.end(), m);
    if (at == measures.end()) fail(m.name() + " was not evaluated", {}, "Name it in the call to evaluate()");
    return values[static_cast<std::size_t>(at - measures.begin())];
  }
  double mean(const Measure& m) const {
    double sum = 0;
    const auto& v = of(m);
    for (double x : v) sum += x;
    return v.empty() ? 0.0 : sum / static_cast<double>(v.size());
  }
};

namespace detail {

template <class Document>
struct Scored {
  Document document;
  double score;
};

inline double compared(double score, const Protocol& p) {
  return p.compare == scores::float32 ? static_cast<double>(static_cast<float>(score)) : score;
}

// One query: puts its results in order and grades them. id(document) is the string that decides ties, grade(document) its grade.
template <class Document, class Id, class Grade>
std::vector<Index> ranked_grades(const Protocol& p, std::string_view query, std::vector<Scored<Document>>& results, const Id& id,
                                 const Grade& grade) {
  const auto unusable = [&](const std::string& why, const char* fix) {
    fail("cannot evaluate query " + std::string(query), why, fix);
  };
  std::vector<Document> documents;
  for (const auto& r : results) {
    if (std::isnan(r.score))
      unusable("the score of document " + std::string(id(r.document)) + " is not a number",
               "Look for what divided by zero");
    documents.push_back(r.document);
  }
  std::sort(documents.begin(), documents.end());
  if (const auto twice = std::adjacent_find(documents.begin(), documents.end()); twice != documents.end())
    unusable("its run names document " + std::string(id(*twice)) + " twice", "Keep the better of the two");
  std::stable_sort(results.begin(), results.end(), [&](const auto& a, const auto& b) {
    if (a.score != b.score) return a.score > b.score;
    if (p.order == ties::file_order) return false;
    const int side = std::string_view(id(a.document)).compare(std::string_view(id(b.document)));
    return p.order == ties::ascending ? side < 0 : side > 0;
  });
  std::vector<Index> ranked;
  for (const auto& r : results)
    if (!p.skip_query_itself || std::string_view(id(r.document)) != query) ranked.push_back(grade(r.document));
  if (static_cast<Index>(ranked.size()) > p.most) ranked.resize(static_cast<std::size_t>(std::max(p.most, Index{0})));
  if (p.judged_only) std::erase_if(ranked, [](Index g) { return g < 0; });
  return ranked;
}

// f(query, ranked, judged, in_run) for each query that a mean goes over; in_run: the run has results for it. Records:
template <class Results, class Judgements, class F>
void each_query(const Protocol& protocol, const F& f, const Results& run, const Judgements& qrels) {
  using Text = std::string_view;
  struct Topic {
    Text id;
    std::unordered_map<Text, Index> grades;
    std::vector<Index> judged;
    std::vector<Scored<Text>> results;
  };
  std::vector<Topic> queries;
  std::unordered_map<Text, std::size_t> place;
  for (const auto& j : qrels) {
    const auto [at, fresh] = place.emplace(Text(j.query), queries.size());
    if (fresh) queries.push_back({Text(j.query), {}, {}, {}});
    Topic& q = queries[at->second];
    if (!q.grades.emplace(Text(j.document), static_cast<Index>(j.grade)).second)
      fail("cannot evaluate query " + std::string(q.id),
           "its judgements name document " + std::string(j.document) + " twice", "Keep one of the lines");
    q.judged.push_back(static_cast<Index>(j.grade));
  }
  for (const auto& r : run)
    if (const auto at = place.find(Text(r.query)); at != place.end())
      queries[at->second].results.push_back({Text(r.document), compared(static_cast<double>(r.score), protocol)});
  for (Topic& q : queries)
    if (protocol.mean_over == topics::judged || !q.results.empty())
      f(q.id, ranked_grades(protocol, q.id, q.results, [](Text d) { return d; },
                            [&](Text d) {
                              const auto at = q.grades.find(d);
                              return at == q.grades.end() ? unpooled : at->second;
                            }),
        q.judged, !q.results.empty());
}

// Rows with the string of each:
template <class Rows, class JudgedRows, class QueryIds, class DocumentIds, class F>
void each_query(const Protocol& protocol, const F& f, const Rows& run, const JudgedRows& qrels, const QueryIds& query_ids,
                const DocumentIds& document_ids) {
  for (std::size_t q = 0; q < qrels.of.size(); ++q) {
    std::unordered_map<Index, Index> grades;
    std::vector<Index> judged;
    for (const auto& j : qrels.of[q]) {
      grades.emplace(j.document, j.grade);
      judged.push_back(j.grade);
    }
    std::vector<Scored<Index>> results;
    if (q < run.of.size())
      for (const auto& r : run.of[q]) results.push_back({r.document, compared(static_cast<double>(r.score), protocol)});
    if (judged.empty() || (protocol.mean_over == topics::judged_and_run && results.empty())) continue;
    const auto query = std::string_view(query_ids[static_cast<Index>(q)]);
    f(query, ranked_grades(protocol, query, results, [&](Index d) { return document_ids[d]; },
                           [&](Index d) {
                             const auto at = grades.find(d);
                             return at == grades.end() ? unpooled : at->second;
                           }),
      judged, !results.empty());
  }
}

// Two files, each with the ids found in it:
template <class FileRun, class FileQrels, class F>
requires requires(const FileRun& r, const FileQrels& q) {
  r.rows.of;
  r.queries;
  q.rows.of;
  q.documents;
}
void each_query(const Protocol& protocol, const F& f, const FileRun& run, const FileQrels& qrels) {
  // The run's rows as those of the judgements; a document that nobody judged keeps its id, behind all that were.
  using Row = typename std::remove_cvref_t<decltype(run.rows.of)>::value_type;
  struct {
    std::vector<Row> of;
  } rows;
  rows.of.resize(qrels.rows.of.size());
  const Index judged = qrels.documents.count();
  for (std::size_t q = 0; q < rows.of.size(); ++q) {
    const Index row = run.queries.find(qrels.queries[static_cast<Index>(q)]);
    if (row < 0) continue;
    rows.of[q] = run.rows.of[static_cast<std::size_t>(row)];
    for (auto& r : rows.of[q]) {
      const Index known = qrels.documents.find(run.documents[r.document]);
      r.document = known < 0 ? judged + r.document : known;
    }
  }
  struct {
    const FileQrels& qrels;
    const FileRun& run;
    Index judged;
    std::string_view operator[](Index d) const { return d < judged ? qrels.documents[d] : run.documents[d - judged]; }
  } const documents{qrels, run, judged};
  each_query(protocol, f, rows, qrels.rows, qrels.queries, documents);
}

template <class... Sources>
Evaluation evaluated(std::vector<Measure> measures, const Protocol& protocol, const Sources&... sources) {
  Evaluation e{std::move(measures), {}, {}};
  e.values.resize(e.measures.size());
  each_query(
      protocol,
      [&](std::string_view query, Grades ranked, Grades judged, bool) {
        e.queries.emplace_back(query);
        for (std::size_t m = 0; m < e.measures.size(); ++m) e.values[m].push_back(e.measures[m](ranked, judged, protocol.level));
      },
      sources...);
  return e;
}

}  // namespace detail

// Evaluates a run against judgements, both by the ids in their records. Results: a container of things with `query`,
// `document` (strings) and `score`, in any order; a rank column plays no part. Judgements: of things with `query`, `document`
// and `grade`. Or two files that were read by themselves, each with the ids found in it:
//   evaluate(read_run("bm25.trec.gz"), read_qrels("test.txt"), {measure::ndcg(10)})
// Fails on a document that a query's run or judgements name twice and on a score that is not a number, since no order would be
// right.
template <class Results, class Judgements>
Evaluation evaluate(const Results& run, const Judgements& qrels, std::vector<Measure> measures,
                    const Protocol& protocol = {}) {
  return detail::evaluated(std::move(measures), protocol, run, qrels);
}

// The same where queries and documents are rows: run.of[q] holds things with `document` and `score`, qrels.of[q] with
// `document` and `grade`; query_ids and document_ids give the string of a row (data/trec.hpp reads such a pair).
template <class Rows, class JudgedRows, class QueryIds, class DocumentIds>
Evaluation evaluate(const Rows& run, const JudgedRows& qrels, const QueryIds& query_ids,
                    const DocumentIds& document_ids, std::vector<Measure> measures, const Protocol& protocol = {}) {
  return detail::evaluated(std::move(measures), protocol, run, qrels, query_ids, document_ids);
}

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE double ndcg(Grades ranked, Grades judged, Index cut) {
  std::vector<Index> ideal;
  for (Index g : judged)
    if (g > 0) ideal.push_back(g);
  std::sort(ideal.begin(), ideal.end(), [](Index a, Index b) { return a > b; });
  const double best = detail::gain(detail::top(ideal, cut));
  return best > 0 ? detail::gain(detail::top(ranked, cut)) / best : 0.0;
}

TOWPATH_ONCE void detail::binary_grades(const std::vector<Index>& hits, std::vector<Index> relevant, std::vector<Index>& ranked,
                                        std::vector<Index>& judged) {
  std::sort(relevant.begin(), relevant.end());
  relevant.erase(std::unique(relevant.begin(), relevant.end()), relevant.end());
  judged.assign(relevant.size(), 1);
  ranked.clear();
  std::vector<bool> found(relevant.size());
  for (Index h : hits) {
    const auto at = std::lower_bound(relevant.begin(), relevant.end(), h);
    const auto i = static_cast<std::size_t>(at - relevant.begin());
    const bool hit = at != relevant.end() && *at == h && !found[i];
    if (hit) found[i] = true;
    ranked.push_back(hit);
  }
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
