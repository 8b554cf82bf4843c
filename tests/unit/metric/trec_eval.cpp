// The files beside this one are made by this script (Python 3.11, pytrec_eval-terrier 0.5.11, which is trec_eval 9's code): a run full of ties, of
// scores that differ only as doubles, with documents and queries that nobody judged, and judgements below 0; order and format are those of
// trec_eval's own test/out.test.aq. With `complete` the summary is what trec_eval 9's code makes of -c (trec_eval.c, meas_avg.c, m_num_rel.c): the sums
// over the queries of the run, divided by all judged queries; the logarithm of a geometric mean that a missing query adds is log(1e-5).
//   import random, math, sys
//   import pytrec_eval
//   R = random.Random(4)
//   CUTS = [5, 10, 15, 20, 30, 100, 200, 500, 1000]
//   L = [i / 10 for i in range(11)]
//   ORDER = (["num_ret", "num_rel", "num_rel_ret", "map", "gm_map", "Rprec", "bpref", "recip_rank"]
//     + [f"iprec_at_recall_{x:.2f}" for x in L] + [f"P_{k}" for k in CUTS] + ["relstring"] + [f"recall_{k}" for k in CUTS]
//     + ["infAP", "gm_bpref"] + [f"Rprec_mult_{0.2 * i:.2f}" for i in range(1, 11)] + ["utility", "11pt_avg", "binG", "G", "ndcg", "ndcg_rel", "Rndcg"]
//     + [f"ndcg_cut_{k}" for k in CUTS] + [f"map_cut_{k}" for k in CUTS] + [f"relative_P_{k}" for k in CUTS] + [f"success_{k}" for k in (1, 5, 10)]
//     + ["set_P", "set_relative_P", "set_recall", "set_map", "set_F", "num_nonrel_judged_ret"])
//   COUNTS = {"num_ret", "num_rel", "num_rel_ret", "num_nonrel_judged_ret"}
//   def lines(qrels, run, runid, level=1, each=True, complete=False):
//       e = pytrec_eval.RelevanceEvaluator(qrels, pytrec_eval.supported_measures - {"relstring", "runid"}, relevance_level=level)
//       found = e.evaluate(run)
//       import numpy
//       out = []
//       queries = sorted(found, key=lambda q: q.encode())
//       line = lambda n, q, v: out.append(f"{n:<22}\t{q}\t{v}")
//       for q in queries if each else []:
//           ranked = sorted(run[q], key=lambda d: (numpy.float32(run[q][d]), d.encode()), reverse=True)
//           for n in ORDER:
//               if n == "relstring":
//                   g = [qrels[q].get(d) for d in ranked[:10]]
//                   line(n, q, "'" + "".join("-" if x is None else "." if x < 0 else ">" if x > 9 else str(x) for x in g) + "'")
//               elif n not in ("gm_map", "gm_bpref"):
//                   line(n, q, f"{found[q][n]:.0f}" if n in COUNTS else f"{found[q][n]:6.4f}")
//       line("runid", "all", runid)
//       n_q = len(qrels) if complete else len(queries)
//       line("num_q", "all", n_q)
//       for n in ORDER:
//           if n == "relstring": continue
//           v = [found[q][n] for q in queries]
//           if n == "num_rel" and complete: line(n, "all", sum(g > 0 for q in qrels for g in qrels[q].values()))
//           elif n in COUNTS: line(n, "all", f"{sum(v):.0f}")
//           elif n.startswith("gm_"): line(n, "all", f"{math.exp((sum(v) + (n_q - len(v)) * math.log(1e-5)) / n_q):6.4f}")
//           else: line(n, "all", f"{sum(v) / n_q:6.4f}")
//       return "\n".join(out) + "\n"
//   if __name__ == "__main__":
//       out = sys.argv[1]
//       qrels, run = {}, {}
//       for i in range(7):
//           q = f"q{i * 5}"
//           docs = [f"d{R.randrange(100)}" for _ in range(40)]
//           qrels[q] = {d: R.choice([-1, 0, 0, 0, 1, 1, 2, 3]) for d in docs[:25]}
//           run[q] = {d: R.choice([3.0, 2.5, 2.0, 1.5, 1000.0, 1000.000001, 0.5, 0.25, -1.0]) for d in docs[8:] if i != 3 or R.random() < 0.2}
//       qrels["q5"] = {d: min(g, 0) for d, g in qrels["q5"].items()}   # nothing relevant
//       run["q10"] = {"x1": 2.0, "x2": 1.0}                            # nothing judged
//       qrels["q15"] = {d: max(g, 1) * 4 for d, g in qrels["q15"].items()}
//       del run["q30"]                                                   # no results
//       run["q99"] = {"d1": 1.0}                                         # no judgements
//       with open(out + "/qrels", "w") as f:
//           for q in qrels:
//               for d, g in qrels[q].items(): f.write(f"{q} 0 {d} {g}\n")
//       with open(out + "/run", "w") as f:
//           for q in run:
//               for r, (d, s) in enumerate(run[q].items()): f.write(f"{q} Q0 {d} {r + 1} {s!r} made-up\n")
//       open(out + "/all_trec", "w").write(lines(qrels, run, "made-up"))
//       open(out + "/all_trec.l2", "w").write(lines(qrels, run, "made-up", level=2))
//       open(out + "/all_trec.c.l2", "w").write(lines(qrels, run, "made-up", level=2, complete=True))
#include "towpath/metric/trec_eval.hpp"

#include "lines.hpp"

#include "towpath/base/random.hpp"
#include "towpath/data/trec.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace towpath;

namespace {
const std::string folder = TOWPATH_TESTS_DIR "/unit/metric/trec_eval";
std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
template <class F>
std::string said(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}
std::vector<TrecMeasure> named(std::vector<std::string> names) { return trec_measures(names); }
std::string names_of(const std::vector<TrecMeasure>& measures) {
  std::string all;
  for (const auto& m : measures) all += m.name() + " ";
  return all;
}
std::string printed(const TrecReport& report) {
  std::string text;
  for (std::size_t q = 0; q < report.queries.size(); ++q) text += report.lines_of(q);
  return text + report.summary();
}
// The first line that differs, or nothing.
std::string difference(const std::string& a, const std::string& b) {
  std::istringstream left(a), right(b);
  for (std::string x, y;;) {
    const bool more = static_cast<bool>(std::getline(left, x)), also = static_cast<bool>(std::getline(right, y));
    if (!more && !also) return "";
    if (more != also || x != y) return (more ? x : "(end)") + " against " + (also ? y : "(end)");
  }
}
double one(const char* name, std::vector<Index> ranked, std::vector<Index> judged, TrecVersion version = TrecVersion::v9) {
  return named({name}).front()(Topic{ranked, judged, 1, version});
}

}  // namespace

TEST_CASE("all of trec_eval's measures on a run full of ties: the same text") {
  const auto run = read_run(folder + "/run");
  const auto qrels = read_qrels(folder + "/qrels");
  const auto measures = named({"all_trec"});
  CHECK(measures.size() == 95);
  CHECK(difference(printed(trec_eval(measures, {}, run.rows.tag, run, qrels)), text_of(folder + "/all_trec")) == "");
  CHECK(difference(printed(trec_eval(measures, {.level = 2}, run.rows.tag, run, qrels)), text_of(folder + "/all_trec.l2")) == "");
  CHECK(difference(printed(trec_eval(measures, {.level = 2, .complete = true}, run.rows.tag, run, qrels)), text_of(folder + "/all_trec.c.l2")) == "");
}

TEST_CASE("the names of measures, as -m takes them") {
  CHECK(names_of(named({"P.10,5"})) == "P_5 P_10 ");
  CHECK(names_of(named({"ndcg_cut_10", "map", "P_5"})) == "map P_5 ndcg_cut_10 ");  // in trec_eval's order
  CHECK(names_of(named({"map", "map"})) == "map ");
  CHECK(names_of(named({"relstring.20", "iprec_at_recall.0.25"})) == "iprec_at_recall_0.25 relstring_20 ");
  CHECK(names_of(named({"ndcg"})) == "ndcg ");
  CHECK(names_of(named({"success"})) == "success_1 success_5 success_10 ");
  CHECK(names_of(named({"set"})) == "runid num_q num_ret num_rel num_rel_ret utility set_P set_relative_P set_recall set_map set_F ");
  CHECK(names_of(named({"official"})).starts_with("runid num_q num_ret num_rel num_rel_ret map gm_map Rprec bpref recip_rank iprec_at_recall_0.00 "));
  CHECK(names_of(named({"official"})).ends_with("P_500 P_1000 "));
  CHECK(said([] { named({"nDCG@10"}); }).starts_with("trec_eval has no measure nDCG@10: there are all_trec, official, set, runid, num_q, "));
  CHECK(said([] { named({"P.0"}); }) == "trec_eval has no measure P.0: its parameters do not fit. Write P.5,10");
  CHECK(said([] { named({"P.5,"}); }) == "trec_eval has no measure P.5,: its parameters do not fit. Write P.5,10");
  CHECK(said([] { named({"map.10"}); }) == "trec_eval has no measure map.10: it takes no parameter. Write map");
}

TEST_CASE("by hand where trec_eval is peculiar") {
  // one irrelevant document above the relevant one, of one judged irrelevant: bpref 0; one that nobody judged costs it nothing
  CHECK(one("bpref", {0, 1}, {0, 1}) == 0);
  CHECK(one("bpref", {unpooled, 1}, {0, 1}) == 1);
  CHECK(one("bpref", {-1, 1}, {-1, 0, 1}) == 1);
  CHECK(one("num_nonrel_judged_ret", {0, -1, unpooled, 1, 0}, {0, 0, 0, 1, -1}) == 2);
  // a run that ends one rank behind the last relevant document: Rndcg leaves its end out, as trec_eval does
  CHECK(one("Rndcg", {0, 1}, {1}) == 0);
  CHECK(one("Rndcg", {0, 1, 0}, {1}) == doctest::Approx(0.5 / std::log2(3.0)));
  CHECK(one("utility", {1, 0, 0}, {1}) == -1);
  CHECK(one("relative_P_5", {1, 0}, {1, 1}) == 0.5);
  CHECK(one("Rprec_mult_0.20", {1}, {1}) == 1);  // 0.2 of one document goes up to one
  for (const auto& m : named({"all_trec"}))      // nothing relevant, nothing returned: 0, not 0 / 0
    if (!m.name().starts_with("gm_") && m.name() != "num_q") CHECK(m(Topic{{}, {}, 1, TrecVersion::v9}) == 0);
}

TEST_CASE("version 9 goes up where version 10 rounds") {
  // 0.1 of 3 relevant documents: 9 takes one of them, 10 none, so that the best precision anywhere counts
  const std::vector<Index> ranked = {0, 1, 1, 1}, judged = {1, 1, 1};
  CHECK(one("iprec_at_recall_0.40", ranked, judged) == 0.75);
  const std::vector<Index> falling = {1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  CHECK(one("iprec_at_recall_0.40", falling, judged) == 0.5);                    // 0.4 * 3 = 1.2: two documents
  CHECK(one("iprec_at_recall_0.40", falling, judged, TrecVersion::v10) == 1);    // … one
  CHECK(one("11pt_avg", falling, judged) != one("11pt_avg", falling, judged, TrecVersion::v10));
}

TEST_CASE("which queries count, and which version stops") {
  const std::vector<Judgement> qrels = {{"2", "a", 1}, {"10", "a", 1}, {"10", "b", 1}, {"3", "a", 1}};
  const std::vector<Result> run = {{"3", "a", 1}, {"2", "b", 2}, {"2", "a", 1000.0}, {"2", "c", 1000.000001}, {"4", "a", 1}};
  const auto measures = named({"num_q", "num_rel", "recip_rank", "gm_map"});
  const auto nine = trec_eval(measures, {}, "id", run, qrels);
  CHECK(nine.queries == std::vector<std::string>{"2", "3"});
  CHECK(nine.summary() == "num_q                 \tall\t2\nnum_rel               \tall\t2\ngm_map                \tall\t0.7071\n"
                          "recip_rank            \tall\t0.7500\n");  // c and a tie as floats, and c is the greater id
  const auto complete = trec_eval(measures, {.complete = true}, "id", run, qrels);
  CHECK(complete.queries == std::vector<std::string>{"10", "2", "3"});  // in the order of bytes
  CHECK(complete.summary() == "num_q                 \tall\t3\nnum_rel               \tall\t4\ngm_map                \tall\t0.0171\n"
                              "recip_rank            \tall\t0.5000\n");
  CHECK(complete.lines_of(0) == "");  // 10 counts and is not printed
  CHECK(complete.lines_of(1) == nine.lines_of(0));
  CHECK(said([&] { trec_eval(measures, {.version = TrecVersion::v10}, "id", run, qrels); }) ==
        "the run has nothing for query 10: trec_eval 10 stops there. Ask for the complete mean (-c), where such a query counts as 0");
  const auto ten = trec_eval(measures, {.version = TrecVersion::v10, .complete = true}, "id", run, qrels);
  CHECK(ten.values[3] == std::vector<double>{0, 0.5, 1});
  CHECK(ten.lines_of(0) == "num_rel               \t10\t2\nrecip_rank            \t10\t0.0000\n");
  // -J and BEIR's rule may leave nothing of a query, which is then worth 0
  const std::vector<Result> itself = {{"3", "3", 9}, {"3", "a", 1}, {"2", "2", 1}};
  CHECK(trec_eval(measures, {}, "id", itself, qrels).values[3] == std::vector<double>{0, 0.5});
  CHECK(trec_eval(measures, {.skip_query_itself = true}, "id", itself, qrels).values[3] == std::vector<double>{0, 1});
  // a query whose results nobody judged is not one that the run lacks
  const std::vector<Judgement> two = {{"2", "a", 1}, {"3", "a", 1}};
  const std::vector<Result> unjudged = {{"2", "a", 1}, {"3", "x", 1}};
  CHECK(trec_eval(measures, {.version = TrecVersion::v10, .judged_only = true}, "id", unjudged, two).values[3] == std::vector<double>{1, 0});

  CHECK(trec_eval(measures, {.most = 1}, "id", run, qrels).values[3] == std::vector<double>{0, 1});         // -M
  CHECK(trec_eval(measures, {.judged_only = true}, "id", run, qrels).values[3] == std::vector<double>{1, 1});  // -J
}

// What trec_eval 9 prints for the judgements and the run that come with it, -q -c -m set, which goes by counts alone: test/out.test.aqc.
TEST_CASE("a query that the run lacks, as trec_eval's own test has it") {
  std::vector<Judgement> qrels;
  std::vector<Result> run;
  const auto query = [&](const char* id, int relevant, int found, int returned) {
    for (int i = 0; i < relevant; ++i) qrels.push_back({id, "r" + std::to_string(i), 1});
    for (int i = 0; i < found; ++i) run.push_back({id, "r" + std::to_string(i), 1});
    for (int i = found; i < returned; ++i) run.push_back({id, "x" + std::to_string(i), 1});
  };
  query("301", 474, 71, 500);
  query("302", 77, 0, 0);
  query("303", 10, 6, 84);
  const auto lines = [](const std::string& query_id, const std::vector<std::pair<const char*, const char*>>& values) {
    std::string text;
    for (const auto& [name, value] : values)
      text += name + std::string(22 - std::string(name).size(), ' ') + "\t" + query_id + "\t" + value + "\n";
    return text;
  };
  CHECK(printed(trec_eval(named({"set"}), {.complete = true}, "STANDARD", run, qrels)) ==
        lines("301", {{"num_ret", "500"}, {"num_rel", "474"}, {"num_rel_ret", "71"}, {"utility", "-358.0000"}, {"set_P", "0.1420"},
                      {"set_relative_P", "0.1498"}, {"set_recall", "0.1498"}, {"set_map", "0.0213"}, {"set_F", "0.1458"}}) +
            lines("303", {{"num_ret", "84"}, {"num_rel", "10"}, {"num_rel_ret", "6"}, {"utility", "-72.0000"}, {"set_P", "0.0714"},
                          {"set_relative_P", "0.6000"}, {"set_recall", "0.6000"}, {"set_map", "0.0429"}, {"set_F", "0.1277"}}) +
            lines("all", {{"runid", "STANDARD"}, {"num_q", "3"}, {"num_ret", "584"}, {"num_rel", "561"}, {"num_rel_ret", "77"},
                          {"utility", "-143.3333"}, {"set_P", "0.0711"}, {"set_relative_P", "0.2499"}, {"set_recall", "0.2499"},
                          {"set_map", "0.0214"}, {"set_F", "0.0912"}}));
}

// The same script's lines(qrels, run, "made-up", each=False) with the judgements of TREC DL 2020 and the run made here.
TEST_CASE("graded judgements of TREC DL 2020") {
  const char* data = std::getenv("TOWPATH_DATA");
  if (!data) {
    MESSAGE("skipped: set TOWPATH_DATA to the folder of collections");
    return;
  }
  const auto qrels = read_qrels(std::string(data) + "/trec-dl-qrels/qrels.dl20-passage.txt");
  std::vector<Result> run;
  for (Index q = 0; q < qrels.queries.count(); ++q)
    for (const auto& j : qrels.rows.of[static_cast<std::size_t>(q)]) {
      const std::string query(qrels.queries[q]), document(qrels.documents[j.document]);
      const auto h = stream_of(query + " " + document);
      if (h % 3) run.push_back({query, h % 7 ? document : "X" + document, static_cast<double>((h >> 8) % 20) + 4 * static_cast<double>(j.grade)});
    }
  std::vector<Judgement> judgements;
  for (Index q = 0; q < qrels.queries.count(); ++q)
    for (const auto& j : qrels.rows.of[static_cast<std::size_t>(q)])
      judgements.push_back({std::string(qrels.queries[q]), std::string(qrels.documents[j.document]), j.grade});
  const auto report = trec_eval(named({"all_trec"}), {}, "made-up", run, judgements);
  CHECK(difference(report.summary(), text_of(folder + "/dl20")) == "");
}
