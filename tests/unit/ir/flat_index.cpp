#include "towpath/ir/flat_index.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
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
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const Hit& x, const Hit& y) {
           return x.id == y.id && x.score == y.score;
         });
}
template <class F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
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

namespace {

// A vector's numbers as an index in Storage holds them.
template <class Storage>
std::vector<double> held(const float* x, Index width) {
  std::vector<double> all(x, x + width);
  if constexpr (std::is_same_v<Storage, std::int8_t>) {
    float most = 0;
    for (Index c = 0; c < width; ++c) most = std::max(most, std::fabs(x[c]));
    for (Index c = 0; c < width; ++c)
      all[static_cast<std::size_t>(c)] =
          most > 0 ? std::round(static_cast<double>(x[c] * (127 / most))) * static_cast<double>(most) / 127 : 0;
  } else {
    for (double& v : all) v = static_cast<double>(static_cast<float>(static_cast<Storage>(static_cast<float>(v))));
  }
  return all;
}
Tensor<Env> numbers(Index n, Index width, std::uint64_t seed) {
  Tensor<Env> t(n, width);
  Random random(seed, 1);
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(2 * random.uniform() - 1);
  return t;
}
// Found are those of a full sort, except that what is equal but for rounding may be exchanged: each score is that of its passage, and the
// i-th is as good as the i-th.
void as_in_a_full_sort(const std::vector<Hit>& found, const std::vector<double>& scores, Index k, double tolerance) {
  std::vector<double> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  REQUIRE(static_cast<Index>(found.size()) == std::min(k, static_cast<Index>(scores.size())));
  std::vector<bool> seen(scores.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto id = static_cast<std::size_t>(found[i].id);
    REQUIRE(id < scores.size());
    CHECK(!seen[id]);
    seen[id] = true;
    if (i > 0) CHECK(found[i - 1] < found[i]);
    worst = std::max({worst, std::fabs(found[i].score - scores[id]), std::fabs(found[i].score - sorted[i])});
  }
  CHECK(worst <= tolerance);
}

}  // namespace

TEST_CASE_TEMPLATE(
    "each way of holding vectors, at any width and on any number of threads, against all products in double", Storage,
    float, bf16, std::int8_t) {
  for (const Index width : {1, 3, 31, 64, 100, 385})
    for (const Index n : {1, 15, 16, 49, 4096 + 70}) {
      CAPTURE(width);
      CAPTURE(n);
      const Tensor<Env> passages = numbers(n, width, 5);
      std::vector<std::vector<double>> as_held;
      for (Index p = 0; p < n; ++p) as_held.push_back(held<Storage>(passages.view().row(p), width));
      for (const Index m : {1, 2, 9, 70}) {
        const Tensor<Env> queries = numbers(m, width, static_cast<std::uint64_t>(m));
        std::vector<std::vector<Hit>> first;
        for (const Index threads : {1, 2, 5}) {
          FlatIndex<Env, Storage> index{width, {.threads = threads}};
          index.add(passages);
          const auto found = index.search_all(queries, 60);
          if (threads == 1) first = found;
          else
            for (Index q = 0; q < m; ++q)
              CHECK(same(found[static_cast<std::size_t>(q)], first[static_cast<std::size_t>(q)]));
          if (threads == 2)
            CHECK(same(index.search(queries.view().row_block(m - 1, 1), 60), first.back()));  // alone as among others
        }
        for (Index q = 0; q < m; q += 1 + m / 3) {
          using OfQuery = std::conditional_t<std::is_same_v<Storage, std::int8_t>, std::int8_t, float>;
          const auto query = held<OfQuery>(queries.view().row(q), width);
          std::vector<double> scores;
          for (const auto& passage : as_held)
            scores.push_back(std::inner_product(query.begin(), query.end(), passage.begin(), 0.0));
          // bf16: whether the query is rounded too is the machine's choice, 2^-9 of each product
          as_in_a_full_sort(
              first[static_cast<std::size_t>(q)], scores, 60,
              (std::is_same_v<Storage, bf16> ? 5e-3 : 2e-6) * std::max(1.0, std::sqrt(static_cast<double>(width))));
        }
      }
    }
}

TEST_CASE_TEMPLATE("adding in pieces is adding at once, and ties go to the first", Storage, float, bf16, std::int8_t) {
  constexpr Index n = 9000, width = 5;
  const Tensor<Env> passages = vectors(n, width, 3), queries = vectors(40, width, 4);
  FlatIndex<Env, Storage> once{width, {.threads = 3}}, pieces{width, {.threads = 1}};
  once.add(passages);
  for (Index added = 0, piece = 1; added < n; added += piece, piece = std::min(n - added, 3 * piece + 1))
    pieces.add(passages.view().row_block(added, piece));
  REQUIRE(pieces.size() == n);
  for (const Index k : {1, 30, 700, 20000}) {
    const auto a = once.search_all(queries, k), b = pieces.search_all(queries, k);
    for (Index q = 0; q < 40; ++q) {
      const auto& found = a[static_cast<std::size_t>(q)];
      CHECK(same(found, b[static_cast<std::size_t>(q)]));
      // -1, 0 and 1 are held exactly by all (in int8 up to the rounding of the scale): the order is that of a full sort
      const auto all = brute_force(passages, queries, q, k);
      CHECK(std::equal(found.begin(), found.end(), all.begin(), all.end(),
                       [](const Hit& x, const Hit& y) { return x.id == y.id && std::fabs(x.score - y.score) < 1e-5; }));
    }
  }
}

TEST_CASE("vectors of zeros, queries of zeros, more queries than are taken at a time") {
  FlatIndex<Env, std::int8_t> index{70};
  Tensor<Env> passages = numbers(100, 70, 1);
  std::fill(passages.data() + 70 * 50, passages.data() + 70 * 51, 0.0f);
  index.add(passages);
  Tensor<Env> queries = numbers(600, 70, 2);
  std::fill(queries.data() + 70 * 300, queries.data() + 70 * 301, 0.0f);
  const auto found = index.search_all(queries, 100);
  REQUIRE(found.size() == 600);
  for (Index i = 0; i < 100; ++i) {
    CHECK(found[300][static_cast<std::size_t>(i)].id == i);
    CHECK(found[300][static_cast<std::size_t>(i)].score == 0);
  }
  for (const Index q : {0, 255, 256, 599}) {
    CHECK(same(found[static_cast<std::size_t>(q)], index.search(queries.view().row_block(q, 1), 100)));
    for (const Hit& hit : found[static_cast<std::size_t>(q)])
      if (hit.id == 50) CHECK(hit.score == 0);
  }
}

TEST_CASE("numbers that are none are never found, and hide nobody") {
  FlatIndex index{3};
  Tensor<Env> passages = numbers(40, 3, 1);
  passages.data()[3 * 7] = std::numeric_limits<float>::quiet_NaN();
  index.add(passages);
  const auto found = index.search(numbers(1, 3, 2), 40);
  CHECK(found.size() == 39);
  CHECK(std::none_of(found.begin(), found.end(), [](const Hit& h) { return h.id == 7; }));
}

TEST_CASE("held in less, an index takes less, and rescore() puts the original order back") {
  const Tensor<Env> passages = numbers(5000, 96, 1), query = numbers(1, 96, 2);
  FlatIndex whole{96};
  FlatIndex<Env, bf16> half_as_large{96};
  FlatIndex<Env, std::int8_t> small{96};
  whole.add(passages);
  half_as_large.add(passages);
  small.add(passages);
  CHECK(half_as_large.bytes() * 2 == whole.bytes());
  CHECK(small.bytes() * 2 < whole.bytes());  // 96 numbers are filled up to 128, and each vector has its scale
  const auto exact = whole.search(query, 20);
  for (const auto& found : {half_as_large.search(query, 60), small.search(query, 60)}) {
    const auto again = rescore<float>(query.view(), passages.view(), found, 20);
    REQUIRE(again.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
      CHECK(again[i].id == exact[i].id);
      CHECK(again[i].score == doctest::Approx(exact[i].score).epsilon(1e-5));
    }
  }
  CHECK(rescore<float>(query.view(), passages.view(), {}, 5).empty());
}

TEST_CASE("widths that do not fit are refused") {
  FlatIndex index{4};
  CHECK(refusal([&] { index.add(vectors(2, 5, 1)); }) ==
        "vectors of width 5 cannot be added: the index was made for width 4");
  CHECK(refusal([&] { index.search(vectors(1, 3, 1), 1); }) ==
        "a query of width 3 cannot be searched: the index was made for width 4");
  CHECK(refusal([] { FlatIndex<Env, std::int8_t> wide{70000}; }) ==
        "an index of width 70000 in int8: its sums could leave 32 bits beyond 65536. Hold the vectors in bf16");
  CHECK(refusal([] { FlatIndex<> none{0}; }) == "an index of width 0: vectors have at least one column");
}
