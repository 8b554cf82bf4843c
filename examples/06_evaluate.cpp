// examples/06_evaluate: what a run is worth, as trec_eval says it: the same measures, names, order and format; and whether one run is better than
// another, or only luckier.
//   06_evaluate run.trec qrels.txt                          trec_eval's official measures, summed up
//   06_evaluate -q -m all_trec run.trec qrels.txt           all of them, query by query
//   06_evaluate -m ndcg_cut.10 -m map run.trec qrels.txt --compare other.trec --compare third.trec
//   06_evaluate --like beir -m ndcg_cut.10 run.trec test.tsv   a document with the query's own id is no result
//   06_evaluate --like ms_marco run.tsv qrels.dev.tsv       MRR@10 as MS MARCO's script counts it
#include "program.hpp"

#include <towpath/base/check.hpp>
#include <towpath/data/trec.hpp>
#include <towpath/metric/ms_marco.hpp>
#include <towpath/metric/significance.hpp>
#include <towpath/metric/trec_eval.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace towpath;

namespace {

// Columns of the first line that says something.
std::size_t columns(const std::string& path) {
  Lines lines{path};
  for (std::string_view line; lines.next(line);) {
    std::size_t n = 0;
    for (std::size_t at = line.find_first_not_of(" \t"); at != line.npos; ++n) {
      at = line.find_first_of(" \t", at);
      if (at != line.npos) at = line.find_first_not_of(" \t", at);
    }
    if (n > 0 && !line.starts_with('#')) return n;
  }
  fail("cannot evaluate with " + path, "it is empty", "Look at what wrote it");
}
// trec_eval takes the judgements first; the forms of the files tell which is which.
void put_in_order(std::string& run, std::string& qrels) {
  const auto r = columns(run), q = columns(qrels);
  if (r == 4 && q == 6) {
    std::fprintf(stderr, "06_evaluate: %s is a run and %s holds judgements, so they are taken so\n", qrels.c_str(), run.c_str());
    std::swap(run, qrels);
  } else if (r == 6 && q == 6) {
    fail("cannot evaluate " + run + " with " + qrels, "both are runs", "Give a run and a file of judgements: query 0 document grade");
  } else if (r == 4 && q == 4) {
    fail("cannot evaluate " + run + " with " + qrels, "both hold judgements", "Give a run, query Q0 document rank score tag, and judgements");
  }
}

// Every measure of every other run against the first.
Json compare(const std::vector<std::string>& paths, const std::vector<TrecReport>& reports, const Randomisation& random) {
  struct Row {
    std::size_t run, measure;
    double t, randomisation;
  };
  std::vector<Row> rows;
  std::vector<double> p;
  const TrecReport& first = reports[0];
  for (std::size_t r = 1; r < reports.size(); ++r) {
    if (reports[r].queries != first.queries)
      fail("cannot compare " + paths[r] + " with " + paths[0], "they have results for other queries",
           "Count a query without results as 0 in both: -c");
    for (std::size_t m = 0; m < first.measures.size(); ++m) {
      if (!first.measures[m].averaged()) continue;
      const auto &other = reports[r].values[m], &own = first.values[m];
      rows.push_back({r, m, paired_t_test(other, own).p, randomisation_test(other, own, random).p});
      p.push_back(rows.back().t);
    }
  }
  const auto corrected = holm(p);
  std::printf("\n%td queries, p two-sided; Holm's correction is of the t-tests, all %zu of them together\n",
              static_cast<Index>(first.queries.size()), rows.size());
  std::printf("%-22s %8s %8s %8s  %9s %9s %9s  %s\n", "measure", "first", "other", "change", "t-test", "random.", "Holm", "other run");
  Json all = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& [r, m, t, randomisation] = rows[i];
    const std::string name = first.measures[m].name();
    const double a = first.all[m], b = reports[r].all[m];
    std::printf("%-22s %8.4f %8.4f %+8.4f  %9.2g %9.2g %9.2g%s %s\n", name.c_str(), a, b, b - a, t, randomisation, corrected[i],
                corrected[i] < 0.05 ? "*" : " ", paths[r].c_str());
    Json row = Json::object();
    row["run"] = paths[r];
    row["measure"] = name;
    row["first"] = a;
    row["other"] = b;
    row["t_test"] = t;
    row["randomisation_test"] = randomisation;
    row["holm"] = corrected[i];
    all.push_back(std::move(row));
  }
  return all;
}

int ms_marco_like(const std::string& run, const std::string& qrels, const std::string& json) {
  const auto judged = read_qrels(qrels);
  struct Line {
    std::string_view query, document;
  };
  std::vector<Line> reference;
  for (std::size_t q = 0; q < judged.rows.of.size(); ++q)
    for (const auto& j : judged.rows.of[q]) reference.push_back({judged.queries[static_cast<Index>(q)], judged.documents[j.document]});
  const MsMarco found = ms_marco(read_ranks(run), reference);
  for (const auto& complaint : found.complaints) std::fprintf(stderr, "06_evaluate: %s: %s\n", run.c_str(), complaint.c_str());
  std::printf("#####################\nMRR @10: %s\nQueriesRanked: %td\n#####################\n", Json(found.mrr).dump().c_str(), found.queries_ranked);
  if (!json.empty()) {
    Json results = Json::object();
    results["MRR@10"] = found.mrr;
    results["queries"] = found.queries;
    results["queries_ranked"] = found.queries_ranked;
    program::write_json(json, results);
  }
  return 0;
}

int run(int argc, char** argv) {
  std::string run_file, qrels_file, like = "trec_eval9", json;
  std::vector<std::string> names, others;
  bool each = false;
  TrecOptions how;
  Index most = 0;
  Randomisation random;
  program::Options options{"Evaluates a run as trec_eval does, and compares runs"};
  options.add("run", run_file, "query Q0 document rank score tag on each line, plain or gzip").required();
  options.add("qrels", qrels_file, "query 0 document grade on each line, or BEIR's tsv with its header").required();
  options.add("-q", each, "query by query, too");
  options.add("-m", names, "a measure or several as trec_eval names them: all_trec, official (if none is named), set, map, ndcg_cut.10,20; may come again");
  options.add("-c", how.complete, "the mean goes over all judged queries; where the run has nothing, 0");
  options.add("-J", how.judged_only, "drop documents that nobody judged");
  options.add("-l", how.level, "the least grade that is relevant").positive();
  options.add("-M", most, "look at so many ranks only; 0: all").not_negative();
  options
      .add("--like", like,
           "whose semantics: trec_eval 9 (and pytrec_eval), trec_eval 10, BEIR (as 9, and a document with the query's own "
           "id is dropped), or the script of MS MARCO (MRR@10 by the ranks stated)")
      .one_of({"trec_eval9", "trec_eval10", "beir", "ms_marco"});
  options.add("--compare", others, "another run, tested against the first: paired t-test and randomisation test, Holm-corrected; may come again");
  options.add("--patterns", random.patterns, "sign patterns that the randomisation test draws").positive();
  options.add("--seed", random.seed, "of the randomisation test");
  options.add("--json", json, "write all values to this file");
  options.parse(argc, argv);
  if (like == "ms_marco") return ms_marco_like(run_file, qrels_file, json);

  put_in_order(run_file, qrels_file);
  how.version = like == "trec_eval10" ? TrecVersion::v10 : TrecVersion::v9;
  how.skip_query_itself = like == "beir";
  if (most > 0) how.most = most;
  if (names.empty()) names = {"official"};
  const auto measures = trec_measures(names);
  const auto qrels = read_qrels(qrels_file);
  std::vector<std::string> paths{run_file};
  paths.insert(paths.end(), others.begin(), others.end());
  std::vector<TrecReport> reports;
  for (const auto& path : paths) {
    const auto candidates = read_run(path);
    reports.push_back(trec_eval(measures, how, candidates.rows.tag, candidates, qrels));
    const auto& printed = reports.back().printed;
    if (std::find(printed.begin(), printed.end(), true) == printed.end())
      fail("cannot evaluate " + path + " with " + qrels_file, "no query has both results and judgements", "Look whether they name queries alike");
  }
  const TrecReport& report = reports[0];
  if (each)
    for (std::size_t q = 0; q < report.queries.size(); ++q) std::fputs(report.lines_of(q).c_str(), stdout);
  std::fputs(report.summary().c_str(), stdout);
  Json comparison = Json::array();
  if (!others.empty()) comparison = compare(paths, reports, random);
  if (!json.empty()) {
    Json results = Json::object(), all = Json::object(), queries = Json::object();
    for (std::size_t m = 0; m < measures.size(); ++m)
      if (measures[m].numeric()) all[measures[m].name()] = report.all[m];
    for (std::size_t q = 0; each && q < report.queries.size(); ++q) {
      Json one = Json::object();
      for (std::size_t m = 0; m < measures.size(); ++m)
        if (measures[m].numeric()) one[measures[m].name()] = report.values[m][q];
      queries[report.queries[q]] = std::move(one);
    }
    results["run"] = run_file;
    results["qrels"] = qrels_file;
    results["like"] = like;
    results["queries"] = static_cast<Index>(report.queries.size());
    results["all"] = std::move(all);
    if (each) results["of_query"] = std::move(queries);
    if (!others.empty()) results["comparison"] = std::move(comparison);
    program::write_json(json, results);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
