// trec_eval's measures (usnistgov/trec_eval, m_*.c) under its own names, in its order and its format: what `trec_eval -q -m all_trec` prints.
// Papers print nDCG@10 and MRR@10: those are in metric/ranking.hpp.
#pragma once

#include "towpath/metric/ranking.hpp"

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace towpath {

// Whose semantics. Version 10 compares scores as doubles and rounds the recall levels of interpolated precision, where 9 (and
// with it pytrec_eval) compares floats and goes up. A judged query that the run lacks is passed over by 9: with -c the summary
// counts it, but -q does not print it (test/out.test.aqc). 10 prints it with -c, as an empty ranking, and stops without -c.
enum class TrecVersion { v9, v10 };

struct TrecOptions {
  TrecVersion version = TrecVersion::v9;
  Index level = 1;           // -l: the least grade that counts as relevant
  Index most = whole_list;   // -M: ranks of the run that are there
  bool complete = false;     // -c: the mean goes over all judged queries, 0 where the run has nothing
  bool judged_only = false;  // -J: documents that nobody judged are dropped from the run
  bool skip_query_itself = false;  // so is one with the query's own id, which BEIR drops before it asks trec_eval
};

// One query as the measures see it.
struct Topic {
  Grades ranked, judged;
  Index level = 1;
  TrecVersion version = TrecVersion::v9;
};

namespace detail {

// A family of measures: ndcg_cut with its cuts is one.
struct TrecFamily {
  enum class Parameters { none, cuts, shares, length };
  enum class Summary { mean, sum, geometric, count, id, none };

  const char* name;
  double (*value)(const Topic&, double parameter);
  Parameters takes = Parameters::none;
  Summary summary = Summary::mean;
  std::span<const double> usual{};  // parameters, where none are named
};

}  // namespace detail

// A measure of trec_eval: a family and, where it takes one, its parameter.
struct TrecMeasure {
  const detail::TrecFamily* family;
  double parameter = 0;

  std::string name() const;  // as it is printed: ndcg_cut_10
  double operator()(const Topic& topic) const { return family->value(topic, parameter); }
  bool numeric() const {  // runid and relstring are not
    return family->summary != detail::TrecFamily::Summary::id && family->summary != detail::TrecFamily::Summary::none;
  }
  bool averaged() const { return family->summary == detail::TrecFamily::Summary::mean; }
  friend bool operator==(const TrecMeasure&, const TrecMeasure&) = default;
};

// The measures of a list of names as trec_eval's -m takes them, in the order in which it prints them: all_trec, official and set, or a name with its
// usual parameters (P), others (P.5,10), or one as it is printed (P_10). Errors: a name that is not one of them, parameters that do not fit.
std::vector<TrecMeasure> trec_measures(std::span<const std::string> names);

// What trec_eval finds. values[m][q] belongs to measures[m] and queries[q]; all[m] sums it up (a mean, a sum or a geometric mean).
struct TrecReport {
  std::string run_id;
  std::vector<TrecMeasure> measures;
  std::vector<std::string> queries;  // that the summary counts, in the order of their bytes
  std::vector<bool> printed;         // whether -q prints the query: TrecVersion
  std::vector<std::vector<double>> values;
  std::vector<std::string> first_grades;  // of each query, for relstring
  std::vector<double> all;

  std::string lines_of(std::size_t query) const;  // with -q; empty if it does not print this one
  std::string summary() const;
};

// Evaluates a run (anything that evaluate() takes) against judgements.
//   const auto report = trec_eval(trec_measures(names), {}, "my-run", read_run("run.trec"), read_qrels("qrels.txt"));
//   for (std::size_t q = 0; q < report.queries.size(); ++q) std::cout << report.lines_of(q);
//   std::cout << report.summary();
// Where a query has no relevant document every measure but the counts is 0, also those for which trec_eval divides 0 by 0. Errors: those of
// evaluate(); with version 10 a judged query that the run lacks, unless `complete`.
template <class... Sources>
TrecReport trec_eval(std::vector<TrecMeasure> measures, const TrecOptions& options, std::string run_id, const Sources&... run_and_qrels);

namespace detail {

using Parameters = TrecFamily::Parameters;
using TrecSummary = TrecFamily::Summary;

inline constexpr double trec_cuts[] = {5, 10, 15, 20, 30, 100, 200, 500, 1000}, trec_success_cuts[] = {1, 5, 10},
                        trec_recall_levels[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1},
                        trec_multiples[] = {0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2}, trec_string_length[] = {10};
inline constexpr double least_of_geometric_mean = 1e-5;

std::span<const TrecFamily> trec_families();
std::string grades_as_text(Grades ranked, Index length);
// Sorts queries and sums up.
void finish(TrecReport& report);

}  // namespace detail

template <class... Sources>
TrecReport trec_eval(std::vector<TrecMeasure> measures, const TrecOptions& options, std::string run_id, const Sources&... run_and_qrels) {
  TrecReport report{std::move(run_id), std::move(measures), {}, {}, {}, {}, {}};
  report.values.resize(report.measures.size());
  const bool ten = options.version == TrecVersion::v10;
  const bool every = options.complete || ten;
  Protocol protocol = ten ? protocol::trec_eval10 : protocol::trec_eval9;
  protocol.level = options.level;
  protocol.most = options.most;
  protocol.judged_only = options.judged_only;
  protocol.skip_query_itself = options.skip_query_itself;
  protocol.mean_over = every ? topics::judged : topics::judged_and_run;
  Index length = 0;
  for (const auto& m : report.measures)
    if (m.family->takes == detail::Parameters::length) length = static_cast<Index>(m.parameter);
  Index above_zero = 0;
  detail::each_query(
      protocol,
      [&](std::string_view query, Grades ranked, Grades judged, bool in_run) {
        if (!in_run && ten && !options.complete)
          fail("the run has nothing for query " + std::string(query), "trec_eval 10 stops there",
               "Ask for the complete mean (-c), where such a query counts as 0");
        report.queries.emplace_back(query);
        report.printed.push_back(in_run || ten);
        above_zero += detail::count_relevant(judged, 1);
        const Topic topic{ranked, judged, options.level, options.version};
        for (std::size_t m = 0; m < report.measures.size(); ++m) report.values[m].push_back(report.measures[m](topic));
        report.first_grades.push_back(detail::grades_as_text(ranked, length));
      },
      run_and_qrels...);
  detail::finish(report);
  if (options.complete)  // m_num_rel.c then counts anew: every grade above 0, whatever -l
    for (std::size_t m = 0; m < report.measures.size(); ++m)
      if (report.measures[m].name() == "num_rel") report.all[m] = static_cast<double>(above_zero);
  return report;
}

#ifndef TOWPATH_ELSEWHERE

namespace detail {

inline double ratio(double a, double b) { return b > 0 ? a / b : 0; }
inline Index returned(const Topic& t) { return static_cast<Index>(t.ranked.size()); }
inline Index all_relevant(const Topic& t) { return count_relevant(t.judged, t.level); }
inline Index found(const Topic& t, Index cut = whole_list) { return count_relevant(top(t.ranked, cut), t.level); }
inline bool judged_irrelevant(const Topic& t, Index grade) { return grade >= 0 && !relevant(grade, t.level); }

inline double precision_until(const Topic& t, Index cut) { return ratio(static_cast<double>(found(t, cut)), static_cast<double>(cut)); }

// The best precision at any rank from that of the n-th relevant document on.
inline double interpolated(const Topic& t, double level) {
  const double n = level * static_cast<double>(all_relevant(t));
  const auto wanted = t.version == TrecVersion::v10 ? static_cast<Index>(std::lround(n)) : static_cast<Index>(n + 0.9);
  double best = 0;
  Index seen = 0;
  for (std::size_t i = 0; i < t.ranked.size(); ++i)
    if (relevant(t.ranked[i], t.level) && ++seen >= wanted) best = std::max(best, static_cast<double>(seen) / static_cast<double>(i + 1));
  return best;
}

// Σ over the relevant documents that were returned of 1 - (judged irrelevant documents above it, at most R) / min(N, R), over R. R and N: how many
// documents were judged relevant and irrelevant.
inline double binary_preference(const Topic& t) {
  const Index r = all_relevant(t);
  Index n = 0, above = 0;
  for (Index g : t.judged) n += judged_irrelevant(t, g);
  double sum = 0;
  for (Index g : t.ranked) {
    if (relevant(g, t.level)) sum += 1 - ratio(static_cast<double>(std::min(above, r)), static_cast<double>(std::min(n, r)));
    above += judged_irrelevant(t, g);
  }
  return ratio(sum, static_cast<double>(r));
}

// Expected precision at each relevant document, where a grade below 0 says that a document was in the pool and not judged, so that it is taken to
// be relevant as often as those that were (Yilmaz and Aslam 2006).
inline double inferred_average_precision(const Topic& t) {
  constexpr double epsilon = 1e-5;
  double sum = 0, good = 0, bad = 0, unknown = 0;
  for (std::size_t i = 0; i < t.ranked.size(); ++i) {
    const Index g = t.ranked[i];
    if (relevant(g, t.level)) {
      const double rank = static_cast<double>(i + 1);
      sum += 1 / rank + (good + bad + unknown) / rank * (good + epsilon) / (good + bad + 2 * epsilon);
      ++good;
    } else if (g >= 0) {
      ++bad;
    } else if (g != unpooled) {
      ++unknown;
    }
  }
  return ratio(sum, static_cast<double>(all_relevant(t)));
}

// The grades above 0 of all judged documents, best first: the gains of the ideal ranking.
inline std::vector<double> ideal_gains(const Topic& t) {
  std::vector<double> gains;
  for (Index g : t.judged)
    if (g > 0) gains.push_back(static_cast<double>(g));
  std::sort(gains.rbegin(), gains.rend());
  return gains;
}
// DCG after each rank, of rank 0 first.
template <class Gains>
std::vector<double> cumulated(const Gains& gains) {
  std::vector<double> dcg{0};
  for (std::size_t i = 0; i < gains.size(); ++i)
    dcg.push_back(dcg.back() + (gains[i] > 0 ? static_cast<double>(gains[i]) / std::log2(static_cast<double>(i + 2)) : 0));
  return dcg;
}

// nDCG averaged over the documents with a gain, each at its own rank; those not returned at the end.
inline double ndcg_at_relevant(const Topic& t) {
  const auto gains = ideal_gains(t);
  const auto ideal = cumulated(gains), dcg = cumulated(t.ranked);
  if (gains.empty()) return 0;
  double sum = 0, seen = 0;
  for (std::size_t i = 0; i < t.ranked.size(); ++i)
    if (t.ranked[i] > 0) {
      sum += dcg[i + 1] / ideal[std::min(i + 1, gains.size())];
      ++seen;
    }
  const auto all = static_cast<double>(gains.size());
  return (sum + (all - seen) * dcg.back() / ideal.back()) / all;
}

// nDCG averaged over the ranks where the ideal gain falls, and the end of a run that goes on for more than one rank behind the last of them.
inline double ndcg_at_levels(const Topic& t) {
  const auto gains = ideal_gains(t);
  const auto ideal = cumulated(gains), dcg = cumulated(t.ranked);
  double sum = 0, n = 0;
  for (std::size_t i = 1; i <= gains.size(); ++i)
    if (i == gains.size() || gains[i] != gains[i - 1]) {
      sum += dcg[std::min(i, t.ranked.size())] / ideal[i];
      ++n;
    }
  if (!gains.empty() && t.ranked.size() > gains.size() + 1) {
    sum += dcg.back() / ideal.back();
    ++n;
  }
  return all_relevant(t) ? ratio(sum, n) : 0;
}

// Σ gain / log2(2 + cost - gain so far) over all gains there are, where each rank costs its ideal gain and never less than 1.
inline double normalised_gain(const Topic& t) {
  const auto gains = ideal_gains(t);
  double sum = 0, cost = 0, gained = 0;
  for (std::size_t i = 0; i < t.ranked.size(); ++i) {
    cost += i < gains.size() ? std::max(gains[i], 1.0) : 1.0;
    if (t.ranked[i] <= 0) continue;
    const auto gain = static_cast<double>(t.ranked[i]);
    gained += gain;
    sum += gain / std::log2(2 + cost - gained);
  }
  return ratio(sum, std::accumulate(gains.begin(), gains.end(), 0.0));
}
// The same where every gain is 1.
inline double binary_gain(const Topic& t) {
  double sum = 0, above = 0;
  for (Index g : t.ranked) {
    if (relevant(g, t.level)) sum += 1 / std::log2(2 + above);
    else ++above;
  }
  return ratio(sum, static_cast<double>(all_relevant(t)));
}

inline double geometric(double value) { return std::log(std::max(value, least_of_geometric_mean)); }

// In the order in which trec_eval prints.
TOWPATH_ONCE std::span<const TrecFamily> trec_families() {
  using enum TrecFamily::Parameters;
  using Sum = TrecSummary;
  static constexpr TrecFamily families[] = {
      {"runid", [](const Topic&, double) { return 0.0; }, none, Sum::id},
      {"num_q", [](const Topic&, double) { return 1.0; }, none, Sum::count},
      {"num_ret", [](const Topic& t, double) { return static_cast<double>(returned(t)); }, none, Sum::sum},
      {"num_rel", [](const Topic& t, double) { return static_cast<double>(all_relevant(t)); }, none, Sum::sum},
      {"num_rel_ret", [](const Topic& t, double) { return static_cast<double>(found(t)); }, none, Sum::sum},
      {"map", [](const Topic& t, double) { return average_precision(t.ranked, t.judged, whole_list, t.level); }},
      {"gm_map", [](const Topic& t, double) { return geometric(average_precision(t.ranked, t.judged, whole_list, t.level)); }, none,
       Sum::geometric},
      {"Rprec", [](const Topic& t, double) { return precision_until(t, all_relevant(t)); }},
      {"bpref", [](const Topic& t, double) { return binary_preference(t); }},
      {"recip_rank", [](const Topic& t, double) { return reciprocal_rank(t.ranked, whole_list, t.level); }},
      {"iprec_at_recall", [](const Topic& t, double level) { return interpolated(t, level); }, shares, Sum::mean, trec_recall_levels},
      {"P", [](const Topic& t, double cut) { return precision_until(t, static_cast<Index>(cut)); }, cuts, Sum::mean, trec_cuts},
      {"relstring", [](const Topic&, double) { return 0.0; }, length, Sum::none, trec_string_length},
      {"recall", [](const Topic& t, double cut) { return recall(t.ranked, t.judged, static_cast<Index>(cut), t.level); }, cuts, Sum::mean,
       trec_cuts},
      {"infAP", [](const Topic& t, double) { return inferred_average_precision(t); }},
      {"gm_bpref", [](const Topic& t, double) { return geometric(binary_preference(t)); }, none, Sum::geometric},
      {"Rprec_mult",
       [](const Topic& t, double times) { return precision_until(t, static_cast<Index>(times * static_cast<double>(all_relevant(t)) + 0.9)); },
       shares, Sum::mean, trec_multiples},
      {"utility", [](const Topic& t, double) { return static_cast<double>(2 * found(t) - returned(t)); }},
      {"11pt_avg",
       [](const Topic& t, double) {
         double sum = 0;
         for (double level : trec_recall_levels) sum += interpolated(t, level);
         return sum / static_cast<double>(std::size(trec_recall_levels));
       }},
      {"binG", [](const Topic& t, double) { return binary_gain(t); }},
      {"G", [](const Topic& t, double) { return normalised_gain(t); }},
      {"ndcg", [](const Topic& t, double) { return ndcg(t.ranked, t.judged); }},
      {"ndcg_rel", [](const Topic& t, double) { return ndcg_at_relevant(t); }},
      {"Rndcg", [](const Topic& t, double) { return ndcg_at_levels(t); }},
      {"ndcg_cut", [](const Topic& t, double cut) { return ndcg(t.ranked, t.judged, static_cast<Index>(cut)); }, cuts, Sum::mean, trec_cuts},
      {"map_cut", [](const Topic& t, double cut) { return average_precision(t.ranked, t.judged, static_cast<Index>(cut), t.level); }, cuts,
       Sum::mean, trec_cuts},
      {"relative_P",
       [](const Topic& t, double cut) {
         const auto n = static_cast<Index>(cut);
         return ratio(static_cast<double>(found(t, n)), static_cast<double>(std::min(n, all_relevant(t))));
       },
       cuts, Sum::mean, trec_cuts},
      {"success", [](const Topic& t, double cut) { return success(t.ranked, static_cast<Index>(cut), t.level); }, cuts, Sum::mean,
       trec_success_cuts},
      {"set_P", [](const Topic& t, double) { return precision(t.ranked, whole_list, t.level); }},
      {"set_relative_P",
       [](const Topic& t, double) { return ratio(static_cast<double>(found(t)), static_cast<double>(std::min(returned(t), all_relevant(t)))); }},
      {"set_recall", [](const Topic& t, double) { return recall(t.ranked, t.judged, whole_list, t.level); }},
      {"set_map",
       [](const Topic& t, double) {
         return precision(t.ranked, whole_list, t.level) * recall(t.ranked, t.judged, whole_list, t.level);
       }},
      {"set_F",
       [](const Topic& t, double) {
         const double p = precision(t.ranked, whole_list, t.level), r = recall(t.ranked, t.judged, whole_list, t.level);
         return ratio(2 * p * r, p + r);
       }},
      {"num_nonrel_judged_ret",
       [](const Topic& t, double) {
         return static_cast<double>(std::count_if(t.ranked.begin(), t.ranked.end(), [&](Index g) { return judged_irrelevant(t, g); }));
       },
       none, Sum::sum},
  };
  return families;
}

TOWPATH_ONCE std::string grades_as_text(Grades ranked, Index length) {
  std::string text;
  for (Index g : top(ranked, length)) text += g > 9 ? '>' : g >= 0 ? static_cast<char>('0' + g) : g == unpooled ? '-' : '.';
  return text;
}

TOWPATH_ONCE void finish(TrecReport& report) {
  std::vector<std::size_t> order(report.queries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return report.queries[a] < report.queries[b]; });
  const auto sorted = [&](auto& all) {
    auto from = std::move(all);
    all.clear();
    for (std::size_t i : order) all.push_back(std::move(from[i]));
  };
  const auto n = static_cast<double>(order.size());
  for (std::size_t m = 0; m < report.measures.size(); ++m) {
    sorted(report.values[m]);
    const double sum = std::accumulate(report.values[m].begin(), report.values[m].end(), 0.0);
    switch (report.measures[m].family->summary) {
      case TrecSummary::mean: report.all.push_back(ratio(sum, n)); break;
      case TrecSummary::geometric: report.all.push_back(n > 0 ? std::exp(sum / n) : 0); break;
      default: report.all.push_back(sum);
    }
  }
  sorted(report.queries);
  sorted(report.printed);
  sorted(report.first_grades);
}

inline std::string trec_line(const std::string& name, std::string_view query, const std::string& value) {
  std::string s = name;
  s.resize(std::max<std::size_t>(s.size(), 22), ' ');
  return s.append("\t").append(query).append("\t").append(value).append("\n");
}
inline std::string trec_number(double value, TrecSummary summary) {
  char s[40];
  if (summary == TrecSummary::sum || summary == TrecSummary::count) std::snprintf(s, sizeof s, "%ld", static_cast<long>(value));
  else std::snprintf(s, sizeof s, "%6.4f", value);
  return s;
}

}  // namespace detail

TOWPATH_ONCE std::string TrecMeasure::name() const {
  char s[64];
  const bool unusual = family->takes == detail::Parameters::length && parameter != detail::trec_string_length[0];
  if (family->takes == detail::Parameters::cuts || unusual) std::snprintf(s, sizeof s, "%s_%.0f", family->name, parameter);
  else if (family->takes == detail::Parameters::shares) std::snprintf(s, sizeof s, "%s_%.2f", family->name, parameter);
  else return family->name;
  return s;
}

TOWPATH_ONCE std::vector<TrecMeasure> trec_measures(std::span<const std::string> names) {
  using detail::Parameters;
  const auto families = detail::trec_families();
  std::vector<TrecMeasure> all;
  const auto add = [&](const detail::TrecFamily& family, double parameter) {
    if (std::find(all.begin(), all.end(), TrecMeasure{&family, parameter}) == all.end()) all.push_back({&family, parameter});
  };
  const auto usual = [&](const detail::TrecFamily& family) {
    if (family.takes == Parameters::none) add(family, 0);
    for (double parameter : family.usual) add(family, parameter);
  };
  const auto given = [&](const detail::TrecFamily& family, std::string_view list, const std::string& whole) {
    while (true) {
      const std::string_view one = list.substr(0, list.find(','));
      double value = 0;
      const auto [stop, error] = std::from_chars(one.data(), one.data() + one.size(), value);
      const bool number = error == std::errc() && stop == one.data() + one.size() && std::isfinite(value);
      if (family.takes == Parameters::none || !number || value < 0 ||
          (family.takes != Parameters::shares && (value < 1 || value != std::floor(value))))
        fail("trec_eval has no measure " + whole, family.takes == Parameters::none ? "it takes no parameter" : "its parameters do not fit",
             "Write " + std::string(family.name) + (family.takes == Parameters::none ? "" : family.takes == Parameters::shares ? ".0.1,0.2" : ".5,10"));
      add(family, value);
      if (one.size() == list.size()) return;
      list.remove_prefix(one.size() + 1);
    }
  };
  for (const std::string& name : names) {
    if (name == "all_trec") {
      for (const auto& family : families) usual(family);
      continue;
    }
    if (name == "official") {
      for (const auto& family : families.first(12)) usual(family);
      continue;
    }
    if (name == "set") {
      for (const char* one : {"runid", "num_q", "num_ret", "num_rel", "num_rel_ret", "utility", "set_P", "set_recall", "set_relative_P", "set_map", "set_F"})
        for (const auto& family : families)
          if (std::string_view(family.name) == one) usual(family);
      continue;
    }
    bool known = false;
    for (const auto& family : families) {
      const std::string_view head = family.name;
      if (!std::string_view(name).starts_with(head) || known) continue;
      const std::string_view rest = std::string_view(name).substr(head.size());
      if (rest.empty()) usual(family);
      else if (rest[0] == '.' || (rest[0] == '_' && rest.size() > 1 && rest[1] >= '0' && rest[1] <= '9')) given(family, rest.substr(1), name);
      else continue;
      known = true;
    }
    if (!known) {
      std::string there;
      for (const auto& family : families) there += (there.empty() ? "" : ", ") + std::string(family.name);
      fail("trec_eval has no measure " + name, "there are all_trec, official, set, " + there, "Write one of them, or P.5,10 for cuts of your own");
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const TrecMeasure& a, const TrecMeasure& b) {
    return a.family != b.family ? a.family < b.family : a.parameter < b.parameter;
  });
  return all;
}

TOWPATH_ONCE std::string TrecReport::lines_of(std::size_t query) const {
  std::string text;
  if (!printed[query]) return text;
  for (std::size_t m = 0; m < measures.size(); ++m) {
    const auto& family = *measures[m].family;
    if (family.takes == detail::Parameters::length) text += detail::trec_line(measures[m].name(), queries[query], "'" + first_grades[query] + "'");
    else if (family.summary == detail::TrecSummary::mean || family.summary == detail::TrecSummary::sum)
      text += detail::trec_line(measures[m].name(), queries[query], detail::trec_number(values[m][query], family.summary));
  }
  return text;
}
TOWPATH_ONCE std::string TrecReport::summary() const {
  std::string text;
  for (std::size_t m = 0; m < measures.size(); ++m) {
    const auto& family = *measures[m].family;
    if (family.summary == detail::TrecSummary::id) text += detail::trec_line(family.name, "all", run_id);
    else if (family.summary != detail::TrecSummary::none)
      text += detail::trec_line(measures[m].name(), "all", detail::trec_number(all[m], family.summary));
  }
  return text;
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
