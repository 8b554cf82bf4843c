// Attention over a ragged batch in one kernel forward and two backward: no padding, and probabilities never reach the device's memory. Queries and
// keys meet tile by tile in shared memory, and a row's softmax is put together on the way (Milakov and Gimelshein 2018; Dao et al. 2022). From
// forward to backward log Σ exp of each row's scores is kept. Equations: reference/ops.hpp.
#pragma once

#include "towpath/backend/cuda/group.hpp"

#include "towpath/backend/reference/ops.hpp"

#include <cmath>
#include <cstdint>

namespace towpath::cuda {

// A piece of the work: some rows of queries, or of keys, of one sequence; one item for each head.
struct Piece {
  std::int32_t sequence, tile;
};

namespace detail {
// Row and column of element e of a matrix in shared memory: small numbers, which a GPU divides several times as fast as large ones.
struct Place {
  Index row, column;
  TOWPATH_BOTH Place(Index e, Index columns)
      : row(static_cast<Index>(static_cast<std::uint32_t>(e) / static_cast<std::uint32_t>(columns))), column(e - row * columns) {}
};
// put(i, j, Σ_x a(i, x) b(x, j)) for i < m, j < n, each of us four by four at a time.
template <class T, class Group, class A, class B, class Put>
TOWPATH_BOTH void multiply(const Group& us, Index m, Index n, Index k, const A& a, const B& b, const Put& put) {
  const Index down = (m + 3) / 4, across = (n + 3) / 4;
  for (Index block = us.lane(); block < down * across; block += us.count()) {
    const Place at(block, across);
    const Index i0 = at.row * 4, j0 = at.column * 4;
    T c[4][4] = {};
    for (Index x = 0; x < k; ++x) {
      T left[4], right[4];
      for (int u = 0; u < 4; ++u) left[u] = i0 + u < m ? a(i0 + u, x) : T(0);
      for (int w = 0; w < 4; ++w) right[w] = j0 + w < n ? b(x, j0 + w) : T(0);
      for (int u = 0; u < 4; ++u)
        for (int w = 0; w < 4; ++w) c[u][w] += left[u] * right[w];
    }
    for (int u = 0; u < 4; ++u)
      for (int w = 0; w < 4; ++w)
        if (i0 + u < m && j0 + w < n) put(i0 + u, j0 + w, c[u][w]);
  }
}
}  // namespace detail

template <class T>
struct Heads {
  static constexpr Index tall = 32, wide = 32;  // queries and keys of a tile

  Matrix<const T> q, k, v, pk, pv;
  const Index *offsets, *starts;  // of sequences: their tokens, and their probabilities as the reference numbers them (for masks)
  const Piece* pieces;
  Index heads, width;  // of one head
  Mask mask;
  bool firsts;

  TOWPATH_BOTH Index length(Index s) const { return offsets[s + 1] - offsets[s]; }
  TOWPATH_BOTH Index queries(Index s) const { return firsts ? (length(s) > 0 ? 1 : 0) : length(s); }
  TOWPATH_BOTH Index first_query(Index s) const { return firsts ? s : offsets[s]; }
  TOWPATH_BOTH Index keys(Index s) const { return pk.rows + length(s); }
  TOWPATH_BOTH T scale() const {
    using std::sqrt;
    return T(1) / sqrt(T(width));
  }
  TOWPATH_BOTH T dropped(Index s, Index head, Index i, Index j) const {
    return mask.rate == 0 ? T(1) : T(mask(static_cast<std::uint64_t>(starts[s] + (head * queries(s) + i) * keys(s) + j)));
  }
  // Rows of a tile: of queries from i on, of keys (the prefix first) or values from j on; `to` has rows of width + 1.
  template <class Group>
  TOWPATH_BOTH void load_rows(const Group& us, const Matrix<const T>& from, Index first, Index count, Index head, T* to) const {
    for (Index e = us.lane(); e < count * width; e += us.count()) {
      const detail::Place at(e, width);
      to[at.row * (width + 1) + at.column] = from(first + at.row, head * width + at.column);
    }
  }
  template <class Group>
  TOWPATH_BOTH void load_keys(const Group& us, const Matrix<const T>& before, const Matrix<const T>& own, Index s, Index j, Index count, Index head, T* to) const {
    for (Index e = us.lane(); e < count * width; e += us.count()) {
      const detail::Place at(e, width);
      const Index key = j + at.row, c = head * width + at.column;
      to[at.row * (width + 1) + at.column] = key < before.rows ? before(key, c) : own(offsets[s] + key - before.rows, c);
    }
  }
  // put(i, j, row i of a · row j of b), both loaded as above
  template <class Group, class Put>
  TOWPATH_BOTH void dots(const Group& us, Index m, Index n, const T* a, const T* b, const Put& put) const {
    const Index ld = width + 1;
    detail::multiply<T>(us, m, n, width, [&](Index i, Index x) { return a[i * ld + x]; }, [&](Index x, Index j) { return b[j * ld + x]; }, put);
  }
  static Index room(Index width, Index tiles, Index squares, Index rows) { return tiles * tall * (width + 1) + squares * tall * (wide + 1) + rows * tall; }
};

template <class T>
struct Attention : Heads<T> {
  using Heads<T>::tall;
  using Heads<T>::wide;
  Matrix<T> y;
  T* saved;  // [heads][rows of q]

  explicit Attention(const Heads<T>& h) : Heads<T>(h) {}
  static Index room(Index width) { return Heads<T>::room(width, 4, 1, 3); }

  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index item, T* shared) const {
    using std::exp;
    using std::log;
    const Index head = item % this->heads, s = this->pieces[item / this->heads].sequence, i0 = this->pieces[item / this->heads].tile * tall;
    const Index d = this->width, ld = d + 1, ls = wide + 1, all = this->keys(s), row = this->first_query(s) + i0;
    const Index m = this->queries(s) - i0 < tall ? this->queries(s) - i0 : tall;
    T *qs = shared, *ks = qs + tall * ld, *vs = ks + wide * ld, *acc = vs + wide * ld, *p = acc + tall * ld, *top = p + tall * ls, *sum = top + tall,
      *shrink = sum + tall;
    this->load_rows(us, this->q, row, m, head, qs);
    for (Index e = us.lane(); e < m * ld; e += us.count()) acc[e] = 0;
    for (Index i = us.lane(); i < m; i += us.count()) top[i] = -T(HUGE_VAL), sum[i] = 0;
    const T scale = this->scale();
    for (Index j0 = 0; j0 < all; j0 += wide) {
      const Index w = all - j0 < wide ? all - j0 : wide;
      us.sync();  // the tile before this one was read
      this->load_keys(us, this->pk, this->k, s, j0, w, head, ks);
      this->load_keys(us, this->pv, this->v, s, j0, w, head, vs);
      us.sync();
      this->dots(us, m, w, qs, ks, [&](Index i, Index j, T dot) { p[i * ls + j] = dot * scale; });
      us.sync();
      for (Index i = us.lane(); i < m; i += us.count()) {
        T highest = top[i];
        for (Index j = 0; j < w; ++j) highest = p[i * ls + j] > highest ? p[i * ls + j] : highest;
        shrink[i] = exp(top[i] - highest);
        top[i] = highest;
      }
      us.sync();
      for (Index e = us.lane(); e < m * w; e += us.count()) {
        const detail::Place at(e, w);
        T& x = p[at.row * ls + at.column];
        x = exp(x - top[at.row]);
      }
      us.sync();
      for (Index i = us.lane(); i < m; i += us.count()) {
        T total = 0;
        for (Index j = 0; j < w; ++j) {
          total += p[i * ls + j];
          p[i * ls + j] *= this->dropped(s, head, i0 + i, j0 + j);
        }
        sum[i] = sum[i] * shrink[i] + total;
      }
      us.sync();
      detail::multiply<T>(us, m, d, w, [&](Index i, Index j) { return p[i * ls + j]; }, [&](Index j, Index x) { return vs[j * ld + x]; },
                          [&](Index i, Index x, T dot) { acc[i * ld + x] = acc[i * ld + x] * shrink[i] + dot; });
    }
    us.sync();
    for (Index e = us.lane(); e < m * d; e += us.count()) {
      const detail::Place at(e, d);
      y(row + at.row, head * d + at.column) = acc[at.row * ld + at.column] / sum[at.row];
    }
    for (Index i = us.lane(); i < m; i += us.count()) saved[head * this->q.rows + row + i] = top[i] + log(sum[i]);
  }
};

// dq, and Σ_j p dp of each row, which the other kernel reads.
template <class T>
struct AttentionQueries : Heads<T> {
  using Heads<T>::tall;
  using Heads<T>::wide;
  Matrix<const T> dy;
  const T* saved;
  Matrix<T> dq;
  T* means;  // [heads][rows of q]

  explicit AttentionQueries(const Heads<T>& h) : Heads<T>(h) {}
  static Index room(Index width) { return Heads<T>::room(width, 5, 2, 2); }

  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index item, T* shared) const {
    using std::exp;
    const Index head = item % this->heads, s = this->pieces[item / this->heads].sequence, i0 = this->pieces[item / this->heads].tile * tall;
    const Index d = this->width, ld = d + 1, ls = wide + 1, all = this->keys(s), row = this->first_query(s) + i0;
    const Index m = this->queries(s) - i0 < tall ? this->queries(s) - i0 : tall;
    T *qs = shared, *dys = qs + tall * ld, *ks = dys + tall * ld, *vs = ks + wide * ld, *acc = vs + wide * ld, *p = acc + tall * ld, *dp = p + tall * ls,
      *level = dp + tall * ls, *mean = level + tall;
    this->load_rows(us, this->q, row, m, head, qs);
    this->load_rows(us, dy, row, m, head, dys);
    for (Index e = us.lane(); e < m * ld; e += us.count()) acc[e] = 0;
    for (Index i = us.lane(); i < m; i += us.count()) level[i] = saved[head * this->q.rows + row + i], mean[i] = 0;
    const T scale = this->scale();
    for (int sweep = 0; sweep < 2; ++sweep)
      for (Index j0 = 0; j0 < all; j0 += wide) {
        const Index w = all - j0 < wide ? all - j0 : wide;
        us.sync();
        this->load_keys(us, this->pk, this->k, s, j0, w, head, ks);
        this->load_keys(us, this->pv, this->v, s, j0, w, head, vs);
        us.sync();
        this->dots(us, m, w, qs, ks, [&](Index i, Index j, T dot) { p[i * ls + j] = exp(dot * scale - level[i]); });
        this->dots(us, m, w, dys, vs, [&](Index i, Index j, T dot) { dp[i * ls + j] = dot * this->dropped(s, head, i0 + i, j0 + j); });
        us.sync();
        if (sweep == 0) {
          for (Index i = us.lane(); i < m; i += us.count())
            for (Index j = 0; j < w; ++j) mean[i] += p[i * ls + j] * dp[i * ls + j];
          continue;
        }
        detail::multiply<T>(us, m, d, w, [&](Index i, Index j) { return p[i * ls + j] * (dp[i * ls + j] - mean[i]) * scale; },
                            [&](Index j, Index x) { return ks[j * ld + x]; }, [&](Index i, Index x, T dot) { acc[i * ld + x] += dot; });
      }
    us.sync();
    for (Index e = us.lane(); e < m * d; e += us.count()) {
      const detail::Place at(e, d);
      dq(row + at.row, head * d + at.column) = acc[at.row * ld + at.column];
    }
    for (Index i = us.lane(); i < m; i += us.count()) means[head * this->q.rows + row + i] = mean[i];
  }
};

// dk and dv. What a sequence gives to the prefix goes to rows of its own, [sequences · l, H], and is joined afterwards in their order.
template <class T>
struct AttentionKeys : Heads<T> {
  using Heads<T>::tall;
  using Heads<T>::wide;
  Matrix<const T> dy;
  const T *saved, *means;
  Matrix<T> dk, dv, prefix_dk, prefix_dv;

  explicit AttentionKeys(const Heads<T>& h) : Heads<T>(h) {}
  static Index room(Index width) { return Heads<T>::room(width, 6, 2, 2); }

  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index item, T* shared) const {
    using std::exp;
    const Index head = item % this->heads, s = this->pieces[item / this->heads].sequence, j0 = this->pieces[item / this->heads].tile * wide;
    const Index d = this->width, ld = d + 1, ls = wide + 1, l = this->pk.rows;
    const Index w = this->keys(s) - j0 < wide ? this->keys(s) - j0 : wide;
    T *ks = shared, *vs = ks + wide * ld, *sum_k = vs + wide * ld, *sum_v = sum_k + wide * ld, *qs = sum_v + wide * ld, *dys = qs + tall * ld,
      *p = dys + tall * ld, *ds = p + tall * ls, *level = ds + tall * ls, *mean = level + tall;
    this->load_keys(us, this->pk, this->k, s, j0, w, head, ks);
    this->load_keys(us, this->pv, this->v, s, j0, w, head, vs);
    for (Index e = us.lane(); e < w * ld; e += us.count()) sum_k[e] = sum_v[e] = 0;
    const T scale = this->scale();
    for (Index i0 = 0; i0 < this->queries(s); i0 += tall) {
      const Index m = this->queries(s) - i0 < tall ? this->queries(s) - i0 : tall, row = this->first_query(s) + i0;
      us.sync();
      this->load_rows(us, this->q, row, m, head, qs);
      this->load_rows(us, dy, row, m, head, dys);
      for (Index i = us.lane(); i < m; i += us.count()) level[i] = saved[head * this->q.rows + row + i], mean[i] = means[head * this->q.rows + row + i];
      us.sync();
      this->dots(us, m, w, qs, ks, [&](Index i, Index j, T dot) { p[i * ls + j] = exp(dot * scale - level[i]); });
      us.sync();
      // the same blocks of four by four as above are each thread's own, so p may be changed where it is read
      this->dots(us, m, w, dys, vs, [&](Index i, Index j, T dot) {
        const T kept = this->dropped(s, head, i0 + i, j0 + j), probability = p[i * ls + j];
        ds[i * ls + j] = probability * (dot * kept - mean[i]) * scale;
        p[i * ls + j] = probability * kept;
      });
      us.sync();
      detail::multiply<T>(us, w, d, m, [&](Index j, Index i) { return p[i * ls + j]; }, [&](Index i, Index x) { return dys[i * ld + x]; },
                          [&](Index j, Index x, T dot) { sum_v[j * ld + x] += dot; });
      detail::multiply<T>(us, w, d, m, [&](Index j, Index i) { return ds[i * ls + j]; }, [&](Index i, Index x) { return qs[i * ld + x]; },
                          [&](Index j, Index x, T dot) { sum_k[j * ld + x] += dot; });
    }
    us.sync();
    for (Index e = us.lane(); e < w * d; e += us.count()) {
      const detail::Place at(e, d);
      const Index j = j0 + at.row, c = head * d + at.column, from = at.row * ld + at.column;
      if (j >= l) dk(this->offsets[s] + j - l, c) = sum_k[from], dv(this->offsets[s] + j - l, c) = sum_v[from];
      else {
        if (!prefix_dk.empty()) prefix_dk(s * l + j, c) = sum_k[from];
        if (!prefix_dv.empty()) prefix_dv(s * l + j, c) = sum_v[from];
      }
    }
  }
};
template <class T>
struct JoinPrefix {  // f(j, c)
  Matrix<const T> parts;
  Index sequences;
  Matrix<T> g;
  TOWPATH_BOTH void operator()(Index j, Index c) const {
    T sum = 0;
    for (Index s = 0; s < sequences; ++s) sum += parts(s * g.rows + j, c);
    g(j, c) += sum;
  }
};

}  // namespace towpath::cuda
