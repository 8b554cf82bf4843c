#include "towpath/train/rerank.hpp"

#include "pairs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

using namespace small;

namespace {

struct World {
  Collection c{};
  Qrels qrels{};
  Run run{};

  World() {
    write_files();
    for (int i = 0; i < 20; ++i) c.documents.add("d" + std::to_string(i), word(i) + " " + word(i + 3) + (i % 3 ? " " + word(7) : ""));
    for (int i = 0; i < 6; ++i) {
      c.queries.add("q" + std::to_string(i), word(i) + " " + word(i + 3));
      qrels.of.push_back({{i, 1}});
      run.of.emplace_back();
      if (i == 4) continue;
      for (int k = 0; k < 9; ++k) run.of.back().push_back({(i + 2 * k) % 20, k + 1, 5.0 - k / 2});    // ties two by two
    }
    std::reverse(run.of[2].begin(), run.of[2].end());    // a file need not be in the order of its scores
  }
};

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the best candidates of each query come in the order of the model's scores") {
  const World w;
  Env env({.threads = 1});
  Cross model(env);
  initialise(model, 11, Fill::everything);
  const WordPiece words("vocab.txt");
  Reranking rerank(w.c, w.run, words, {.depth = 5, .pairs = {.max_length = 9}, .batch_tokens = 40});
  CHECK(rerank.count() == 25);
  const Run run = rerank(model, env);
  CHECK(run.ranked == 5);
  CHECK(run.pairs == 25);
  CHECK(run.of[4].empty());
  CHECK(rerank.tally().tokens > 25 * 7);
  for (std::size_t q = 0; q < 6; ++q) {
    if (q == 4) continue;
    auto first = w.run.of[q];
    std::stable_sort(first.begin(), first.end(), [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    std::vector<std::pair<double, Index>> expected;
    for (std::size_t k = 0; k < 5; ++k) {
      Ragged one;
      append_pair(one, words, w.c.queries[static_cast<Index>(q)], w.c.documents[first[k].document], 9, Truncation::only_second);
      expected.emplace_back(model.score(env, one).data()[0], first[k].document);
    }
    std::stable_sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    REQUIRE(run.of[q].size() == 5);
    for (std::size_t k = 0; k < 5; ++k) {
      CHECK(run.of[q][k].score == doctest::Approx(expected[k].first).epsilon(1e-5));
      CHECK(run.of[q][k].document == expected[k].second);
      CHECK(run.of[q][k].rank == static_cast<Index>(k) + 1);
    }
  }

  // Neither threads nor what is made ahead change a bit; other batches change the rounding at most.
  Env two({.threads = 2});
  Reranking again(w.c, w.run, words, {.depth = 5, .pairs = {.max_length = 9}, .batch_tokens = 40, .ahead = 0});
  CHECK(again(model, two).of == run.of);

  write_run("reranked.trec", run, w.c.queries.ids, w.c.documents.ids);
  const Run read = read_run("reranked.trec", w.c.queries.ids, w.c.documents.ids);
  for (std::size_t q = 0; q < 6; ++q) {
    REQUIRE(read.of[q].size() == run.of[q].size());
    for (std::size_t k = 0; k < read.of[q].size(); ++k)
      CHECK((read.of[q][k].document == run.of[q][k].document && static_cast<float>(read.of[q][k].score) == static_cast<float>(run.of[q][k].score)));
  }
  CHECK(text_of("reranked.trec").starts_with("q0 Q0 d" + std::to_string(run.of[0][0].document) + " 1 "));
  const Evaluation e = rerank.evaluate(run, w.qrels, {measure::mrr(10)});
  CHECK(e.mean(measure::mrr(10)) > 0);
  CHECK(e.mean(measure::mrr(10)) == rerank.evaluate(read, w.qrels, {measure::mrr(10)}).mean(measure::mrr(10)));
}

TEST_CASE("no candidate, no pair; and what is no number is no ranking") {
  World w;
  Env env({.threads = 1});
  Cross model(env);
  initialise(model, 11, Fill::everything);
  const WordPiece words("vocab.txt");
  for (auto& list : w.run.of) list.clear();
  Reranking nothing(w.c, w.run, words);
  CHECK(nothing(model, env).pairs == 0);
  CHECK_THROWS_WITH(Reranking(w.c, w.run, words, {.depth = 0}), doctest::Contains("depth = 0"));
  w.run.of[1].push_back({3, 1, 1.0});
  for (auto& leaf : trained_leaves(model))
    if (leaf.name == "classifier.bias") leaf.owned->data()[0] = std::nanf("");
  Reranking broken(w.c, w.run, words);
  CHECK_THROWS_WITH(broken(model, env), doctest::Contains("the score of query \"q1\" and document \"d3\" is no finite number"));
}
