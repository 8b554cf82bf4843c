#include "towpath/backend/cpu/products.hpp"

#include "../compare.hpp"

#include <doctest/doctest.h>

using namespace towpath;
using namespace towpath::compare;

TEST_CASE("a view becomes a map of the same memory, stride included") {
  Draw draw(1);
  Grid<double> g = draw.matrix<double>(4, 3, 2);
  const auto m = cpu::matrix<double>(BasicView<const double>(g));
  CHECK(m.rows() == 4);
  CHECK(m.cols() == 3);
  CHECK(m.outerStride() == 5);
  CHECK(m(3, 2) == g.at(3, 2));
  cpu::matrix<double>(BasicView<double>(g))(2, 1) = 7;
  CHECK(g.at(2, 1) == 7);
}

TEST_CASE("pieces of a product depend on its rows alone; from 128 rows on there are two at least, and none is too small") {
  for (Index rows = 0; rows < 5000; ++rows) {
    const Index p = cpu::piece(rows);
    REQUIRE(p >= 64);
    if (rows >= 128) REQUIRE(p < rows);
    REQUIRE(p <= cpu::piece(rows + 1));
  }
}

namespace {
// y = a bᵀ, y = a b and c += aᵀ b for one m x k x n.
void products(Index m, Index k, Index n, Index padding) {
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  CAPTURE(padding);
  same([=](auto& env) {
    using T = ScalarOf<decltype(env)>;
    using Ops = OpsOf<decltype(env)>;
    Draw draw(static_cast<std::uint64_t>(m * 1000003 + k * 1009 + n));
    const Grid<T> a = draw.matrix<T>(m, k, padding), rows = draw.matrix<T>(n, k, padding), columns = draw.matrix<T>(k, n, padding);
    const Grid<T> dy = draw.matrix<T>(m, n, padding);
    Grid<T> nt(m, n, padding), nn(m, n, padding), c = draw.matrix<T>(n, k, padding);
    Ops::nt(env, a, rows, nt);
    Ops::nn(env, a, columns, nn);
    Ops::tn_add(env, dy, a, c);  // a weight's gradient: dW += dyᵀ x
    Outcome out;
    return out << nt << nn << c;
  });
}
}  // namespace

TEST_CASE("products at edge shapes equal the loops, on any number of threads") {
  for (Index m : row_counts)
    for (Index k : {1, 3, 37})
      for (Index n : {1, 16, 37}) products(m, k, n, (m + k + n) % 2 ? 5 : 0);
}

TEST_CASE("products large enough to be cut in pieces") {
  products(300, 64, 48, 0);
  products(513, 37, 100, 3);
  products(2100, 8, 40, 0);    // three pieces
  products(700, 16, 384, 0);
  products(129, 384, 16, 1);   // tn_add: few rows, many columns (the gradient of a down-projection)
  products(65, 384, 64, 0);
  products(64, 33, 300, 0);    // and many rows
}

TEST_CASE("a sum over nothing is zero, and adds nothing") { products(5, 1, 4, 0), products(0, 8, 70, 0); }
