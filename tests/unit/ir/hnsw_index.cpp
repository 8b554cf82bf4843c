#if __has_include(<hnswlib/hnswlib.h>)
#include "towpath/ir/hnsw_index.hpp"

#include "towpath/base/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

using namespace towpath;

namespace {

using Env = Cpu<float>;

// Unit vectors in groups, as embeddings are.
Tensor<Env> vectors(Index n, Index width, std::uint64_t seed) {
  Tensor<Env> t(n, width);
  Random centres(7, 0), random(seed, 0);
  std::vector<float> centre(static_cast<std::size_t>(20 * width));
  for (float& x : centre) x = static_cast<float>(2 * centres.uniform() - 1);
  for (Index i = 0; i < n; ++i) {
    const auto group = static_cast<Index>(random.below(20));
    double squares = 0;
    for (Index c = 0; c < width; ++c) {
      float& x = t.writable().row(i)[c];
      x = centre[static_cast<std::size_t>(group * width + c)] + static_cast<float>(2 * random.uniform() - 1);
      squares += static_cast<double>(x) * static_cast<double>(x);
    }
    for (Index c = 0; c < width; ++c) t.writable().row(i)[c] *= static_cast<float>(1 / std::sqrt(squares));
  }
  return t;
}
bool same(const std::vector<std::vector<Hit>>& a, const std::vector<std::vector<Hit>>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t q = 0; q < a.size(); ++q) {
    const auto equal = [](const Hit& x, const Hit& y) { return x.id == y.id && x.score == y.score; };
    if (!std::equal(a[q].begin(), a[q].end(), b[q].begin(), b[q].end(), equal)) return false;
  }
  return true;
}
double recall(const std::vector<std::vector<Hit>>& found, const std::vector<std::vector<Hit>>& exact) {
  double hit = 0, all = 0;
  for (std::size_t q = 0; q < exact.size(); ++q) {
    std::set<Index> ids;
    for (const Hit& h : exact[q]) ids.insert(h.id);
    for (const Hit& h : found[q]) hit += static_cast<double>(ids.count(h.id));
    all += static_cast<double>(exact[q].size());
  }
  return hit / all;
}
template <class F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return {};
}

}  // namespace

TEST_CASE(
    "nearly all of what an exact search finds, with its scores, more with a larger ef; the same on any number of "
    "threads") {
  const Tensor<Env> passages = vectors(3000, 40, 1), queries = vectors(60, 40, 2);
  FlatIndex exact{40};
  exact.add(passages);
  HnswIndex index{40, {.m = 8, .ef_construction = 100, .ef = 10}, {.threads = 1}};
  index.add(passages);
  CHECK(index.size() == 3000);
  const auto right = exact.search_all(queries, 10), few = index.search_all(queries, 10);
  HnswIndex careful{40, {.ef = 400}, {.threads = 3}}, again{40, {.ef = 400}, {.threads = 1}};
  careful.add(passages);
  for (Index added = 0, piece = 1; added < 3000; added += piece, piece = std::min<Index>(3000 - added, 1500))
    again.add(passages.view().row_block(added, piece));
  const auto many = careful.search_all(queries, 10);
  CHECK(recall(few, right) > 0.6);
  CHECK(recall(many, right) >= recall(few, right));
  CHECK(recall(many, right) > 0.99);
  CHECK(same(many, again.search_all(queries, 10)));
  for (std::size_t q = 0; q < many.size(); ++q) {
    REQUIRE(many[q].size() == 10);
    CHECK(many[q][0].score == doctest::Approx(right[q][0].score).epsilon(1e-6));
    for (std::size_t i = 1; i < 10; ++i) CHECK(many[q][i - 1] < many[q][i]);
  }
}

TEST_CASE("a graph built on several threads finds as much") {
  const Tensor<Env> passages = vectors(2000, 16, 1), queries = vectors(30, 16, 2);
  FlatIndex exact{16};
  exact.add(passages);
  HnswIndex index{16, {.build_threads = 3}};
  index.add(passages);
  CHECK(recall(index.search_all(queries, 10), exact.search_all(queries, 10)) > 0.95);
}

TEST_CASE("saved and loaded, a graph finds the same and can be added to") {
  const Tensor<Env> passages = vectors(1500, 12, 1), queries = vectors(20, 12, 2);
  HnswIndex index{12};
  index.add(passages.view().row_block(0, 1400));
  index.save("graph.hnsw");
  CHECK(!std::filesystem::exists("graph.hnsw.partial"));
  auto loaded = HnswIndex<>::load("graph.hnsw", 12);
  CHECK(loaded.size() == 1400);
  CHECK(same(loaded.search_all(queries, 7), index.search_all(queries, 7)));
  loaded.add(passages.view().row_block(1400, 100));
  CHECK(loaded.size() == 1500);
  CHECK(loaded.search(passages.view().row_block(1450, 1), 1).front().id == 1450);

  CHECK(refusal([] { HnswIndex<>::load("graph.hnsw", 13); }).find("its vectors are of width 12, not 13") !=
        std::string::npos);
  CHECK(refusal([] { HnswIndex<>::load("no such file", 12); }).find("cannot read no such file: hnswlib says: ") !=
        std::string::npos);
  std::filesystem::resize_file("graph.hnsw", std::filesystem::file_size("graph.hnsw") / 2);
  CHECK(refusal([] { HnswIndex<>::load("graph.hnsw", 12); }).find("cannot read graph.hnsw") != std::string::npos);
  CHECK(refusal([&] { index.save("no such folder/graph"); }).find("cannot write no such folder/graph") !=
        std::string::npos);
  std::filesystem::remove("graph.hnsw");
}

TEST_CASE("nothing added, nothing wanted, more wanted than there are, widths that do not fit") {
  HnswIndex index{4};
  const Tensor<Env> passages = vectors(5, 4, 1);
  CHECK(index.search(passages, 3).empty());
  index.add(passages.view().row_block(0, 0));
  index.add(passages);
  CHECK(index.search(passages, 0).empty());
  const auto all = index.search(passages, 10);
  REQUIRE(all.size() == 5);
  CHECK(all.front().id == 0);
  CHECK(refusal([&] { index.add(vectors(2, 5, 1)); }) ==
        "vectors of width 5 cannot be added: the index was made for width 4");
  CHECK(refusal([&] { index.search(vectors(1, 3, 1), 1); }) ==
        "a query of width 3 cannot be searched: the index was made for width 4");
  CHECK(refusal([] { HnswIndex<> none{0}; }) == "an index of width 0: vectors have at least one column");
  CHECK(refusal([] {
          HnswIndex<> none{4, {.m = 1}};
        }) ==
        "a graph of m 1, ef_construction 200 and ef 100: vectors need at least 2 neighbours and searches at least one "
        "candidate");
}

#else
#include <doctest/doctest.h>

TEST_CASE("HnswIndex") { MESSAGE("skipped: hnswlib was not found ('apt-get install libhnswlib-dev')"); }
#endif
