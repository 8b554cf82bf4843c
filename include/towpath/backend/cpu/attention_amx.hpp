// Attention of one head of one sequence by AMX: the five products of tiles.hpp's kind, in one part (bf16) or three (float), and softmax on
// base 2 between them. The equations and the order of the work are those of attention.hpp.
#pragma once

#include "towpath/backend/cpu/amx.hpp"
#include "towpath/backend/cpu/attention.hpp"

#ifdef TOWPATH_HAS_AMX

#include <cmath>
#include <numbers>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {
namespace tiles {

inline constexpr Index most_queries = 128;  // at a time
template <Index parts>
inline constexpr Index few_queries = parts == 1 ? 8 : 32;  // below that attention.hpp's kernels are faster
inline constexpr float nothing = -1e30f;    // a score whose probability is none

// 2^x for x up to 0 (and somewhat more), at least 2^-126. In one part within 3e-6 relative (a polynomial fitted on [0, 1)), in three within 2 ulp.
template <Index parts>
[[gnu::always_inline]] inline __m512 exp2(__m512 x) {
  using B = simd::Batch<float>;
  x = _mm512_max_ps(x, _mm512_set1_ps(-126.0f));
  if constexpr (parts == 1) {
    const B r = _mm512_reduce_ps(x, 1);  // x - ⌊x⌋
    return _mm512_scalef_ps(simd::polynomial(r, 0.013534168f, 0.05201146f, 0.24144275f, 0.69300383f, 1.0000026f), x);
  } else {
    const __m512 n = _mm512_roundscale_ps(x, 0);
    return _mm512_scalef_ps(simd::near_zero(B(_mm512_mul_ps(_mm512_sub_ps(x, n), _mm512_set1_ps(std::numbers::ln2_v<float>)))), n);
  }
}

// Memory handed out piece after piece; begun at 0 it only counts.
struct Room {
  std::uintptr_t at;
  template <class X>
  X* take(Index n) {
    X* here = reinterpret_cast<X*>(at);
    at += static_cast<std::uintptr_t>(n) * sizeof(X);
    return here;
  }
};

// What forward and backward need of m keys of width d: keys and values one behind the other, in order of tiles, and a block of rows of scores.
template <Index parts>
struct Block {
  Index m, d, columns, width;  // the last two: m and d in whole tiles
  float *keys, *values, *scores, *out;
  std::uint16_t *queries, *keys_turned, *probabilities;

  Block(Index keys_in_all, Index d_, Room& room)
      : m(keys_in_all),
        d(d_),
        columns(sides(m) * side),
        width(sides(d) * side),
        keys(room.take<float>(m * width)),
        values(room.take<float>(m * width)),
        scores(room.take<float>(most_queries * columns)),
        out(room.take<float>(most_queries * width)),
        queries(room.take<std::uint16_t>(numbers<parts>(most_queries, d))),
        keys_turned(room.take<std::uint16_t>(numbers<parts>(m, d))),
        probabilities(room.take<std::uint16_t>(numbers<parts>(most_queries, m))) {}

  // [prefix; own], where there is a prefix
  BasicView<const float> joined(BasicView<const float> prefix, BasicView<const float> own, float* to) const {
    if (prefix.rows == 0) return own;
    const auto copy = [&](BasicView<const float> x, float* at) {
      for (Index i = 0; i < x.rows; ++i) std::copy(x.row(i), x.row(i) + d, at + i * d);
    };
    copy(prefix, to);
    copy(own, to + prefix.rows * d);
    return {to, m, d, d};
  }
  // Row r of scores or of their gradients, with `rest` in the columns beyond the keys.
  float* row(float* x, Index r, float rest) const {
    float* const p = x + r * columns;
    if (m < columns) _mm512_mask_store_ps(p + columns - side, static_cast<__mmask16>(~lanes(side - (columns - m))), _mm512_set1_ps(rest));
    return p;
  }
  // scores = log₂(e) / √d · q kᵀ, so that 2^score is what softmax sums
  void score(BasicView<const float> q) const {
    left<parts>(q, queries, std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(d)));
    product<parts>(queries, sides(q.rows), keys_turned, sides(m), depths(d), scores, columns);
  }
};
// What backward needs beside.
template <Index parts>
struct BackwardBlock : Block<parts> {
  float *gradients, *dkeys, *dvalues;  // [most_queries][m]; of keys and values, transposed: [d][m]
  std::uint16_t *above, *above_turned, *queries_turned, *values_turned, *plain_keys, *scores_left, *right_side;

  BackwardBlock(Index keys_in_all, Index d_, Room& room)
      : Block<parts>(keys_in_all, d_, room),
        gradients(room.take<float>(most_queries * this->columns)),
        dkeys(room.take<float>(this->width * this->columns)),
        dvalues(room.take<float>(this->width * this->columns)),
        above(room.take<std::uint16_t>(numbers<parts>(most_queries, d_))),
        above_turned(room.take<std::uint16_t>(numbers<parts>(d_, most_queries))),
        queries_turned(room.take<std::uint16_t>(numbers<parts>(d_, most_queries))),
        values_turned(room.take<std::uint16_t>(numbers<parts>(keys_in_all, d_))),
        plain_keys(room.take<std::uint16_t>(numbers<parts>(d_, keys_in_all))),
        scores_left(this->probabilities),
        right_side(room.take<std::uint16_t>(numbers<parts>(keys_in_all, most_queries))) {}
};
template <Index parts>
Index attention_scratch(Index m, Index d) {
  Room room{0};
  const BackwardBlock<parts> all(m, d, room);
  return std::max(cpu::attention_scratch<float>(m, d), static_cast<Index>(room.at / sizeof(float)));
}

// f(first, rows) over blocks of n queries of about equal size
template <class F>
void each_block(Index n, const F& f) {
  const Index blocks = (n + most_queries - 1) / most_queries, rows = (sides(n) + blocks - 1) / blocks * side;
  for (Index i = 0; i < n; i += rows) f(i, std::min(rows, n - i));
}

// Row i of each x, to be read or written soon, or the one beside it, which is the next head's.
template <bool next, class... X>
void fetch(Index i, const X&... x) {
  const auto one = [i](const auto& v) {
    if (i >= v.rows) return;
    for (Index j = 0; j < v.columns; j += 16) _mm_prefetch(reinterpret_cast<const char*>(v.row(i) + j + (next ? v.columns : 0)), _MM_HINT_T1);
  };
  (one(x), ...);
}

template <Index parts>
void attention(const kernels::Head<float>& h, BasicView<float> y) {
  const Index n = h.q.rows, d = h.q.columns, m = h.pk.rows + h.k.rows;
  if (n < few_queries<parts>) return cpu::attention<float>(h, y);
  const Ready ready;
  Room memory{reinterpret_cast<std::uintptr_t>(h.scratch)};
  const Block<parts> b(m, d, memory);
  auto* values = memory.take<std::uint16_t>(numbers<parts>(d, m));
  right_of_transposed<parts>(b.joined(h.pk, h.k, b.keys), b.keys_turned);
  right<parts>(b.joined(h.pv, h.v, b.values), values);
  each_block(n, [&](Index i, Index rows) {
    b.score(h.q.row_block(i, rows));
    float top[most_queries], sum[most_queries];
    for (Index r = 0; r < rows; ++r) {
      fetch<false>(i + r, y);
      fetch<true>(i + r, h.q, h.k, h.v);
      const float* p = b.row(b.scores, r, nothing);
      __m512 most = _mm512_load_ps(p);
      for (Index j = 16; j < m; j += 16) most = _mm512_max_ps(most, _mm512_load_ps(p + j));
      top[r] = _mm512_reduce_max_ps(most);
    }
    for (Index r = 0; r < rows; ++r) {
      float* p = b.scores + r * b.columns;
      const __m512 most = _mm512_set1_ps(top[r]);
      __m512 sums = _mm512_setzero_ps();
      for (Index j = 0; j < m; j += 16) {
        const __m512 e = exp2<parts>(_mm512_sub_ps(_mm512_load_ps(p + j), most));
        sums = _mm512_add_ps(sums, e);
        _mm512_store_ps(p + j, e);
      }
      sum[r] = _mm512_reduce_add_ps(sums);
    }
    for (Index r = 0; r < rows; ++r) {
      h.stats[i + r] = top[r] + std::log2(sum[r]);
      sum[r] = 1 / sum[r];
    }
    if (h.kept)
      for (Index r = 0; r < rows; ++r)
        for (Index j = 0; j < m; ++j) h.kept[(i + r) * m + j] = b.scores[r * b.columns + j] * sum[r];
    if (h.mask.rate != 0)
      for (Index r = 0; r < rows; ++r) masked(h.mask, h.mask_start + (i + r) * m, b.scores + r * b.columns, m);
    left<parts>({b.scores, rows, m, b.columns}, b.probabilities);
    product<parts>(b.probabilities, sides(rows), values, sides(d), depths(m), b.out, b.width);
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < d; j += 16)
        _mm512_mask_storeu_ps(y.row(i + r) + j, lanes(d - j), _mm512_mul_ps(_mm512_load_ps(b.out + r * b.width + j), _mm512_set1_ps(sum[r])));
  });
}

template <Index parts>
void attention_backward(const kernels::Head<float>& h, BasicView<const float> dy, BasicView<float> dq, BasicView<float> dk, BasicView<float> dv,
                        BasicView<float> dpk, BasicView<float> dpv) {
  const Index n = h.q.rows, d = h.q.columns, l = h.pk.rows, m = l + h.k.rows;
  if (n < few_queries<parts>) return cpu::attention_backward<float>(h, dy, dq, dk, dv, dpk, dpv);
  const float scale = 1 / std::sqrt(static_cast<float>(d));
  const Ready ready;
  Room memory{reinterpret_cast<std::uintptr_t>(h.scratch)};
  const BackwardBlock<parts> b(m, d, memory);
  const auto keys = b.joined(h.pk, h.k, b.keys);
  right_of_transposed<parts>(keys, b.keys_turned);
  right<parts>(keys, b.plain_keys);
  right_of_transposed<parts>(b.joined(h.pv, h.v, b.values), b.values_turned);
  each_block(n, [&](Index i, Index rows) {
    const auto queries = h.q.row_block(i, rows), above = dy.row_block(i, rows);
    const BasicView<const float> p{b.scores, rows, m, b.columns}, g{b.gradients, rows, m, b.columns};
    if (!h.kept) b.score(queries);
    left<parts>(above, b.above);
    product<parts>(b.above, sides(rows), b.values_turned, sides(m), depths(d), b.gradients, b.columns);  // dp = dy vᵀ
    float mean[most_queries];
    for (Index r = 0; r < rows; ++r) {
      fetch<false>(i + r, dq, dk, dv);
      fetch<true>(i + r, h.q, h.k, h.v, dy);
      float *s = b.row(b.scores, r, h.kept ? 0 : nothing), *t = b.row(b.gradients, r, 0);
      if (h.kept) std::copy(h.kept + (i + r) * m, h.kept + (i + r + 1) * m, s);
      if (h.mask.rate != 0) masked(h.mask, h.mask_start + (i + r) * m, t, m);
      const __m512 all = _mm512_set1_ps(h.stats[i + r]);
      __m512 sums = _mm512_setzero_ps();
      for (Index j = 0; j < m; j += 16) {
        __m512 e = _mm512_load_ps(s + j);
        if (!h.kept) _mm512_store_ps(s + j, e = exp2<parts>(_mm512_sub_ps(e, all)));
        sums = _mm512_fmadd_ps(e, _mm512_load_ps(t + j), sums);
      }
      mean[r] = _mm512_reduce_add_ps(sums);
    }
    for (Index r = 0; r < rows; ++r) {  // ds = p ⊙ (dp - Σ p dp)
      float *s = b.scores + r * b.columns, *t = b.gradients + r * b.columns;
      const __m512 less = _mm512_set1_ps(mean[r]);
      for (Index j = 0; j < m; j += 16) _mm512_store_ps(t + j, _mm512_mul_ps(_mm512_load_ps(s + j), _mm512_sub_ps(_mm512_load_ps(t + j), less)));
      if (h.mask.rate != 0) masked(h.mask, h.mask_start + (i + r) * m, s, m);
    }
    const Index deep = depths(rows), wide = sides(m);
    left_of_transposed<parts>(above, b.above_turned);
    right<parts>(p, b.right_side);
    product<parts>(b.above_turned, sides(d), b.right_side, wide, deep, b.dvalues, b.columns, i > 0);  // dvᵀ += dyᵀ p
    left_of_transposed<parts>(queries, b.queries_turned);
    right<parts>(g, b.right_side);
    product<parts>(b.queries_turned, sides(d), b.right_side, wide, deep, b.dkeys, b.columns, i > 0);  // dkᵀ += qᵀ ds
    left<parts>(g, b.scores_left);
    product<parts>(b.scores_left, sides(rows), b.plain_keys, sides(d), depths(m), b.out, b.width);  // dq = ds k
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < d; j += 16)
        _mm512_mask_storeu_ps(dq.row(i + r) + j, lanes(d - j), _mm512_mul_ps(_mm512_load_ps(b.out + r * b.width + j), _mm512_set1_ps(scale)));
  });
  const auto hand_out = [&](const float* from, float factor, BasicView<float> prefix, BasicView<float> own) {
    alignas(64) float turned[side * side];
    for (Index i = 0; i < m; i += side)
      for (Index j = 0; j < d; j += side) {
        turn(from + j * b.columns + i, b.columns, turned, side);
        for (Index r = i; r < std::min(i + side, m); ++r) {
          if (r < l && prefix.empty()) continue;
          float* to = (r < l ? prefix.row(r) : own.row(r - l)) + j;
          __m512 x = _mm512_mul_ps(_mm512_load_ps(turned + (r - i) * side), _mm512_set1_ps(factor));
          if (r < l) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes(d - j), to));
          _mm512_mask_storeu_ps(to, lanes(d - j), x);
        }
      }
  };
  hand_out(b.dkeys, scale, dpk, dk);
  hand_out(b.dvalues, 1, dpv, dv);
}

}  // namespace tiles
}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
#endif
