#include "towpath/metric/ms_marco.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace {
struct Ranked {
  std::string query, document;
  Index rank;
};
struct Relevant {
  std::string query, document;
};
template <class F>
std::string said(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}
const std::vector<Relevant> reference = {{"1", "10"}, {"1", "11"}, {"2", "20"}, {"3", "30"}, {"4", "40"}};
}  // namespace

TEST_CASE("the rank that is stated counts, and the divisor is the reference") {
  const std::vector<Ranked> run = {{"1", "11", 2}, {"1", "10", 3}, {"2", "20", 4}, {"3", "30", 11}, {"9", "1", 1}};
  const auto m = ms_marco(run, reference);
  CHECK(m.mrr == Approx((0.5 + 0.25) / 4));  // 30 lies beyond the cut, 4 is not ranked, 9 has no judgement; ranks 1 to 3 of query 2 are gaps
  CHECK(m.queries == 4);
  CHECK(m.queries_ranked == 4);
  CHECK(m.complaints.empty());
  CHECK(ms_marco(run, reference, 11).mrr == Approx((0.5 + 0.25 + 1.0 / 11) / 4));
  CHECK(ms_marco(std::vector<Ranked>{{"01", "0011", 1}}, reference).mrr == 0.25);  // numbers, not strings
}

TEST_CASE("a line with the same rank takes the place over") {
  CHECK(ms_marco(std::vector<Ranked>{{"2", "20", 1}, {"2", "21", 1}}, reference).mrr == 0);
  CHECK(ms_marco(std::vector<Ranked>{{"2", "21", 1}, {"2", "20", 1}}, reference).mrr == 0.25);
}

TEST_CASE("empty places hold passage 0") {
  const std::vector<Relevant> zero = {{"1", "0"}};
  CHECK(ms_marco(std::vector<Ranked>{{"1", "5", 1}}, zero).mrr == 0.5);
  const std::vector<Relevant> two = {{"1", "0"}, {"2", "0"}};
  CHECK(ms_marco(std::vector<Ranked>{{"2", "5", 1}}, two).mrr == 0.25);  // a query that is not ranked has no places
}

TEST_CASE("ranks out of order: 0 is the last place, as Python counts, and 1001 none") {
  CHECK(ms_marco(std::vector<Ranked>{{"2", "20", 0}}, reference).mrr == 0);
  CHECK(ms_marco(std::vector<Ranked>{{"2", "20", 0}}, reference, 1000).mrr == Approx(1.0 / 1000 / 4));
  CHECK(ms_marco(std::vector<Ranked>{{"2", "20", -999}}, reference).mrr == 0.25);
  CHECK(said([] { ms_marco(std::vector<Ranked>{{"2", "20", 1001}}, reference); }) ==
        "MS MARCO's script does not take rank 1001 of query 2: it has places for 1000. Cut the ranking there");
}

TEST_CASE("a passage that comes twice is complained of and scored") {
  const auto m = ms_marco(std::vector<Ranked>{{"2", "7", 1}, {"2", "7", 2}, {"2", "20", 3}, {"1", "0", 1}, {"1", "0", 2}}, reference);
  CHECK(m.mrr == Approx(1.0 / 3 / 4));
  CHECK(m.complaints == std::vector<std::string>{"query 2 ranks passage 7 more than once"});
}

// Made with ms_marco_eval.py (microsoft/MSMARCO-Passage-Ranking 2ec0d6f) from the same lines; it prints every digit.
TEST_CASE("a ranking full of ties, gaps and repetitions, against the script") {
  std::vector<Relevant> relevant;
  std::vector<Ranked> run;
  for (int q = 0; q < 40; ++q)
    for (int p = 0; p < 1 + q % 3; ++p) relevant.push_back({std::to_string(q), std::to_string((q * 7 + p * 5) % 30)});
  for (int i = 0; i < 500; ++i) {
    const int q = i * 17 % 45;  // 40 to 44 have no judgement
    if (q % 9 == 4) continue;   // not ranked
    run.push_back({std::to_string(q), std::to_string((i * i + 3) % 30), i * 7 % 13 % 9});  // rank 0 among them, and ranks twice
  }
  const auto m = ms_marco(run, relevant);
  CHECK(m.mrr == 0.20124007936507934);
  CHECK(m.queries_ranked == 40);
  CHECK(m.complaints.back() == "query 28 ranks passage 19 more than once");
}

TEST_CASE("ids that are no numbers") {
  CHECK(said([] { ms_marco(std::vector<Ranked>{{"q2", "20", 1}}, reference); }) ==
        "MS MARCO's script does not take the query q2: its ids are whole numbers. Use trec_eval's measures for this collection");
  CHECK(said([] { ms_marco(std::vector<Ranked>{}, std::vector<Relevant>{}); }) ==
        "MS MARCO's script cannot divide by the queries of the reference: there are none. Give it judgements");
  for (const auto& run : {std::vector<Ranked>{}, std::vector<Ranked>{{"9", "10", 1}}})
    CHECK(said([&] { ms_marco(run, reference); }) ==
          "MS MARCO's script does not score this ranking: it ranks no query of the reference. Look whether they name queries alike");
}
