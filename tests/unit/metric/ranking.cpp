#include "towpath/metric/ranking.hpp"

#include "lines.hpp"

#include "towpath/base/random.hpp"
#include "towpath/data/trec.hpp"

#include <array>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace {

struct Hit {
  Index id;
  float score = 0;
};

template <class F>
std::string said(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}

// The folder of real collections, or empty: then the test says that it did not run.
std::string collections() {
  const char* folder = std::getenv("TOWPATH_DATA");
  if (!folder) MESSAGE("skipped: set TOWPATH_DATA to the folder of collections");
  return folder ? folder : "";
}

constexpr double printed = 1e-9;  // the literals below are means in another order of summation

}  // namespace

TEST_CASE("nDCG by hand: gain is the grade, the discount log2(rank + 1), the ideal all that was judged") {
  const std::vector<Index> ranked = {0, 2, 3, 0, 1}, judged = {3, 2, 1, 1, 0, -1};
  const double dcg = 2 / std::log2(3.0) + 3 / 2.0 + 1 / std::log2(6.0);
  const double ideal = 3 + 2 / std::log2(3.0) + 1 / 2.0 + 1 / std::log2(5.0);
  CHECK(ndcg(ranked, judged) == Approx(dcg / ideal).epsilon(1e-14));
  CHECK(ndcg(ranked, judged, 2) == Approx((2 / std::log2(3.0)) / (3 + 2 / std::log2(3.0))).epsilon(1e-14));
  CHECK(ndcg(ranked, judged, 1) == 0);
  CHECK(ndcg(ranked, judged, 100) == ndcg(ranked, judged));
  CHECK(ndcg(judged, judged) == 1);
  CHECK(ndcg(ranked, std::vector<Index>{0, -1}) == 0);
  CHECK(ndcg({}, judged) == 0);
  CHECK(ndcg({}, {}) == 0);
  CHECK(ndcg(std::vector<Index>{-2, 1}, std::vector<Index>{1, -2}) ==
        Approx(1 / std::log2(3.0)));  // a bad document costs its place, no more
}

TEST_CASE("the binary measures by hand") {
  const std::vector<Index> ranked = {0, 1, 0, 2}, judged = {1, 2, 1, 0};
  CHECK(reciprocal_rank(ranked) == 0.5);
  CHECK(reciprocal_rank(ranked, 1) == 0);
  CHECK(reciprocal_rank(ranked, whole_list, 2) == 0.25);
  CHECK(average_precision(ranked, judged) == Approx((1 / 2.0 + 2 / 4.0) / 3));
  CHECK(average_precision(ranked, judged, 2) == Approx((1 / 2.0) / 3));
  CHECK(average_precision(ranked, judged, whole_list, 2) == 0.25);
  CHECK(capped_average_precision(ranked, judged, 2) == Approx((1 / 2.0) / 2));  // two of the three are all that two ranks hold
  CHECK(capped_average_precision(ranked, judged, 4) == average_precision(ranked, judged, 4));
  CHECK(capped_average_precision(ranked, judged, whole_list, 2) == 0.25);
  CHECK(capped_average_precision(std::vector<Index>{1, 1}, std::vector<Index>{1, 1, 1}, 2) == 1);
  CHECK(average_precision(std::vector<Index>{1, 1}, std::vector<Index>{1, 1, 1}, 2) == Approx(2.0 / 3));
  CHECK(capped_average_precision(ranked, std::vector<Index>{0}, 2) == 0);
  CHECK(recall(ranked, judged, 2) == Approx(1.0 / 3));
  CHECK(recall(ranked, judged) == Approx(2.0 / 3));
  CHECK(recall(ranked, std::vector<Index>{0}) == 0);
  CHECK(precision(ranked, 2) == 0.5);
  CHECK(precision(ranked, 10) == 0.2);
  CHECK(precision(ranked) == 0.5);
  CHECK(precision({}) == 0);
  CHECK(success(ranked, 1) == 0);
  CHECK(success(ranked, 2) == 1);
  CHECK(success(ranked, 2, 2) == 0);
  CHECK(recall(ranked, judged, 0) == 0);
  CHECK(precision(ranked, 0) == 0);
  CHECK(capped_average_precision(ranked, judged, 0) == 0);
  CHECK(reciprocal_rank(std::vector<Index>{0, 1}, whole_list, 0) == 0.5);  // level 0 does not make grade 0 relevant
}

TEST_CASE("measures have the names that papers print") {
  CHECK(measure::ndcg(10).name() == "nDCG@10");
  CHECK(measure::mrr(10).name() == "MRR@10");
  CHECK(measure::map().name() == "MAP");
  CHECK(measure::capped_map(10).name() == "MAP_cap@10");
  CHECK(measure::recall(100).name() == "Recall@100");
  CHECK(measure::precision(5).name() == "P@5");
  CHECK(measure::success(1).name() == "Success@1");
}

TEST_CASE("means over hits with numbers for ids") {
  MeanReciprocalRank mrr{.cut = 10};
  CHECK(mrr.value() == 0);
  const std::vector<Hit> hits = {{7}, {3}, {9}};
  mrr.add(hits, std::vector<Index>{9, 3});
  mrr.add(std::array<Hit, 2>{{{1}, {2}}}, std::vector<int>{1});
  mrr.add(hits, std::vector<Index>{});
  mrr.add(std::vector<Hit>{}, std::vector<Index>{4});
  CHECK(mrr.value() == Approx((0.5 + 1) / 4));
  CHECK(mrr.queries == 4);
  std::vector<Hit> late(11, Hit{1});
  late[10].id = 2;
  MeanReciprocalRank cut{.cut = 10};
  cut.add(late, std::vector<Index>{2});
  CHECK(cut.value() == 0);

  MeanOf all{measure::recall(2)}, gain{measure::ndcg(10)};
  all.add(hits, std::vector<Index>{7, 9, 9});  // 9 named twice is one document
  CHECK(all.value() == 0.5);
  gain.add(std::vector<Hit>{{5}, {5}, {5}}, std::vector<Index>{5, 6});  // 5 returned thrice is found once
  CHECK(gain.value() == Approx(1 / (1 + 1 / std::log2(3.0))));
}

TEST_CASE("ties and the type of scores decide the order") {
  const std::vector<Judgement> qrels = {{"q", "d2", 1}};
  const std::vector<Result> run = {{"q", "d1", 2.0}, {"q", "d2", 2.0}, {"q", "d10", 2.0}, {"q", "d3", 1.0}};
  const auto mrr = [&](const std::vector<Result>& r, Protocol p) {
    return evaluate(r, qrels, {measure::mrr()}, p).mean(measure::mrr());
  };
  CHECK(mrr(run, {}) == 1.0);  // "d2" > "d10" > "d1", byte by byte
  CHECK(mrr(run, {.order = ties::file_order}) == 0.5);
  CHECK(mrr(run, {.order = ties::ascending}) == Approx(1.0 / 3));
  const std::vector<Result> near = {{"q", "d1", 1000.000001}, {"q", "d2", 1000.0}};
  CHECK(mrr(near, {}) == 1.0);  // a tie between floats
  CHECK(mrr(near, {.compare = scores::float64}) == 0.5);
  const std::vector<Result> bytes = {{"q", "d2", 1},
                                     {"q", "\xc3\xa9", 1}};  // bytes from 128 on are greater, as for strcmp
  CHECK(mrr(bytes, {}) == 0.5);
  CHECK(mrr(bytes, {.order = ties::ascending}) == 1);
}

TEST_CASE("which queries a mean goes over") {
  const std::vector<Judgement> qrels = {{"a", "d1", 1}, {"b", "d1", 1}, {"none relevant", "d1", 0}};
  const std::vector<Result> run = {{"a", "d1", 1}, {"unjudged", "d1", 1}, {"none relevant", "d1", 1}};
  const auto both = evaluate(run, qrels, {measure::mrr(10), measure::recall(5)});
  CHECK(both.queries == std::vector<std::string>{"a", "none relevant"});
  CHECK(both.of(measure::mrr(10)) == std::vector<double>{1, 0});
  CHECK(both.mean(measure::mrr(10)) == 0.5);
  const auto all = evaluate(run, qrels, {measure::mrr(10)}, {.mean_over = topics::judged});
  CHECK(all.queries == std::vector<std::string>{"a", "b", "none relevant"});
  CHECK(all.mean(measure::mrr(10)) == Approx(1.0 / 3));
  CHECK(evaluate(std::vector<Result>{}, qrels, {measure::mrr(10)}).mean(measure::mrr(10)) == 0);
  CHECK(said([&] { both.mean(measure::map()); }) == "MAP was not evaluated. Name it in the call to evaluate()");

  const std::vector<Result> self = {{"a", "a", 9}, {"a", "d1", 1}, {"b", "b", 1}};
  CHECK(evaluate(self, qrels, {measure::mrr()}).mean(measure::mrr()) == 0.25);
  CHECK(evaluate(self, qrels, {measure::mrr()}, protocol::beir).of(measure::mrr()) ==
        std::vector<double>{1, 0});
}

TEST_CASE("what has no right order is refused") {
  const std::vector<Judgement> qrels = {{"q", "d", 1}};
  CHECK(said([&] {
          evaluate(std::vector<Result>{{"q", "d", 1}, {"q", "d", 2}}, qrels, {measure::map()});
        }) == "cannot evaluate query q: its run names document d twice. Keep the better of the two");
  CHECK(said([&] {
          evaluate(std::vector<Result>{{"q", "d", std::nan("")}}, qrels, {measure::map()});
        }) == "cannot evaluate query q: the score of document d is not a number. Look for what divided by zero");
  CHECK(said([&] {
          evaluate(std::vector<Result>{}, std::vector<Judgement>{{"q", "d", 1}, {"q", "d", 0}}, {measure::map()});
        }) == "cannot evaluate query q: its judgements name document d twice. Keep one of the lines");
}

// pytrec_eval 0.5 (trec_eval 9) on the same three queries.
TEST_CASE("negative grades and queries without a relevant document, against pytrec_eval") {
  const std::vector<Judgement> qrels = {{"a", "d1", 0}, {"a", "d2", 0}, {"b", "d1", -1},
                                        {"b", "d2", 2}, {"b", "d3", 1}, {"c", "d1", 1}};
  const std::vector<Result> run = {{"a", "d1", 1}, {"b", "d1", 3}, {"b", "d2", 2}, {"b", "x", 2},
                                   {"b", "d3", 1}, {"c", "zz", 1}, {"c", "d1", 1}};
  const auto e = evaluate(
      run, qrels,
      {measure::map(), measure::mrr(), measure::precision(5), measure::recall(5), measure::ndcg(), measure::ndcg(3)});
  const double expected[6][3] = {{0, 0.41666666666666663, 0.5},
                                 {0, 0.3333333333333333, 0.5},
                                 {0, 0.4, 0.2},
                                 {0, 1, 1},
                                 {0, 0.543791241910304, 0.6309297535714575},
                                 {0, 0.38009376671593426, 0.6309297535714575}};
  for (std::size_t m = 0; m < 6; ++m)
    for (std::size_t q = 0; q < 3; ++q) CHECK(e.values[m][q] == Approx(expected[m][q]).epsilon(1e-14));
}

// pytrec_eval-terrier 0.5.11 (trec_eval 9) on the BM25 runs of the collections, mean over run ∩ qrels; the figures over all
// qrels and in the order of the file come from a dozen lines of Python.
TEST_CASE("BM25 runs of real collections, against pytrec_eval") {
  const std::string folder = collections();
  if (folder.empty()) return;
  const auto check = [&](const char* name, const char* qrels, double n, std::array<double, 9> expected) {
    CAPTURE(name);
    const std::vector<Measure> m = {measure::precision(10), measure::map(),    measure::map(10),
                                    measure::ndcg(),        measure::ndcg(10), measure::recall(10),
                                    measure::recall(100),   measure::mrr(),    measure::success(10)};
    const auto e = evaluate(read_run(folder + "/" + name + "/runs/bm25.test.trec.gz"),
                            read_qrels(folder + "/" + name + "/qrels/" + qrels), m);
    CHECK(static_cast<double>(e.queries.size()) == n);
    for (std::size_t i = 0; i < m.size(); ++i) {
      CAPTURE(m[i].name());
      CHECK(std::abs(e.mean(m[i]) - expected[i]) < printed);
    }
  };
  check("scifact", "test.tsv", 300,
        {0.088, 0.631390135073763, 0.6255460317460317, 0.6945230403606623, 0.6708351917939982, 0.7949444444444445,
         0.8953333333333334, 0.6425282569568801, 0.8166666666666667});
  check("openstax-glossary", "test.txt", 955,
        {0.02659685863874346, 0.13645768083906276, 0.12861762098673094, 0.19970799934356018, 0.15741902228549023,
         0.24528795811518325, 0.4434904013961605, 0.1408025602488356, 0.2554973821989529});
  check("medquad-short", "test.txt", 1406,
        {0.0844950213371266, 0.4775223068472716, 0.4729261686498529, 0.5736061024706146, 0.553556271234348,
         0.7967503217503218, 0.8854314841156947, 0.485065288367459, 0.8072546230440967});
  check("squad-dev-retrieval", "test.txt", 1882,
        {0.09697130712008503, 0.880727592380665, 0.8795480997925207, 0.9072197600807322, 0.9019228434819777,
         0.9697130712008502, 0.9936238044633369, 0.880727592380665, 0.9697130712008502});
}

TEST_CASE("the same runs over all judged queries, and with ties in the order of the file") {
  const std::string folder = collections();
  if (folder.empty()) return;
  const Measure m = measure::ndcg(10), r = measure::mrr(10);
  const auto check = [&](const char* name, Protocol p, double gain, double rank) {
    CAPTURE(name);
    const auto e = evaluate(read_run(folder + "/" + name + "/runs/bm25.test.trec.gz"),
                            read_qrels(folder + "/" + name + "/qrels/test.txt"), {m, r}, p);
    CHECK(std::abs(e.mean(m) - gain) < printed);
    CHECK(std::abs(e.mean(r) - rank) < printed);
  };
  check("openstax-glossary", {.mean_over = topics::judged}, 0.13458833149744234, 0.11379261343451143);
  check("openstax-glossary", {.order = ties::file_order}, 0.1577146624986428, 0.1338772542175684);
  check("openstax-glossary", {.order = ties::file_order, .mean_over = topics::judged}, 0.13484109461611804,
        0.11446085745548597);
  check("medquad-short", {.order = ties::file_order}, 0.5538616617844855, 0.48162100069994845);
  check("squad-dev-retrieval", {.mean_over = topics::judged}, 0.9009653882341222, 0.8786143969264985);
  check("squad-dev-retrieval", {.order = ties::file_order}, 0.9015211384079074, 0.8790072617782497);
}

// ir_measures 0.4.3: calc_aggregate([nDCG@10, RR, RR@10], qrels, run), and msmarco.calc_aggregate([RR, RR@10], qrels, run). The scores have ties.
TEST_CASE("the same runs as ir_measures has them") {
  const std::string folder = collections();
  if (folder.empty()) return;
  const Measure gain = measure::ndcg(10), rank = measure::mrr(), cut = measure::mrr(10);
  const auto check = [&](const char* name, std::array<double, 3> usual, std::array<double, 2> marco) {
    CAPTURE(name);
    const auto run = read_run(folder + "/" + name + "/runs/bm25.test.trec.gz");
    const auto qrels = read_qrels(folder + "/" + name + "/qrels/test.txt");
    const auto a = evaluate(run, qrels, {gain, rank}, protocol::ir_measures), b = evaluate(run, qrels, {rank, cut}, protocol::ir_measures_ms_marco);
    CHECK(std::abs(a.mean(gain) - usual[0]) < printed);
    CHECK(std::abs(a.mean(rank) - usual[1]) < printed);
    CHECK(std::abs(b.mean(cut) - usual[2]) < printed);  // its own choice where there is a cut
    CHECK(std::abs(b.mean(rank) - marco[0]) < printed);
    CHECK(std::abs(b.mean(cut) - marco[1]) < printed);
  };
  check("openstax-glossary", {0.13458833149744234, 0.12038177711516392, 0.11519340353270524}, {0.12193522281632056, 0.11519340353270524});
  check("medquad-short", {0.5535562712343464, 0.4850652883674596, 0.48162100069994845}, {0.48564194567440316, 0.48162100069994845});
}

// EvaluateRetrieval.evaluate(qrels, run, [3, 10, 100], ignore_identical_ids) of beir 2.2.0 on scifact's BM25 run, in which each query is put as a
// document of its own: first with 99, with the score of the first for every third, and alone for every seventeenth.
TEST_CASE("a document with the query's own id, as BEIR has it") {
  const std::string folder = collections();
  if (folder.empty()) return;
  const auto bm25 = read_run(folder + "/scifact/runs/bm25.test.trec.gz");
  std::vector<Result> run;
  for (std::size_t q = 0; q < bm25.rows.of.size(); ++q) {
    const std::string query(bm25.queries[static_cast<Index>(q)]);
    run.push_back({query, query, (q + 1) % 3 ? 99 : bm25.rows.of[q][0].score});
    for (const auto& c : bm25.rows.of[q])
      if ((q + 1) % 17) run.push_back({query, std::string(bm25.documents[c.document]), c.score});
  }
  const auto qrels = read_qrels(folder + "/scifact/qrels/test.tsv");
  std::vector<Judgement> judged;
  for (std::size_t q = 0; q < qrels.rows.of.size(); ++q)
    for (const auto& j : qrels.rows.of[q])
      judged.push_back({std::string(qrels.queries[static_cast<Index>(q)]), std::string(qrels.documents[j.document]), j.grade});
  const auto check = [&](const Protocol& p, std::array<double, 5> expected) {
    const std::vector<Measure> m = {measure::ndcg(10), measure::map(100), measure::recall(10), measure::precision(10), measure::precision(3)};
    const auto e = evaluate(run, judged, m, p);
    CHECK(e.queries.size() == 300);  // those with no other result too
    for (std::size_t i = 0; i < m.size(); ++i) {
      CAPTURE(m[i].name());
      CHECK(std::abs(e.mean(m[i]) - expected[i]) < 0.5e-5 + printed);  // it rounds to five decimals
    }
  };
  check(protocol::beir, {0.62817, 0.59158, 0.74494, 0.08233, 0.22667});
  check(protocol::trec_eval9, {0.44449, 0.35014, 0.73411, 0.08067, 0.21});
}

// TREC DL 2019 judgements (grades 0 … 3) and a made-up run over them, full of ties and of scores that differ only as doubles.
TEST_CASE("graded judgements, against pytrec_eval at two levels") {
  const std::string folder = collections();
  if (folder.empty()) return;
  const auto qrels = read_qrels(folder + "/trec-dl-qrels/qrels.dl19-passage.txt");
  std::vector<Result> run;
  std::vector<Judgement> judged;
  for (Index q = 0; q < qrels.queries.count(); ++q) {
    const std::string query(qrels.queries[q]);
    for (const auto& j : qrels.rows.of[static_cast<std::size_t>(q)]) {
      const std::string document(qrels.documents[j.document]);
      judged.push_back({query, document, j.grade});
      const auto h = stream_of(query + " " + document);
      if (h % 3 == 0) continue;
      run.push_back({query, document,
                     1000.0 + static_cast<double>((h >> 8) % 40) + static_cast<double>(j.grade) * 6 +
                         static_cast<double>((h >> 20) % 4) * 1e-6});
    }
    for (int i = 0; i < 10; ++i) run.push_back({query, "X" + std::to_string(i), 1020.0 + i});
  }
  CHECK(run.size() == 6162 + 43 * 10);
  const std::vector<Measure> m = {measure::precision(10), measure::map(),       measure::map(100), measure::ndcg(),
                                  measure::ndcg(10),      measure::recall(100), measure::mrr(),    measure::success(1)};
  const double one[] = {0.8209302325581397, 0.4308029855191349, 0.3723168131545706, 0.6344165518930714,
                        0.6968576827777563, 0.5653396380853034, 0.9796511627906976, 0.9767441860465116};
  const double two[] = {0.5930232558139535, 0.356591541381956,  0.31661057890086036, 0.6344165518930714,
                        0.6968576827777563, 0.5807189415378733, 0.9525193798449612,  0.9302325581395349};
  const auto a = evaluate(run, judged, m), b = evaluate(run, judged, m, {.level = 2}),
             c = evaluate(run, judged, m, {.compare = scores::float64});
  CHECK(a.queries.size() == 43);
  for (std::size_t i = 0; i < m.size(); ++i) {
    CAPTURE(m[i].name());
    CHECK(std::abs(a.mean(m[i]) - one[i]) < printed);
    CHECK(std::abs(b.mean(m[i]) - two[i]) < printed);
  }
  CHECK(std::abs(c.mean(measure::ndcg(10)) - 0.6983929197134863) < printed);  // as trec_eval 10 orders; from Python
  // MAP@10 twice: map_cut_10 of pytrec_eval, and compute_metrics() of sentence-transformers 5.1.2's InformationRetrievalEvaluator, which was given
  // the documents in trec_eval's order
  const auto d = evaluate(run, judged, {measure::map(10), measure::capped_map(10)});
  CHECK(std::abs(d.mean(measure::map(10)) - 0.1347899927355946) < printed);
  CHECK(std::abs(d.mean(measure::capped_map(10)) - 0.8142552602436323) < printed);
}

TEST_CASE("rows of one collection give what the ids give") {
  const std::string folder = collections();
  if (folder.empty()) return;
  const std::string name = folder + "/openstax-glossary";
  const auto qrels = read_qrels(name + "/qrels/test.txt");
  Ids documents;
  for (Index d = 0; d < qrels.documents.count(); ++d) documents.add(qrels.documents[d]);
  const auto alone = read_run(name + "/runs/bm25.test.trec.gz");
  for (Index d = 0; d < alone.documents.count(); ++d) documents.add(alone.documents[d]);
  const auto run = read_run(name + "/runs/bm25.test.trec.gz", qrels.queries, documents);
  const auto judged = read_qrels(name + "/qrels/test.txt", qrels.queries, documents);
  const auto e = evaluate(run, judged, qrels.queries, documents, {measure::ndcg(10)});
  CHECK(e.queries.size() == 955);
  CHECK(std::abs(e.mean(measure::ndcg(10)) - 0.15741902228549023) < printed);
}
