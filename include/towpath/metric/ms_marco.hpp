#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace towpath {

// What MS MARCO's own script (ms_marco_eval.py) says of a ranking. It is a program of its own kind:
// - ids are whole numbers; the rank that a line states decides, scores play no part, and a gap among the ranks stays a gap;
// - the mean goes over all queries of the reference, also over those that were not ranked;
// - every line of the reference is relevant, whatever its grade; only the first relevant passage within the cut counts;
// - a query has 1000 places that begin with passage 0 in each, so that where passage 0 is relevant an empty place is a hit; a later line with
//   the same rank takes the place over; rank 0 is the last place (and -1 the one before it, as Python counts);
// - a passage that is ranked twice for a query is complained of, and scored all the same (passage 0 may come as often as it likes).
struct MsMarco {
  double mrr = 0;
  Index queries = 0;         // of the reference: what the sum is divided by
  Index queries_ranked = 0;  // of the ranking
  std::vector<std::string> complaints;
};

namespace detail {
struct MarcoLine {
  std::int64_t query, passage;
  Index rank;
};
std::int64_t marco_id(const char* kind, std::string_view id);
MsMarco marco_score(const std::vector<MarcoLine>& ranking, const std::vector<MarcoLine>& reference, Index cut);
}  // namespace detail

// Ranking: things with `query`, `document` (strings) and `rank`; reference: things with `query` and `document`. Errors: an id that is not a whole
// number; a rank beyond 1000; a reference without a query; a ranking in which no query of the reference is ranked.
template <class Ranking, class Reference>
MsMarco ms_marco(const Ranking& ranking, const Reference& reference, Index cut = 10) {
  std::vector<detail::MarcoLine> ranked, relevant;
  for (const auto& r : ranking)
    ranked.push_back({detail::marco_id("query", r.query), detail::marco_id("passage", r.document), static_cast<Index>(r.rank)});
  for (const auto& r : reference) relevant.push_back({detail::marco_id("query", r.query), detail::marco_id("passage", r.document), 0});
  return detail::marco_score(ranked, relevant, cut);
}

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE std::int64_t detail::marco_id(const char* kind, std::string_view id) {
  std::int64_t n = 0;
  const auto [stop, error] = std::from_chars(id.data(), id.data() + id.size(), n);
  if (error != std::errc() || stop != id.data() + id.size())
    fail("MS MARCO's script does not take the " + std::string(kind) + " " + std::string(id), "its ids are whole numbers",
         "Use trec_eval's measures for this collection");
  return n;
}

TOWPATH_ONCE MsMarco detail::marco_score(const std::vector<MarcoLine>& ranking, const std::vector<MarcoLine>& reference, Index cut) {
  constexpr Index places = 1000;
  std::unordered_map<std::int64_t, std::unordered_set<std::int64_t>> relevant;
  for (const MarcoLine& r : reference) relevant[r.query].insert(r.passage);
  if (relevant.empty()) fail("MS MARCO's script cannot divide by the queries of the reference", "there are none", "Give it judgements");
  // In the order in which the ranking first names them: the sum goes so, and the script prints all of its digits.
  std::vector<std::pair<std::int64_t, std::array<std::int64_t, places>>> ranked;
  std::unordered_map<std::int64_t, std::size_t> row;
  for (const MarcoLine& r : ranking) {
    const Index place = r.rank - 1;
    if (place >= places || place < -places)
      fail("MS MARCO's script does not take rank " + std::to_string(r.rank) + " of query " + std::to_string(r.query),
           "it has places for " + std::to_string(places), "Cut the ranking there");
    const auto [at, fresh] = row.emplace(r.query, ranked.size());
    if (fresh) ranked.push_back({r.query, {}});
    ranked[at->second].second[static_cast<std::size_t>(place < 0 ? place + places : place)] = r.passage;
  }
  MsMarco result;
  result.queries = static_cast<Index>(relevant.size());
  result.queries_ranked = static_cast<Index>(ranked.size());
  double sum = 0;
  bool matched = false;
  for (const auto& [query, passages] : ranked) {
    auto sorted = passages;
    std::sort(sorted.begin(), sorted.end());
    std::int64_t twice = 0;
    for (std::size_t i = 1; i < sorted.size(); ++i)
      if (sorted[i] != 0 && sorted[i] == sorted[i - 1]) twice = sorted[i];
    if (twice) result.complaints.push_back("query " + std::to_string(query) + " ranks passage " + std::to_string(twice) + " more than once");
    const auto wanted = relevant.find(query);
    if (wanted == relevant.end()) continue;
    matched = true;
    for (Index i = 0; i < std::min(cut, places); ++i)
      if (wanted->second.contains(passages[static_cast<std::size_t>(i)])) {
        sum += 1.0 / static_cast<double>(i + 1);
        break;
      }
  }
  if (!matched)
    fail("MS MARCO's script does not score this ranking", "it ranks no query of the reference",
         "Look whether they name queries alike");
  result.mrr = sum / static_cast<double>(result.queries);
  return result;
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
