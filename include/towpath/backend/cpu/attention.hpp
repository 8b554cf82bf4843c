// Attention of one head of one sequence, in cache (Vaswani et al. 2017; the order of the work is that of Dao et al. 2022: probabilities need not
// be kept, since the logarithm of each row's sum gives them back).
#pragma once

#include "towpath/backend/cpu/tile.hpp"

#include <cmath>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {

inline constexpr Index attention_rows = 64;  // queries at a time

// Room for one head: keys and values in both orders that products want, two gradients, and a block of rows of scores and of their gradients.
template <class T>
struct HeadRoom {
  Index m, columns, width;  // keys; the same and d filled up to whole vectors
  T *keys_packed, *values_packed, *keys, *values, *dkeys, *dvalues, *scores, *gradients;

  static Index whole(Index n) { return (n + simd::width<T> - 1) / simd::width<T> * simd::width<T>; }
  HeadRoom(Index keys_in_all, Index d, T* at) : m(keys_in_all), columns(whole(m)), width(whole(d)) {
    keys_packed = at;
    values_packed = keys_packed + columns * d;
    keys = values_packed + columns * d;
    values = keys + m * width;
    dkeys = values + m * width;
    dvalues = dkeys + m * width;
    scores = dvalues + m * width;
    gradients = scores + attention_rows * columns;
  }
};
template <class T>
Index attention_scratch(Index m, Index d) {
  const Index columns = HeadRoom<T>::whole(m);
  return 2 * columns * d + 4 * m * HeadRoom<T>::whole(d) + 2 * attention_rows * columns;
}

// [prefix; own], scaled: packed as the right-hand side of an nt product, or plainly as that of an nn product.
template <class T>
void gather_plain(BasicView<const T> prefix, BasicView<const T> own, T scale, Index width, T* to) {
  using B = simd::Batch<T>;
  const auto rows = [&](BasicView<const T> x, T* out) {
    for (Index i = 0; i < x.rows; ++i, out += width) {
      simd::map<T>(x.columns, out, [scale](B v) { return v * B(scale); }, x.row(i));
      for (Index j = x.columns; j < width; ++j) out[j] = 0;
    }
  };
  rows(prefix, to);
  rows(own, to + prefix.rows * width);
}
template <class T>
void pack_plain(const T* rows, Index m, Index width, Index d, T* to) {
  const BasicView<const T> all{rows, m, d, width};
  pack<T>(all, false, 0, (m + panel_width<T> - 1) / panel_width<T>, to);
}
template <class T>
Index panels_of(Index n) {
  return (n + panel_width<T> - 1) / panel_width<T>;
}

// y[R, d] = p[R, m] values, values [m][width]
template <class T>
void times_plain(BasicView<const T> p, const T* values, Index width, BasicView<T> y) {
  for (Index j = 0; j < y.columns; j += panel_width<T>)
    panel<T, false>(p.data, p.stride, p.rows, p.columns, values + j, width, j, std::min(panel_width<T>, y.columns - j), y, Finish<T>{});
}
// c[m][width] += p[R, m]ᵀ g[R, d]
template <class T>
void transposed_times_add(BasicView<const T> p, BasicView<const T> g, Index width, T* c) {
  const BasicView<T> sum{c, p.columns, g.columns, width};
  Finish<T> add;
  add.plus = sum;
  alignas(64) T last[attention_rows * simd::width<T> * tile_vectors];  // columns that do not fill a vector
  for (Index j = 0; j < g.columns; j += panel_width<T>) {
    const Index real = std::min(panel_width<T>, g.columns - j), wide = packed_width<T>(g.columns, j);
    const T* right = g.data + j;
    Index stride = g.stride;
    if (real < wide) {
      pack<T>(g.column_block(j, real), true, 0, 1, last);
      right = last;
      stride = wide;
    }
    panel<T, true>(p.data, p.stride, p.columns, p.rows, right, stride, j, real, sum, add);
  }
}

template <class T>
void attention(const kernels::Head<T>& h, BasicView<T> y) {
  using B = simd::Batch<T>;
  const Index n = h.q.rows, l = h.pk.rows, d = h.q.columns;
  HeadRoom<T> room(l + h.k.rows, d, h.scratch);
  const Index m = room.m;
  gather_plain<T>(h.pk, h.k, T(1) / std::sqrt(T(d)), room.width, room.keys);
  pack_plain<T>(room.keys, m, room.width, d, room.keys_packed);
  gather_plain<T>(h.pv, h.v, T(1), room.width, room.values);
  for (Index i = 0; i < n; i += attention_rows) {
    const Index rows = std::min(attention_rows, n - i);
    const BasicView<T> s{room.scores, rows, room.columns};
    product<T>(h.q.row_block(i, rows), room.keys_packed, 0, panels_of<T>(room.columns), s, Finish<T>{});
    for (Index r = 0; r < rows; ++r) {
      T* p = s.row(r);
      const T top = simd::maximum<T>(m, p);
      simd::map<T>(m, p, [top](B x) { return simd::exp(x - B(top)); }, p);
      const T sum = simd::accumulate<T>(m, [](B x) { return x; }, p), inverse = T(1) / sum;
      h.stats[i + r] = top + std::log(sum);
      simd::map<T>(m, p, [inverse](B x) { return x * B(inverse); }, p);
      if (h.kept) std::copy(p, p + m, h.kept + (i + r) * m);
      if (h.mask.rate != 0) masked(h.mask, h.mask_start + (i + r) * m, p, m);
    }
    times_plain<T>(BasicView<const T>(s.column_block(0, m)), room.values, room.width, y.row_block(i, rows));
  }
}

template <class T>
void attention_backward(const kernels::Head<T>& h, BasicView<const T> dy, BasicView<T> dq, BasicView<T> dk, BasicView<T> dv, BasicView<T> dpk, BasicView<T> dpv) {
  using B = simd::Batch<T>;
  const Index n = h.q.rows, l = h.pk.rows, d = h.q.columns;
  const T scale = T(1) / std::sqrt(T(d));
  HeadRoom<T> room(l + h.k.rows, d, h.scratch);
  const Index m = room.m;
  gather_plain<T>(h.pk, h.k, scale, room.width, room.keys);
  if (!h.kept) pack_plain<T>(room.keys, m, room.width, d, room.keys_packed);
  gather_plain<T>(h.pv, h.v, T(1), room.width, room.values);
  pack_plain<T>(room.values, m, room.width, d, room.values_packed);
  std::fill(room.dkeys, room.dkeys + m * room.width, T(0));
  std::fill(room.dvalues, room.dvalues + m * room.width, T(0));
  for (Index i = 0; i < n; i += attention_rows) {
    const Index rows = std::min(attention_rows, n - i);
    const BasicView<T> p{room.scores, rows, room.columns}, g{room.gradients, rows, room.columns};
    const auto queries = h.q.row_block(i, rows), above = dy.row_block(i, rows);
    if (!h.kept) product<T>(queries, room.keys_packed, 0, panels_of<T>(room.columns), p, Finish<T>{});
    product<T>(above, room.values_packed, 0, panels_of<T>(room.columns), g, Finish<T>{});
    for (Index r = 0; r < rows; ++r) {
      T *a = p.row(r), *b = g.row(r);
      const T all = h.stats[i + r];
      if (h.kept) std::copy(h.kept + (i + r) * m, h.kept + (i + r + 1) * m, a);
      else simd::map<T>(m, a, [all](B x) { return simd::exp(x - B(all)); }, a);
      const Index at = h.mask_start + (i + r) * m;
      if (h.mask.rate != 0) masked(h.mask, at, b, m);
      const T mean = simd::accumulate<T>(m, [](B x, B z) { return x * z; }, a, b);
      simd::map<T>(m, b, [mean](B x, B z) { return x * (z - B(mean)); }, a, b);
      if (h.mask.rate != 0) masked(h.mask, at, a, m);
    }
    const BasicView<const T> probabilities = p.column_block(0, m), gradients = g.column_block(0, m);
    times_plain<T>(gradients, room.keys, room.width, dq.row_block(i, rows));
    transposed_times_add<T>(gradients, queries, room.width, room.dkeys);
    transposed_times_add<T>(probabilities, above, room.width, room.dvalues);
  }
  const auto out = [&](const T* from, T factor, BasicView<T> prefix, BasicView<T> own) {
    const auto rows = [&](const T* x, BasicView<T> to, bool add) {
      for (Index i = 0; i < to.rows; ++i, x += room.width) {
        if (add) simd::map<T>(d, to.row(i), [factor](B s, B v) { return s + v * B(factor); }, to.row(i), x);
        else simd::map<T>(d, to.row(i), [factor](B v) { return v * B(factor); }, x);
      }
    };
    if (!prefix.empty()) rows(from, prefix, true);
    rows(from + l * room.width, own, false);
  };
  out(room.dkeys, scale, dpk, dk);
  out(room.dvalues, T(1), dpv, dv);
}

}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
