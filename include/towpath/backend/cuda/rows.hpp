// The arithmetic of kernels on elements and rows; equations are those of reference/ops.hpp, by the same names.
#pragma once

#include "towpath/backend/cuda/group.hpp"

#include "towpath/backend/finish.hpp"
#include "towpath/backend/functions.hpp"
#include "towpath/backend/reference/ops.hpp"
#include "towpath/tensor/dtype.hpp"

#include <cmath>
#include <cstdint>

namespace towpath::cuda {

// --- element by element: f(t, j) ---------------------------------------------------------------------------------------------------

// F(x) and F'(x) for the function of that name.
template <class T>
TOWPATH_BOTH void evaluate(Function f, T x, T& value, T& slope) {
  switch (f) {
    case Function::gelu: value = Gelu::value(x), slope = Gelu::slope(x); return;
    case Function::gelu_tanh: value = GeluTanh::value(x), slope = GeluTanh::slope(x); return;
    case Function::relu: value = Relu::value(x), slope = Relu::slope(x); return;
    case Function::tanh: value = Tanh::value(x), slope = Tanh::slope(x); return;
    case Function::silu: value = Silu::value(x), slope = Silu::slope(x); return;
    case Function::none: value = x, slope = T(1); return;
  }
}

// y = f(y + bias + plus) ⊙ gate, slope = f'(y + bias + plus)
template <class T>
struct Finished {
  Matrix<T> y;
  Matrix<const T> bias, plus;
  Function function;
  Matrix<T> slope;
  Matrix<const T> gate;
  bool half;

  template <class Space>
  Finished(Matrix<T> to, const Finish<T, Space>& f) : y(to), bias(f.bias), plus(f.plus), function(f.function), slope(f.slope), gate(f.gate), half(f.half) {}

  TOWPATH_BOTH void operator()(Index t, Index j) const {
    T x = y(t, j);
    if (!bias.empty()) x += bias.data[j];
    if (!plus.empty()) x += plus(t, j);
    if (function != Function::none) {
      T value, steep;
      evaluate(function, x, value, steep);
      if (!slope.empty()) {
        if (half) reinterpret_cast<bf16*>(slope.row(t))[j] = bf16(static_cast<float>(steep));
        else slope(t, j) = steep;
      }
      x = value;
    }
    if (!gate.empty()) x *= half ? static_cast<T>(static_cast<float>(reinterpret_cast<const bf16*>(gate.row(t))[j])) : gate(t, j);
    y(t, j) = x;
  }
};

template <class T>
struct AddRow {
  Matrix<const T> b;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) += b.data[j]; }
};
template <class T>
struct ScaleColumns {
  Matrix<const T> x, g;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) = x(t, j) * g.data[j]; }
};
template <class T>
struct ScaleRows {
  Matrix<const T> g;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) *= g.data[t]; }
};
template <class T>
struct AddScaled {
  T s;
  Matrix<const T> x;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) += s * x(t, j); }
};
template <class T>
struct Divide {
  Matrix<const T> a, b;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) = a(t, j) / b(t, j); }
};
template <class T>
struct Scale {
  T s;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) *= s; }
};
template <class T>
struct Fill {
  T s;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) = s; }
};
template <class T>
struct Copy {
  Matrix<const T> x;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) = x(t, j); }
};
template <class T>
struct Rounded {  // x in bf16
  Matrix<const T> x;
  Matrix<bf16> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) = bf16(static_cast<float>(x(t, j))); }
};
template <class F, class T>
struct Unary {
  Matrix<const T> x;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) = F::value(x(t, j)); }
};
template <class F, class T>
struct UnaryBackward {
  Matrix<const T> dy, x;
  Matrix<T> dx;
  TOWPATH_BOTH void operator()(Index t, Index j) const { dx(t, j) = dy(t, j) * F::slope(x(t, j)); }
};
template <class T>
struct Dropout {
  Mask mask;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) *= T(mask(static_cast<std::uint64_t>(t * y.columns + j))); }
};
// AdamW for tensors one after the other in memory, each with its rule: piece `i` is numbers of the tensor whose `first` it comes at or after.
template <class T>
struct AdamTensor {
  T b1, b2, c1, c2, rate, epsilon, keep, gradient_scale;
  const T* g;
  T *m, *v, *w;
  Index size, first;  // numbers; its first piece

  AdamTensor(const Adam& rule, std::uint64_t step, double scale, const T* g_, T* m_, T* v_, T* w_, Index n, Index piece)
      : b1(T(rule.beta1)), b2(T(rule.beta2)), c1(T(1 / (1 - std::pow(rule.beta1, static_cast<double>(step))))),
        c2(T(1 / (1 - std::pow(rule.beta2, static_cast<double>(step))))), rate(T(rule.rate)), epsilon(T(rule.epsilon)),
        keep(T(1 - rule.rate * rule.decay)), gradient_scale(T(scale)), g(g_), m(m_), v(v_), w(w_), size(n), first(piece) {}

  TOWPATH_BOTH void step(Index i) const {
    using std::sqrt;
    const T x = gradient_scale * g[i];
    const T a = b1 * m[i] + (T(1) - b1) * x, b = b2 * v[i] + (T(1) - b2) * x * x;
    m[i] = a;
    v[i] = b;
    w[i] = keep * w[i] - rate * (a * c1) / (sqrt(b * c2) + epsilon);
  }
};
inline constexpr Index piece_size = 4096;  // numbers that one group goes through
// Which of `count` tensors a piece belongs to.
template <class Part>
TOWPATH_BOTH Index tensor_of(const Part* tensors, Index count, Index piece) {
  Index low = 0, high = count;
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    if (tensors[middle].first <= piece) low = middle;
    else high = middle;
  }
  return low;
}
template <class T>
struct AdamSteps {
  const AdamTensor<T>* tensors;
  Index count;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index piece) const {
    const AdamTensor<T>& t = tensors[tensor_of(tensors, count, piece)];
    const Index from = (piece - t.first) * piece_size, last = from + piece_size < t.size ? from + piece_size : t.size;
    for (Index i = from + us.lane(); i < last; i += us.count()) t.step(i);
  }
};

// --- tables ---------------------------------------------------------------------------------------------------------------------------
template <class T>
struct GatherRowsAdd {
  Matrix<const T> table;
  const std::int32_t* ids;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index t, Index j) const { y(t, j) += table(ids[t], j); }
};
// The rows of dy that go to one row of the table are added by one thread, in their order: `order` has them row by row of the table, those of rows[k]
// from starts[k] on. No two threads meet, so nothing need be atomic and sums are the same each time.
template <class T>
struct ScatterRowsAdd {
  Matrix<const T> dy;
  const std::int32_t *rows, *starts, *order;
  Matrix<T> dtable;
  TOWPATH_BOTH void operator()(Index k, Index j) const {
    T sum = dtable(rows[k], j);
    for (std::int32_t i = starts[k]; i < starts[k + 1]; ++i) sum += dy(order[i], j);
    dtable(rows[k], j) = sum;
  }
};

// The same in two stages, where many tokens have one row (types of tokens, positions): sums of pieces, then those of each row, in their order.
template <class T>
struct ScatterParts {
  Matrix<const T> dy;
  const std::int32_t *starts, *order;  // where each piece begins
  Matrix<T> parts;
  TOWPATH_BOTH void operator()(Index piece, Index j) const {
    T sum = 0;
    for (std::int32_t i = starts[piece]; i < starts[piece + 1]; ++i) sum += dy(order[i], j);
    parts(piece, j) = sum;
  }
};
template <class T>
struct ScatterJoin {
  Matrix<const T> parts;
  const std::int32_t *rows, *first;  // the first piece of each row
  Matrix<T> dtable;
  TOWPATH_BOTH void operator()(Index k, Index j) const {
    T sum = dtable(rows[k], j);
    for (std::int32_t p = first[k]; p < first[k + 1]; ++p) sum += parts(p, j);
    dtable(rows[k], j) = sum;
  }
};

// --- sums down columns, in two stages so that their order is fixed: pieces of `high` rows, then the pieces ---------------------------------
template <class T>
struct Itself {
  Matrix<const T> x;
  TOWPATH_BOTH T operator()(Index t, Index j) const { return x(t, j); }
};
template <class T>
struct Product {
  Matrix<const T> a, b;
  TOWPATH_BOTH T operator()(Index t, Index j) const { return a(t, j) * b(t, j); }
};
template <class T>
struct NormedProduct {  // dy (x - μ) r
  Matrix<const T> dy, x, stats;
  TOWPATH_BOTH T operator()(Index t, Index j) const { return dy(t, j) * (x(t, j) - stats(t, 0)) * stats(t, 1); }
};
template <class T, class Term>
struct PartSums {
  Term term;
  Index rows, high;
  Matrix<T> parts;  // [pieces, columns]
  TOWPATH_BOTH void operator()(Index piece, Index j) const {
    T sum = 0;
    const Index last = (piece + 1) * high < rows ? (piece + 1) * high : rows;
    for (Index t = piece * high; t < last; ++t) sum += term(t, j);
    parts(piece, j) = sum;
  }
};
template <class T>
struct JoinSums {
  Matrix<const T> parts;
  Matrix<T> g;  // [1, columns], to which they are added
  TOWPATH_BOTH void operator()(Index, Index j) const {
    T sum = 0;
    for (Index piece = 0; piece < parts.rows; ++piece) sum += parts(piece, j);
    g.data[j] += sum;
  }
};

// --- row by row: f(group, t) ------------------------------------------------------------------------------------------------------------
template <class T>
struct LayerNorm {
  Matrix<const T> x, gain, bias, plus;
  T epsilon;
  Matrix<T> y, stats;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index t) const {
    using std::sqrt;
    const Index n = x.columns;
    const T* row = x.row(t);
    T mean = 0, square = 0;
    for (Index j = us.lane(); j < n; j += us.count()) mean += row[j];
    mean = us.sum(mean) / T(n);
    for (Index j = us.lane(); j < n; j += us.count()) square += (row[j] - mean) * (row[j] - mean);
    const T r = T(1) / sqrt(us.sum(square) / T(n) + epsilon);
    for (Index j = us.lane(); j < n; j += us.count())
      y(t, j) = (row[j] - mean) * r * gain.data[j] + bias.data[j] + (plus.empty() ? T(0) : plus(t, j));
    if (us.lane() == 0) stats(t, 0) = mean, stats(t, 1) = r;
  }
};
template <class T>
struct LayerNormBackward {
  Matrix<const T> dy, x, stats, gain;
  Matrix<T> dx;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index t) const {
    const Index n = x.columns;
    const T mean = stats(t, 0), r = stats(t, 1);
    T sum = 0, dot = 0;
    for (Index j = us.lane(); j < n; j += us.count()) {
      const T a = dy(t, j) * gain.data[j];
      sum += a;
      dot += a * (x(t, j) - mean) * r;
    }
    sum = us.sum(sum) / T(n);
    dot = us.sum(dot) / T(n);
    for (Index j = us.lane(); j < n; j += us.count()) dx(t, j) = r * (dy(t, j) * gain.data[j] - sum - (x(t, j) - mean) * r * dot);
  }
};
template <class T>
struct RowNorms {  // in double, as the reference
  Matrix<const T> x;
  Matrix<T> y;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index t) const {
    using std::sqrt;
    double square = 0;
    for (Index j = us.lane(); j < x.columns; j += us.count()) square += double(x(t, j)) * double(x(t, j));
    square = us.sum(square);
    if (us.lane() == 0) y.data[t] = static_cast<T>(sqrt(square));
  }
};
template <class T>
struct NormaliseRows {
  Matrix<const T> x;
  Matrix<T> y, norms;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index t) const {
    using std::sqrt;
    T square = 0;
    for (Index j = us.lane(); j < x.columns; j += us.count()) square += x(t, j) * x(t, j);
    T norm = sqrt(us.sum(square));
    if (norm < T(1e-12)) norm = T(1e-12);
    for (Index j = us.lane(); j < x.columns; j += us.count()) y(t, j) = x(t, j) / norm;
    if (us.lane() == 0) norms(t, 0) = norm;
  }
};
template <class T>
struct NormaliseRowsBackward {
  Matrix<const T> dy, y, norms;
  Matrix<T> dx;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index t) const {
    T dot = 0;
    for (Index j = us.lane(); j < y.columns; j += us.count()) dot += dy(t, j) * y(t, j);
    dot = us.sum(dot);
    for (Index j = us.lane(); j < y.columns; j += us.count()) dx(t, j) = (dy(t, j) - y(t, j) * dot) / norms(t, 0);
  }
};
// Σ x² of a piece of one of several matrices (read row by row), and the sum of such pieces, by one group in their order.
template <class T>
struct SquareTensor {
  Matrix<const T> x;
  Index first;
};
template <class T>
struct SquareParts {
  const SquareTensor<T>* tensors;
  Index count;
  double* parts;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index piece) const {
    const SquareTensor<T>& t = tensors[tensor_of(tensors, count, piece)];
    const Matrix<const T>& x = t.x;
    double sum = 0;
    const Index all = x.rows * x.columns, from = (piece - t.first) * piece_size, last = from + piece_size < all ? from + piece_size : all;
    for (Index i = from + us.lane(); i < last; i += us.count()) {
      const double v = double(x(i / x.columns, i % x.columns));
      sum += v * v;
    }
    sum = us.sum(sum);
    if (us.lane() == 0) parts[piece] = sum;
  }
};
struct Total {
  const double* parts;
  Index count;
  double* total;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index) const {
    double sum = 0;
    for (Index i = us.lane(); i < count; i += us.count()) sum += parts[i];
    sum = us.sum(sum);
    if (us.lane() == 0) *total = sum;
  }
};
// `without`: columns that do not count, those of row i from starts[i] on; right[i] < 0: the row does not.
template <class T>
struct CrossEntropy {
  Matrix<const T> s;
  const std::int32_t *right, *starts, *without;
  T sharpness;
  double factor;  // sharpness / rows that count
  Matrix<T> ds;
  double* losses;
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index i) const {
    using std::exp;
    using std::log;
    const Index n = s.columns, correct = right[i];
    if (correct < 0) {
      for (Index j = us.lane(); j < n; j += us.count()) ds(i, j) = 0;
      if (us.lane() == 0) losses[i] = 0;
      return;
    }
    const T z = sharpness * s(i, correct);
    T top = z;
    for (Index j = us.lane(); j < n; j += us.count())
      if (counts(i, j)) top = sharpness * s(i, j) > top ? sharpness * s(i, j) : top;
    top = us.max(top);
    double sum = 0;
    for (Index j = us.lane(); j < n; j += us.count()) {
      const T e = counts(i, j) ? T(exp(sharpness * s(i, j) - top)) : T(0);
      ds(i, j) = e;
      sum += static_cast<double>(e);
    }
    sum = us.sum(sum);
    for (Index j = us.lane(); j < n; j += us.count()) ds(i, j) = T(factor * (static_cast<double>(ds(i, j)) / sum - (j == correct ? 1.0 : 0.0)));
    if (us.lane() == 0) losses[i] = log(sum) + static_cast<double>(top - z);
  }

private:
  TOWPATH_BOTH bool counts(Index i, Index j) const {
    if (j == right[i]) return true;
    for (std::int32_t k = starts[i]; k < starts[i + 1]; ++k)
      if (without[k] == j) return false;
    return true;
  }
};

// --- pooling: f(sequence, column) -----------------------------------------------------------------------------------------------------------
enum class Pool { mean, first, max };

template <class T>
struct Pooled {
  Pool how;
  Matrix<const T> x;
  const Index* offsets;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index i, Index j) const {
    const Index b = offsets[i], n = offsets[i + 1] - b;
    T v = n ? x(b, j) : T(0);
    for (Index t = b + 1; t < b + n && how != Pool::first; ++t) {
      if (how == Pool::mean) v += x(t, j);
      else v = x(t, j) > v ? x(t, j) : v;
    }
    y(i, j) = how == Pool::mean && n ? v / T(n) : v;
  }
};
template <class T>
struct PooledBackward {
  Pool how;
  Matrix<const T> dy, x;  // x for the maximum only
  const Index* offsets;
  Matrix<T> dx;
  TOWPATH_BOTH void operator()(Index i, Index j) const {
    const Index b = offsets[i], n = offsets[i + 1] - b;
    Index best = b;
    if (how == Pool::max)
      for (Index t = b; t < b + n; ++t)
        if (x(t, j) > x(best, j)) best = t;
    for (Index t = b; t < b + n; ++t) dx(t, j) = how == Pool::mean ? dy(i, j) / T(n) : t == best ? dy(i, j) : T(0);
  }
};
template <class T>
struct AddFirst {
  Matrix<const T> x;
  const Index* offsets;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index i, Index j) const {
    if (offsets[i + 1] > offsets[i]) y(offsets[i], j) += x(i, j);
  }
};
template <class T>
struct ClearEmpty {  // rows of sequences without tokens
  const Index* offsets;
  Matrix<T> y;
  TOWPATH_BOTH void operator()(Index i, Index j) const {
    if (offsets[i + 1] == offsets[i]) y(i, j) = 0;
  }
};

}  // namespace towpath::cuda
