#include "towpath/backend/op.hpp"

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <utility>
#include <vector>

// What the functions of op.hpp add to the operations: the shape of the result, and that it comes from the environment's pool. The
// numbers are tested in reference/ops.cpp.
using namespace towpath;
using Env = Reference<double>;

namespace {
Env& env() {
  static Env e{{.threads = 1, .seed = 3}};
  return e;
}
Tensor<Env> filled(Index rows, Index columns, double first = 1) {
  Tensor<Env> t(rows, columns);
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = first + 0.5 * static_cast<double>(i);
  return t;
}
bool has_shape(const Tensor<Env>& t, Index rows, Index columns) { return t.rows() == rows && t.columns() == columns && t.dimensions() == 2; }
}  // namespace

TEST_CASE("products have the rows of the one and the columns of the other") {
  const auto a = filled(2, 3), b = filled(4, 3), c = filled(3, 5);
  CHECK(has_shape(op::nt(env(), a, b), 2, 4));
  CHECK(has_shape(op::nn(env(), a, c), 2, 5));
  CHECK(op::nt(env(), a, b).data()[0] == 1 * 1 + 1.5 * 1.5 + 2 * 2);
  Tensor<Env> g(3, 4);
  op::tn_add(env(), a, filled(2, 4), g);
  op::tn_add(env(), a, filled(2, 4), g);  // accumulates
  CHECK(g.data()[0] == 2 * (1 * 1 + 2.5 * 3));
  CHECK(has_shape(op::nt(env(), filled(0, 3), b), 0, 4));
}

TEST_CASE("results for each row") {
  const auto x = filled(3, 4), row = filled(1, 4);
  CHECK(has_shape(op::scale_columns(env(), x, row), 3, 4));
  CHECK(has_shape(op::row_norms<Env>(env(), x), 1, 3));
  CHECK(has_shape(op::divide<Env>(env(), x, x), 3, 4));
  CHECK(has_shape(op::unary<Gelu>(env(), x), 3, 4));
  CHECK(has_shape(op::unary_backward<Gelu>(env(), x, x), 3, 4));
  Tensor<Env> stats, norms;
  CHECK(has_shape(op::layer_norm(env(), x, row, row, 1e-12, stats), 3, 4));
  CHECK(has_shape(stats, 3, 2));
  CHECK(has_shape(op::layer_norm_backward(env(), x, x, stats, row), 3, 4));
  CHECK(has_shape(op::normalise_rows(env(), x, norms), 3, 4));
  CHECK(has_shape(norms, 3, 1));
  CHECK(has_shape(op::normalise_rows_backward(env(), x, x, norms), 3, 4));
  Tensor<Env> ds;
  const std::vector<Index> right{0, 1, 2};
  const double loss = op::cross_entropy(env(), x, right, {}, 1.0, ds);
  CHECK(loss > 0);
  CHECK(has_shape(ds, 3, 4));
}

TEST_CASE("copy takes memory of its own, from the pool") {
  const auto x = filled(3, 4);
  const auto before = env().pool().fetched();
  {
    const auto y = op::copy(env(), x);
    CHECK(y.data() != x.data());
    CHECK(y.data()[11] == x.data()[11]);
  }
  for (int i = 0; i < 5; ++i) op::copy(env(), x);
  CHECK(env().pool().fetched() <= before + 1);
}

TEST_CASE("a strided view gives a result without gaps") {
  const auto x = filled(3, 4);
  const auto y = op::copy(env(), x.view().column_block(1, 2));
  CHECK(has_shape(y, 3, 2));
  CHECK(y.data()[2] == x.data()[5]);
}

TEST_CASE("in place: add, add_scaled, scale, add_row, sums") {
  auto y = filled(2, 2);  // 1, 1.5, 2, 2.5
  op::add(env(), filled(2, 2), y);
  CHECK(y.data()[3] == 5);
  op::add_scaled(env(), -2.0, filled(2, 2), y);
  CHECK(y.data()[3] == 0);
  y = filled(2, 2);
  op::scale(env(), 2.0, y);
  CHECK(y.data()[1] == 3);
  op::scale_rows<Env>(env(), filled(1, 2), y);
  CHECK(y.data()[3] == 5 * 1.5);
  op::scale_rows<Env>(env(), op::divide<Env>(env(), filled(1, 1), filled(1, 1)), y.writable().row_block(0, 1));
  CHECK(y.data()[1] == 3);
  y.data()[3] = 5;
  op::add_row(env(), filled(1, 2), y);
  CHECK(y.data()[3] == 5 + 1.5);
  Tensor<Env> g(2);
  op::column_sums_add(env(), filled(2, 2), g);
  op::column_dots_add(env(), filled(2, 2), filled(2, 2), g);
  CHECK(g.data()[0] == 1 + 2 + 1 + 4);
  CHECK(op::square_norm<Env>(env(), filled(1, 2)) == 1 + 1.5 * 1.5);
}

TEST_CASE("dropout of rate zero touches nothing; of another it scales or drops") {
  auto y = filled(10, 10);
  op::dropout(env(), Mask{}, y);
  CHECK(y.data()[99] == filled(10, 10).data()[99]);
  op::dropout(env(), Mask{0.5f, 1, 0}, y);
  int zeros = 0;
  for (Index i = 0; i < 100; ++i) {
    const double x = filled(10, 10).data()[i];
    CHECK((y.data()[i] == 0 || y.data()[i] == 2 * x));
    zeros += y.data()[i] == 0;
  }
  CHECK(zeros > 20);
  CHECK(zeros < 80);
}

TEST_CASE("tables take any integer ids, and add") {
  const std::vector<std::int32_t> ids{2, 0, 2};
  const auto table = filled(3, 2);
  Tensor<Env> y(3, 2), d(3, 2);
  op::gather_rows_add(env(), table, ids, y);
  CHECK(y.data()[0] == table.data()[4]);
  CHECK(y.data()[3] == table.data()[1]);
  op::scatter_rows_add(env(), y, ids, d);
  CHECK(d.data()[4] == 2 * table.data()[4]);
  CHECK(d.data()[2] == 0);
}

TEST_CASE("attention keeps heads x n x (prefix + n) probabilities per sequence, each row of which sums to one") {
  const Sequences s{{0, 1, 4}};
  const auto q = filled(4, 6), prefix = filled(2, 6);
  for (const bool with : {false, true}) {
    Tensor<Env> p;
    const View<Env> keys = with ? prefix.view() : View<Env>{};
    const Index l = with ? 2 : 0;
    const auto y = op::attention<Env>(env(), q, q, q, keys, keys, s, 2, Mask{}, p);
    CHECK(has_shape(y, 4, 6));
    CHECK(has_shape(p, 1, 2 * 1 * (l + 1) + 2 * 3 * (l + 3)));
    double sum = 0;
    for (Index i = 0; i < p.size(); ++i) sum += p.data()[i];
    CHECK(sum == doctest::Approx(2 * 4));
    Tensor<Env> dk(2, 6), dv(2, 6);
    const auto d = op::attention_backward<Env>(env(), q, q, q, q, keys, keys, s, 2, Mask{}, p, with ? dk.writable() : Writable<Env>{},
                                               with ? dv.writable() : Writable<Env>{});
    CHECK(has_shape(d.q, 4, 6));
    CHECK(has_shape(d.k, 4, 6));
    CHECK(has_shape(d.v, 4, 6));
  }
}

TEST_CASE("adam_step moves against the gradient") {
  auto w = filled(2, 2), g = filled(2, 2);
  Tensor<Env> m(2, 2), v(2, 2);
  op::adam_step(env(), Adam{.rate = 0.1}, 1, 1.0, g, m, v, w);
  for (Index i = 0; i < 4; ++i) CHECK(w.data()[i] == doctest::Approx(filled(2, 2).data()[i] - 0.1));
}
