#include "towpath/ir/flat_index.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>
#include <numeric>

using namespace towpath;

namespace {

using Env = Cpu<float>;

// Small whole numbers, so that products are exact and ties are many.
Tensor<Env> vectors(Index n, Index width, std::uint64_t seed, std::uint64_t kinds = 3) {
  Tensor<Env> t(n, width);
  Random random(seed, 0);
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(random.below(kinds)) - 1;
  return t;
}
double dot(View<Env> a, Index i, View<Env> b, Index j) {
  double s = 0;
  for (Index c = 0; c < a.columns; ++c) s += double(a.row(i)[c]) * double(b.row(j)[c]);
  return s;
}
std::vector<Hit> brute_force(View<Env> passages, View<Env> queries, Index q, Index k) {
  std::vector<Hit> all;
  for (Index p = 0; p < passages.rows; ++p) all.push_back({p, dot(queries, q, passages, p)});
  std::stable_sort(all.begin(), all.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
  all.resize(static_cast<std::size_t>(std::min(k, passages.rows)));
  return all;
}
bool same(const std::vector<Hit>& a, const std::vector<Hit>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Hit& x, const Hit& y) { return x.id == y.id && x.score == y.score; });
}
template <class F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the k best are those of a full sort, ties in the order of adding") {
  const Tensor<Env> passages = vectors(500, 6, 1), queries = vectors(7, 6, 2);
  FlatIndex index{6};
  index.add(passages);
  CHECK(index.size() == 500);
  for (Index k : {1, 2, 10, 100, 499, 500}) {
    const auto found = index.search_all(queries, k);
    REQUIRE(found.size() == 7);
    for (Index q = 0; q < 7; ++q) CHECK(same(found[static_cast<std::size_t>(q)], brute_force(passages, queries, q, k)));
  }
}

TEST_CASE("many blocks, filled in pieces of any size") {
  constexpr Index n = 2 * FlatIndex<>::block_rows + 777;
  const Tensor<Env> passages = vectors(n, 3, 3), queries = vectors(3, 3, 4);
  FlatIndex index{3, {.threads = 2}};
  Index added = 0;
  for (Index piece : {1, 4094, 2, 3000, 1}) {
    index.add(passages.view().row_block(added, piece));
    added += piece;
  }
  index.add(passages.view().row_block(added, n - added));
  REQUIRE(index.size() == n);
  for (Index k : {1, 50, 5000}) {
    const auto found = index.search_all(queries, k);
    for (Index q = 0; q < 3; ++q) CHECK(same(found[static_cast<std::size_t>(q)], brute_force(passages, queries, q, k)));
  }
}

TEST_CASE("more wanted than there are, none wanted, an empty index, an empty search") {
  const Tensor<Env> passages = vectors(5, 4, 1), query = vectors(1, 4, 2);
  FlatIndex index{4};
  CHECK(index.search(query, 10).empty());
  CHECK(index.size() == 0);
  index.add(passages);
  CHECK(same(index.search(query, 10), brute_force(passages, query, 0, 10)));
  CHECK(index.search(query, 10).size() == 5);
  CHECK(index.search(query, 0).empty());
  index.add(Tensor<Env>(0, 4));
  CHECK(index.size() == 5);
  CHECK(index.search_all(passages.view().row_block(0, 0), 3).empty());
}

TEST_CASE("all scores equal: the first k that were added") {
  FlatIndex index{2};
  index.add(Tensor<Env>(10, 2));
  const auto found = index.search(vectors(1, 2, 1), 4);
  for (Index i = 0; i < 4; ++i) CHECK(found[static_cast<std::size_t>(i)].id == i);
}

TEST_CASE("a strided view, and an index of doubles") {
  const Tensor<Env> wide = vectors(20, 9, 1), query = vectors(1, 4, 2);
  FlatIndex index{4};
  index.add(wide.view().column_block(3, 4));
  Tensor<Env> narrow(20, 4);
  for (Index r = 0; r < 20; ++r)
    for (Index c = 0; c < 4; ++c) narrow.data()[r * 4 + c] = wide.view().row(r)[c + 3];
  CHECK(same(index.search(query, 6), brute_force(narrow, query, 0, 6)));

  FlatIndex<Cpu<double>> precise{2};
  Tensor<Cpu<double>> two(2, 2);
  two.data()[0] = 1;
  two.data()[2] = 1 + 1e-12;
  precise.add(two);
  CHECK(precise.search(two, 1).front().id == 1);
}

TEST_CASE("widths that do not fit are refused") {
  FlatIndex index{4};
  CHECK(refusal([&] { index.add(vectors(2, 5, 1)); }) == "vectors of width 5 cannot be added: the index was made for width 4");
  CHECK(refusal([&] { index.search(vectors(1, 3, 1), 1); }) == "a query of width 3 cannot be searched: the index was made for width 4");
  CHECK(refusal([] { FlatIndex<> none{0}; }) == "an index of width 0: vectors have at least one column");
}
