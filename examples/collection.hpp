// What programs that train do with a collection.
#pragma once

#include <towpath/base/random.hpp>
#include <towpath/data/collection.hpp>
#include <towpath/data/trec.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace program {

using namespace towpath;

inline void recount(Qrels& r) {
  r.judged = r.pairs = 0;
  for (const auto& list : r.of) r.judged += !list.empty(), r.pairs += static_cast<Index>(list.size());
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
  for (Qrels* r : {&train, &dev}) recount(*r);
  return {std::move(train), std::move(dev)};
}

// Keeps `wanted` of the queries that have judgements, always the same ones (the smallest hashes of their ids).
inline void keep_some(Qrels& qrels, const Collection& c, Index wanted) {
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (std::size_t q = 0; q < qrels.of.size(); ++q)
    if (!qrels.of[q].empty()) order.emplace_back(stream_of(c.queries.id(static_cast<Index>(q))), q);
  std::sort(order.begin(), order.end());
  for (std::size_t i = static_cast<std::size_t>(wanted); i < order.size(); ++i) qrels.of[order[i].second].clear();
  recount(qrels);
}

inline void write_run(const std::string& path, const Run& run, const Collection& c) {
  RunFile file(path, "towpath");
  for (std::size_t q = 0; q < run.of.size(); ++q)
    for (const Candidate& d : run.of[q]) file.add(c.queries.id(static_cast<Index>(q)), c.documents.id(d.document), static_cast<float>(d.score));
  file.commit();
}

// The documents that a small evaluation searches: all that are judged, and others up to `wanted` (0: the whole collection), always the same ones (the
// smallest hashes of their ids). Not a first stage's best: weights that tell those apart may be worse at finding anything in the whole.
inline std::vector<Index> sampled(const Qrels& qrels, const Collection& c, Index wanted) {
  if (wanted <= 0 || wanted >= c.documents.count()) return {};
  std::vector<Index> rows;
  for (const auto& list : qrels.of)
    for (const Judged& j : list) rows.push_back(j.document);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::vector<std::pair<std::uint64_t, Index>> others;
  for (Index d = 0; d < c.documents.count(); ++d)
    if (!std::binary_search(rows.begin(), rows.end(), d)) others.emplace_back(stream_of(c.documents.id(d)), d);
  std::sort(others.begin(), others.end());
  for (const auto& [_, d] : others) {
    if (static_cast<Index>(rows.size()) >= wanted) break;
    rows.push_back(d);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace program
