#include "towpath/backend/reference/ops.hpp"
#include "towpath/backend/environment.hpp"

#include "../../tolerances.hpp"

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

// The oracle itself is tested against numbers worked out by hand, and its backwards against differences of its forwards.
using namespace towpath;
using Env = Reference<double>;
using Ops = reference::Ops<double>;

namespace {
Env& env() {
  static Env e{{.threads = 1}};
  return e;
}
struct Matrix {
  Index rows, columns;
  std::vector<double> x;
  Matrix(Index r, Index c) : rows(r), columns(c), x(static_cast<std::size_t>(r * c)) {}
  Matrix(Index r, Index c, std::initializer_list<double> values) : rows(r), columns(c), x(values) {}
  operator BasicView<const double>() const { return {x.data(), rows, columns}; }
  operator BasicView<double>() { return {x.data(), rows, columns}; }
};
Matrix drawn(Index rows, Index columns, std::uint64_t seed) {
  Matrix m(rows, columns);
  Random r(seed, 1);
  for (double& v : m.x) v = r.normal();
  return m;
}
bool equal(const Matrix& m, std::initializer_list<double> expected) {
  if (m.x.size() != expected.size()) return false;
  std::size_t i = 0;
  for (double e : expected)
    if (!(std::fabs(m.x[i++] - e) <= tolerance::exact_in_double * (1 + std::fabs(e)))) {
      MESSAGE("number ", i - 1, ": ", m.x[i - 1], " instead of ", e);
      return false;
    }
  return true;
}
double inner(const Matrix& a, const Matrix& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.x.size(); ++i) sum += a.x[i] * b.x[i];
  return sum;
}
// Is dx the gradient of f with respect to x? Every entry.
template <class F>
bool gradient_of(const F& f, Matrix& x, const Matrix& dx) {
  const double h = 1e-5;
  for (std::size_t i = 0; i < x.x.size(); ++i) {
    const double kept = x.x[i];
    x.x[i] = kept + h;
    const double above = f();
    x.x[i] = kept - h;
    const double below = f();
    x.x[i] = kept;
    const double numeric = (above - below) / (2 * h);
    if (!(std::fabs(numeric - dx.x[i]) <= tolerance::difference * (1 + std::fabs(numeric)))) {
      MESSAGE("entry ", i, ": ", dx.x[i], " instead of ", numeric);
      return false;
    }
  }
  return true;
}
constexpr double infinity = std::numeric_limits<double>::infinity();
}  // namespace

TEST_CASE("products by hand") {
  const Matrix a(2, 3, {1, 2, 3, 4, 5, 6}), b(2, 3, {1, 0, -1, 2, 1, 0}), c(3, 1, {1, -1, 2});
  Matrix y(2, 2), z(2, 1), w(3, 3, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  Ops::nt(env(), a, b, y);
  CHECK(equal(y, {-2, 4, -2, 13}));
  Ops::nn(env(), a, c, z);
  CHECK(equal(z, {5, 11}));
  Ops::tn_add(env(), a, b, w);
  CHECK(equal(w, {1 + 9, 1 + 4, 1 - 1, 1 + 12, 1 + 5, 1 - 2, 1 + 15, 1 + 6, 1 - 3}));
}

TEST_CASE("rows, columns and elements by hand") {
  const Matrix x(2, 2, {1, 2, 3, 4}), g(1, 2, {10, -1});
  Matrix y(2, 2, {1, 1, 1, 1}), s(2, 2), sums(1, 2, {100, 100}), dots(1, 2, {100, 100});
  Ops::add_row(env(), g, y);
  CHECK(equal(y, {11, 0, 11, 0}));
  Ops::scale_columns(env(), x, g, s);
  CHECK(equal(s, {10, -2, 30, -4}));
  Matrix norms(1, 2);
  Ops::row_norms(env(), Matrix(2, 2, {3, 4, -5, 12}), norms);
  CHECK(equal(norms, {5, 13}));
  Ops::scale_rows(env(), norms, s);
  CHECK(equal(s, {50, -10, 390, -52}));
  Ops::divide(env(), x, Matrix(2, 2, {2, -1, 4, 8}), s);
  CHECK(equal(s, {0.5, -2, 0.75, 0.5}));
  Ops::column_sums_add(env(), x, sums);
  CHECK(equal(sums, {104, 106}));
  Ops::column_dots_add(env(), x, x, dots);
  CHECK(equal(dots, {110, 120}));
  Ops::add_scaled(env(), 2, x, y);
  CHECK(equal(y, {13, 4, 17, 8}));
  Ops::scale(env(), -1, y);
  CHECK(equal(y, {-13, -4, -17, -8}));
  Ops::copy(env(), x, y);
  CHECK(equal(y, {1, 2, 3, 4}));
  CHECK(Ops::square_norm(env(), x) == 30);
  Matrix r(2, 2), dr(2, 2);
  const Matrix z(2, 2, {-1, 2, 0, 3});
  Ops::unary<Relu>(env(), z, r);
  Ops::unary_backward<Relu>(env(), x, z, dr);
  CHECK(equal(r, {0, 2, 0, 3}));
  CHECK(equal(dr, {0, 2, 0, 4}));
}

TEST_CASE("dropout multiplies by the mask of the element's number") {
  const Mask mask{0.4f, 8, 2};
  Matrix y(3, 5);
  for (double& v : y.x) v = 1;
  Ops::dropout(env(), mask, y);
  for (std::uint64_t i = 0; i < 15; ++i) CHECK(y.x[i] == static_cast<double>(mask(i)));
  for (std::uint64_t b = 0; b < 4; ++b)
    for (std::uint64_t k = 0; k < 4; ++k) CHECK(mask.block(b)[k] == mask(4 * b + k));
}

TEST_CASE("layer norm by hand: mean 0 and variance 1 before gain and bias; and its backward") {
  const Matrix x(1, 4, {1, 3, 5, 7}), gain(1, 4, {1, 1, 2, 2}), bias(1, 4, {0, 1, 0, 1});
  Matrix y(1, 4), stats(1, 2);
  Ops::layer_norm(env(), x, gain, bias, 0, y, stats);
  const double r = 1 / std::sqrt(5.0);
  CHECK(equal(stats, {4, r}));
  CHECK(equal(y, {-3 * r, -r + 1, 2 * r, 6 * r + 1}));
  Ops::layer_norm(env(), x, gain, bias, 4, y, stats);  // epsilon is added to the variance, under the root
  CHECK(stats.x[1] == doctest::Approx(1.0 / 3));

  Matrix z = drawn(3, 5, 1), w = drawn(1, 5, 2), b = drawn(1, 5, 3), out(3, 5), st(3, 2), dz(3, 5), dw(1, 5);
  const Matrix dy = drawn(3, 5, 4);
  const auto value = [&] {
    Ops::layer_norm(env(), z, w, b, 1e-2, out, st);
    return inner(out, dy);
  };
  value();
  Ops::layer_norm_backward(env(), dy, z, st, w, dz);
  Ops::layer_norm_gain_add(env(), dy, z, st, dw);
  CHECK(gradient_of(value, z, dz));
  CHECK(gradient_of(value, w, dw));
}

TEST_CASE("tables by hand; scatter is the transpose of gather") {
  const Matrix table(3, 2, {1, 2, 3, 4, 5, 6});
  const std::vector<std::int32_t> ids{2, 0, 2};
  Matrix y(3, 2, {1, 1, 1, 1, 1, 1}), d(3, 2);
  Ops::gather_rows_add(env(), table, ids, y);
  CHECK(equal(y, {6, 7, 2, 3, 6, 7}));
  Ops::scatter_rows_add(env(), y, ids, d);
  CHECK(equal(d, {2, 3, 0, 0, 12, 14}));
}

TEST_CASE("attention by hand: equal scores average the values, and a sequence sees only itself") {
  const Sequences s{{0, 2, 3}};
  const Matrix zeros(3, 2), v(3, 2, {1, 10, 3, 30, 100, 1000}), none(0, 2);
  Matrix y(3, 2), p(1, Ops::attention_saved(s, 1, 0));
  CHECK(Ops::attention_saved(s, 1, 0) == 4 + 1);
  CHECK(Ops::attention_saved(s, 2, 3) == 2 * (2 * 5 + 1 * 4));
  Ops::attention(env(), zeros, zeros, v, none, none, s, 1, Mask{}, y, p);
  CHECK(equal(y, {2, 20, 2, 20, 100, 1000}));
  CHECK(equal(p, {0.5, 0.5, 0.5, 0.5, 1}));
  // scores log 3 · √2 / √2 = log 3 and 0
  const Matrix q(2, 2, {std::sqrt(2.0), 0, 0, 0}), k(2, 2, {std::log(3.0), 0, 0, 5});
  const Sequences one{{0, 2}};
  Matrix z(2, 2), w(1, 4);
  Ops::attention(env(), q, k, v, none, none, one, 1, Mask{}, z, w);
  CHECK(equal(w, {0.75, 0.25, 0.5, 0.5}));
  CHECK(equal(z, {1.5, 15, 2, 20}));
  // a prefix of one row, with scores zero: three equal shares
  const Matrix pk(1, 2), pv(1, 2, {6, 60});
  Matrix r(3, 2), u(1, Ops::attention_saved(s, 1, 1));
  Ops::attention(env(), zeros, zeros, v, pk, pv, s, 1, Mask{}, r, u);
  CHECK(equal(r, {10.0 / 3, 100.0 / 3, 10.0 / 3, 100.0 / 3, 53, 530}));
}

TEST_CASE("attention's backward is its derivative, with prefix and dropout") {
  const Sequences s{{0, 1, 4, 6}};
  for (const float rate : {0.0f, 0.4f})
    for (const Index l : {0, 2}) {
      Matrix q = drawn(6, 4, 1), k = drawn(6, 4, 2), v = drawn(6, 4, 3), pk = drawn(l, 4, 4), pv = drawn(l, 4, 5);
      const Matrix dy = drawn(6, 4, 6);
      const Mask mask{rate, 5, 5};
      Matrix y(6, 4), p(1, Ops::attention_saved(s, 2, l)), dq(6, 4), dk(6, 4), dv(6, 4), dpk(l, 4), dpv(l, 4);
      const auto value = [&] {
        Ops::attention(env(), q, k, v, pk, pv, s, 2, mask, y, p);
        return inner(y, dy);
      };
      value();
      Ops::attention_backward(env(), dy, q, k, v, pk, pv, s, 2, mask, p, dq, dk, dv, dpk, dpv);
      CHECK(gradient_of(value, q, dq));
      CHECK(gradient_of(value, k, dk));
      CHECK(gradient_of(value, v, dv));
      CHECK(gradient_of(value, pk, dpk));
      CHECK(gradient_of(value, pv, dpv));
    }
}

TEST_CASE("pooling by hand, an empty sequence and a tie among them") {
  const Sequences s{{0, 3, 3, 4}};
  const Matrix x(4, 2, {1, 5, 3, 5, 2, -1, 7, 8}), dy(3, 2, {3, 6, 100, 100, 1, 2});
  Matrix y(3, 2), dx(4, 2);
  Ops::pool_mean(env(), x, s, y);
  CHECK(equal(y, {2, 3, 0, 0, 7, 8}));
  Ops::pool_mean_backward(env(), dy, s, dx);
  CHECK(equal(dx, {1, 2, 1, 2, 1, 2, 1, 2}));
  Ops::pool_first(env(), x, s, y);
  CHECK(equal(y, {1, 5, 0, 0, 7, 8}));
  Ops::pool_first_backward(env(), dy, s, dx);
  CHECK(equal(dx, {3, 6, 0, 0, 0, 0, 1, 2}));
  Ops::pool_max(env(), x, s, y);
  CHECK(equal(y, {3, 5, 0, 0, 7, 8}));
  Ops::pool_max_backward(env(), dy, x, s, dx);
  CHECK(equal(dx, {0, 6, 3, 0, 0, 0, 1, 2}));  // of the two fives the first gets it
}

TEST_CASE("normalised rows have length one; the backward is the derivative; zeros stay zeros") {
  const Matrix x(2, 2, {3, 4, 0, 0});
  Matrix y(2, 2), norms(2, 1);
  Ops::normalise_rows(env(), x, y, norms);
  CHECK(equal(y, {0.6, 0.8, 0, 0}));
  CHECK(norms.x[0] == 5);
  Matrix z = drawn(3, 4, 1), out(3, 4), n(3, 1), dz(3, 4);
  const Matrix dy = drawn(3, 4, 2);
  const auto value = [&] {
    Ops::normalise_rows(env(), z, out, n);
    return inner(out, dy);
  };
  value();
  Ops::normalise_rows_backward(env(), dy, out, n, dz);
  CHECK(gradient_of(value, z, dz));
}

TEST_CASE("cross-entropy: log n where all scores are equal, rows that do not count, columns that are left out") {
  Matrix equal_scores(2, 4), ds(2, 4);
  const std::vector<Index> right{1, 3};
  CHECK(Ops::cross_entropy(env(), equal_scores, right, {}, 20, ds) == doctest::Approx(std::log(4.0)));
  CHECK(equal(ds, {2.5, -7.5, 2.5, 2.5, 2.5, 2.5, 2.5, -7.5}));  // 20 / 2 (1/4 - one_hot)
  const std::vector<std::pair<Index, Index>> without{{0, 0}, {0, 1}, {1, 2}};  // (0, 1) is the right one: it stays
  CHECK(Ops::cross_entropy(env(), equal_scores, right, without, 1, ds) == doctest::Approx(std::log(3.0)));
  CHECK(ds.x[0] == 0);
  CHECK(ds.x[6] == 0);
  CHECK(ds.x[1] == doctest::Approx((1.0 / 3 - 1) / 2));
  const std::vector<Index> one{-1, 3}, none{-1, -1};
  CHECK(Ops::cross_entropy(env(), equal_scores, one, {}, 1, ds) == doctest::Approx(std::log(4.0)));
  CHECK(ds.x[0] == 0);
  CHECK(ds.x[7] == doctest::Approx(0.25 - 1));  // the mean is over one row
  CHECK(Ops::cross_entropy(env(), equal_scores, none, {}, 1, ds) == 0);
  CHECK(equal(ds, {0, 0, 0, 0, 0, 0, 0, 0}));
  // far apart: no overflow
  const Matrix far(1, 2, {1000, -1000});
  Matrix g(1, 2);
  const std::vector<Index> wrong{1};
  CHECK(Ops::cross_entropy(env(), far, wrong, {}, 1, g) == doctest::Approx(2000));
  CHECK(equal(g, {1, -1}));
  CHECK(Ops::cross_entropy(env(), far, std::vector<Index>{0}, {}, 1, g) < infinity);

  Matrix s = drawn(3, 5, 9), d(3, 5), scratch(3, 5);
  const std::vector<Index> some{4, -1, 0};
  const std::vector<std::pair<Index, Index>> left_out{{2, 3}};
  Ops::cross_entropy(env(), s, some, left_out, 3, d);
  CHECK(gradient_of([&] { return Ops::cross_entropy(env(), s, some, left_out, 3, scratch); }, s, d));
}

TEST_CASE("AdamW by hand, two steps; decay does not enter the moments; the gradient's scale does") {
  Matrix w(1, 1, {1}), m(1, 1), v(1, 1);
  const Matrix g(1, 1, {4});
  const Adam rule{.rate = 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 0, .decay = 0.5};
  Ops::adam_step(env(), rule, 1, 0.5, g, m, v, w);  // the gradient is 2
  CHECK(m.x[0] == doctest::Approx(0.2));
  CHECK(v.x[0] == doctest::Approx(0.04));
  CHECK(w.x[0] == doctest::Approx(1 * (1 - 0.1 * 0.5) - 0.1));  // a first step is of size rate, whatever the gradient
  const Matrix h(1, 1, {-8});
  Ops::adam_step(env(), rule, 2, 0.5, h, m, v, w);
  const double m2 = (0.9 * 0.2 - 0.1 * 4) / (1 - 0.81), v2 = (0.99 * 0.04 + 0.01 * 16) / (1 - 0.9801);
  CHECK(w.x[0] == doctest::Approx(0.85 * 0.95 - 0.1 * m2 / std::sqrt(v2)));
}
