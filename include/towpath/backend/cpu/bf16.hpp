// Products whose right-hand side is a frozen weight in bf16, sums in float. The weight lies in strips of 16 columns: [k/2][16][2], two
// neighbours of the summed index side by side, k filled up with zeros to a multiple of 32. That is what vdpbf16ps and AMX's tdpbf16ps read;
// elsewhere a pair of shifts makes two float vectors of it. Three ways to compute:
//   widen    a stays float, the weight is widened in registers: any instruction set
//   dot      a is rounded to bf16, vdpbf16ps (AVX512_BF16)
//   amx      a is rounded to bf16, tdpbf16ps on tiles (AMX-BF16)
// The last two differ from the first by the rounding of a, about 2^-9 relative in each element. The third is also that of floats in three
// parts (amx.hpp), as exact as multiplying in float.
#pragma once

#include "towpath/backend/cpu/amx.hpp"
#include "towpath/backend/cpu/tile.hpp"
#include "towpath/tensor/dtype.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {
namespace half_width {  // of the weights

inline constexpr Index strip = 16, depth = 32;

inline Index padded(Index k) { return (k + depth - 1) / depth * depth; }
inline Index strips(Index n) { return (n + strip - 1) / strip; }
inline Index size(Index n, Index k) { return strips(n) * strip * padded(k) * 2; }

// Panels are pairs of strips.
inline constexpr Index panel_columns = 2 * strip;
inline constexpr Index tile_size = strip * depth;  // numbers of a tile of the weight: 32 of the summed index by a strip

// Each number as the sum of `parts` in bf16; the parts of a tile lie one behind the other. One part is the layout above.
template <Index parts>
void pack(BasicView<const float> b, bool across, Index first, Index last, void* to) {
  const Index n = across ? b.columns : b.rows, k = across ? b.rows : b.columns, deep = padded(k);
#ifdef TOWPATH_HAS_AMX
  const Index from = first * panel_columns, columns = std::min(last * panel_columns, n) - from;
  auto* out = static_cast<std::uint16_t*>(to) + from * parts * deep;
  across ? tiles::right<parts>(b.column_block(from, columns), out) : tiles::right_of_transposed<parts>(b.row_block(from, columns), out);
#else
  for (Index s = 2 * first; s < std::min(2 * last, strips(n)); ++s) {
    auto* out = static_cast<bf16*>(to) + s * parts * strip * deep;
    const Index real = std::min(strip, n - s * strip);
    if (real < strip || deep > k) std::fill(out, out + parts * strip * deep, bf16{});
    for (Index t = 0; t < k; ++t)
      for (Index c = 0; c < real; ++c) {
        float x = across ? b.row(t)[s * strip + c] : b.row(s * strip + c)[t];
        for (Index p = 0; p < parts; ++p) {
          const bf16 piece(x);
          out[(t / depth * parts + p) * tile_size + (t % depth / 2 * strip + c) * 2 + t % 2] = piece;
          x -= static_cast<float>(piece);
        }
      }
  }
#endif
}

// From b [n, k] packed as it is to bᵀ packed: strips [first, last) · 2 of k columns, n deep. A square of 16 by 16 changes place, and each two by two in it.
inline void turn(const void* packed, Index n, Index k, Index first, Index last, void* to) {
  const Index deep = padded(k), turned = padded(n), full = strips(n) * strip;
  const auto* from = static_cast<const bf16*>(packed);
  for (Index s = 2 * first; s < std::min(2 * last, strips(k)); ++s) {
    auto* out = static_cast<bf16*>(to) + s * strip * turned;
    if (full < turned) std::fill(out + full * strip, out + turned * strip, bf16{});
    for (Index r = 0; r < full; r += strip) {
      const bf16* x = from + r * deep + s * strip * strip;  // [8][16][2]: pairs of columns, rows, two columns
      bf16* y = out + r * strip;                            // [8][16][2]: pairs of rows, columns, two rows
#if defined(__AVX512BW__)
      __m512i v[8], a[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) v[i] = _mm512_loadu_si512(x + i * 32);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_epi64(v[i], v[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi64(v[i], v[i + 1]);
      }
      // a[2 g + j] has numbers j, j + 2, j + 4, j + 6 of vectors 2 g and 2 g + 1
      const __m512i swap = _mm512_set4_epi32(0x0f0e0b0a, 0x0d0c0908, 0x07060302, 0x05040100);
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        const __m512i even = _mm512_shuffle_i64x2(a[j], a[2 + j], 0x88), odd = _mm512_shuffle_i64x2(a[j], a[2 + j], 0xdd),
                      even2 = _mm512_shuffle_i64x2(a[4 + j], a[6 + j], 0x88), odd2 = _mm512_shuffle_i64x2(a[4 + j], a[6 + j], 0xdd);
        const auto put = [&](int i, __m512i w) { _mm512_storeu_si512(y + i * 32, _mm512_shuffle_epi8(w, swap)); };
        put(j, _mm512_shuffle_i64x2(even, even2, 0x88));
        put(j + 2, _mm512_shuffle_i64x2(odd, odd2, 0x88));
        put(j + 4, _mm512_shuffle_i64x2(even, even2, 0xdd));
        put(j + 6, _mm512_shuffle_i64x2(odd, odd2, 0xdd));
      }
#else
      for (Index i = 0; i < strip; ++i)
        for (Index j = 0; j < strip; ++j) y[(i / 2 * strip + j) * 2 + i % 2] = x[(j / 2 * strip + i) * 2 + j % 2];
#endif
    }
  }
}

// --- widen -------------------------------------------------------------------------------------------------------------------
// R rows by V vectors; p[v] points at the first pair of vector v.
template <int R, int V>
[[gnu::noinline]] void widened(const float* a, Index lda, const std::uint32_t* const* p, Index k, Index columns, float* y, Index y_stride,
                               const TileFinish<float>& f) {
  using B = simd::Batch<float>;
  using U = simd::Batch<std::uint32_t>;
  constexpr Index w = simd::width<float>;
  B s[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[i][v] = B(0.0f);
  Index t = 0;
  for (Index at = 0; t < k; t += 2, at += strip) {
    B even[V], odd[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const U pairs = U::load_unaligned(p[v] + at);
      even[v] = std::bit_cast<B>(pairs << 16);
      odd[v] = std::bit_cast<B>(pairs & U(0xffff0000u));
    }
    const bool both = t + 1 < k;
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const B first(a[i * lda + t]), second(both ? a[i * lda + t + 1] : 0.0f);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) s[i][v] = xsimd::fma(second, odd[v], xsimd::fma(first, even[v], s[i][v]));
    }
  }
  alignas(64) float sums[R * V * w];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) simd::store<float>(s[i][v], sums + (i * V + v) * w);
  finish_tile<float>(R, columns, sums, V * w, y, y_stride, f);
}
inline void product_widened(BasicView<const float> a, const void* packed, Index first, Index last, BasicView<float> y, const Finish<float>& finish, void*) {
  constexpr Index w = simd::width<float>, wide = tile_vectors * w;
  const Index deep = padded(a.columns), end = std::min(last * panel_columns, y.columns);
  for (Index j = first * panel_columns; j < end;) {
    const Index columns = std::min(wide, end - j), vectors = (columns + w - 1) / w;
    const std::uint32_t* p[tile_vectors];
    for (Index v = 0; v < vectors; ++v) {
      const Index c = j + v * w;
      p[v] = static_cast<const std::uint32_t*>(packed) + c / strip * strip * (deep / 2) + c % strip;
    }
    const auto rows = [&]<int R>(std::integral_constant<int, R>, Index i) {
      const TileFinish<float> f(finish, i, j);
      if (vectors == tile_vectors) widened<R, tile_vectors>(a.row(i), a.stride, p, a.columns, columns, y.row(i) + j, y.stride, f);
      else
        for (Index v = 0; v < vectors; ++v)
          widened<R, 1>(a.row(i), a.stride, p + v, a.columns, std::min(w, columns - v * w), y.row(i) + j + v * w, y.stride,
                        TileFinish<float>(finish, i, j + v * w));
    };
    Index i = 0;
    for (; i + tile_rows <= a.rows; i += tile_rows) rows(std::integral_constant<int, tile_rows>{}, i);
    for (; i < a.rows; ++i) rows(std::integral_constant<int, 1>{}, i);
    j += columns;
  }
}
inline Index no_scratch(Index, Index) { return 0; }

// --- a in bf16 -----------------------------------------------------------------------------------------------------------------
#if defined(__AVX512BF16__)
inline constexpr Index tile_side = 16;
inline Index rounded_rows(Index m) { return (m + 2 * tile_side - 1) / (2 * tile_side) * (2 * tile_side); }
// a, then the sums of one pair of tiles by one pair of strips
inline Index scratch(Index m, Index k) { return rounded_rows(m) * padded(k) * 2 + 2 * tile_side * panel_columns * 4; }

// Rows of a in bf16, [rounded_rows][padded(k)].
inline void round_rows(BasicView<const float> a, std::uint16_t* to) {
  const Index deep = padded(a.columns);
  for (Index i = 0; i < a.rows; ++i) {
    const float* from = a.row(i);
    std::uint16_t* out = to + i * deep;
    Index t = 0;
    for (; t + 32 <= a.columns; t += 32) {
      const __m512bh pair = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + t + 16), _mm512_loadu_ps(from + t));
      std::memcpy(out + t, &pair, sizeof pair);
    }
    for (; t < a.columns; ++t) out[t] = bf16(from[t]).bits;
    for (; t < deep; ++t) out[t] = 0;
  }
  const Index full = rounded_rows(a.rows);
  if (full > a.rows) std::memset(to + a.rows * deep, 0, static_cast<std::size_t>((full - a.rows) * deep) * 2);
}

template <int R, int V>
[[gnu::noinline]] void dotted(const std::uint16_t* a, Index lda, const std::uint32_t* b, Index strip_size, Index k, Index columns, float* y, Index y_stride,
                              const TileFinish<float>& f) {
  __m512 s[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[i][v] = _mm512_setzero_ps();
  for (Index t = 0; t < k; t += 2, b += strip) {
    __m512bh right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const __m512i bits = _mm512_loadu_si512(b + v * strip_size);
      right[v] = std::bit_cast<__m512bh>(bits);
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      std::int32_t pair;
      std::memcpy(&pair, a + i * lda + t, sizeof pair);
      const __m512bh left = std::bit_cast<__m512bh>(_mm512_set1_epi32(pair));
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) s[i][v] = _mm512_dpbf16_ps(s[i][v], left, right[v]);
    }
  }
  alignas(64) float sums[R * V * 16];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) _mm512_store_ps(sums + (i * V + v) * 16, s[i][v]);
  finish_tile<float>(R, columns, sums, V * 16, y, y_stride, f);
}
inline void product_dotted(BasicView<const float> a, const void* packed, Index first, Index last, BasicView<float> y, const Finish<float>& finish,
                           void* room) {
  auto* left = static_cast<std::uint16_t*>(room);
  round_rows(a, left);
  const Index deep = padded(a.columns), strip_size = strip * (deep / 2), end = std::min(last * panel_columns, y.columns);
  for (Index j = first * panel_columns; j < end;) {
    const Index columns = std::min<Index>(3 * strip, end - j);
    const auto* b = static_cast<const std::uint32_t*>(packed) + j / strip * strip_size;
    const auto rows = [&]<int R>(std::integral_constant<int, R>, Index i) {
      const TileFinish<float> f(finish, i, j);
      if (columns > 2 * strip) dotted<R, 3>(left + i * deep, deep, b, strip_size, deep, columns, y.row(i) + j, y.stride, f);
      else if (columns > strip) dotted<R, 2>(left + i * deep, deep, b, strip_size, deep, columns, y.row(i) + j, y.stride, f);
      else dotted<R, 1>(left + i * deep, deep, b, strip_size, deep, columns, y.row(i) + j, y.stride, f);
    };
    Index i = 0;
    for (; i + 8 <= a.rows; i += 8) rows(std::integral_constant<int, 8>{}, i);
    for (; i < a.rows; ++i) rows(std::integral_constant<int, 1>{}, i);
    j += columns;
  }
}
#endif

#ifdef TOWPATH_HAS_AMX
inline Index split_size(Index n, Index k) { return tiles::three * size(n, k); }
inline Index split_scratch(Index m, Index k) { return tiles::three * rounded_rows(m) * padded(k) * 2 + 2 * tile_side * panel_columns * 4; }

// 32 rows by 32 columns at a time: four tiles of sums, two of each side; both sides in one part, or in three.
template <Index parts>
void product_amx(BasicView<const float> a, const void* packed, Index first, Index last, BasicView<float> y, const Finish<float>& finish, void* room) {
  auto* left = static_cast<std::uint16_t*>(room);
  tiles::left<parts>(a, left);
  const Index deep = parts * padded(a.columns);
  auto* sums = reinterpret_cast<float*>(left + rounded_rows(a.rows) * deep);
  const tiles::Ready ready;
  for (Index p = first; p < last; ++p) {
    const Index j = p * panel_columns, columns = std::min(panel_columns, y.columns - j);
    const auto* right = static_cast<const std::uint16_t*>(packed) + j * deep;
    for (Index i = 0; i < a.rows; i += 2 * tile_side) {
      const Index rows = std::min<Index>(2 * tile_side, a.rows - i);
      const TileFinish<float> f(finish, i, j);
      fetch_tile<float>(rows, columns, y.row(i) + j, y.stride, f);
      tiles::product<parts>(left + i * deep, tiles::sides(rows), right, tiles::sides(columns), tiles::depths(a.columns), sums, panel_columns);
      finish_tile<float>(rows, columns, sums, panel_columns, y.row(i) + j, y.stride, f);
    }
  }
}

// c += aᵀ b by parts, `tn_tokens` rows at a time. split_columns: panels [first, last) of one side; split_tn: what lies in rows [i, i + m) and
// columns [j, j + n) of c, both from whole panels on.
inline constexpr Index tn_tokens = 512;
inline void split_columns(BasicView<const float> x, bool right, Index first, Index last, void* to) {
  const Index from = first * panel_columns, columns = std::min(last * panel_columns, x.columns) - from;
  const BasicView<const float> part = x.column_block(from, columns);
  auto* out = static_cast<std::uint16_t*>(to) + from * tiles::three * padded(x.rows);
  right ? tiles::right<tiles::three>(part, out) : tiles::left_of_transposed<tiles::three>(part, out);
}
inline void split_tn(const void* left, const void* right, Index tokens, Index i0, Index m, Index j0, Index n, BasicView<float> c) {
  const Index deep = tiles::three * padded(tokens);
  alignas(64) float sums[panel_columns * panel_columns];
  const tiles::Ready ready;
  for (Index j = j0; j < j0 + n; j += panel_columns)
    for (Index i = i0; i < i0 + m; i += panel_columns) {
      const Index rows = std::min(panel_columns, i0 + m - i), columns = std::min(panel_columns, j0 + n - j);
      Finish<float> add;
      add.plus = c;
      const TileFinish<float> f(add, i, j);
      fetch_tile<float>(rows, columns, c.row(i) + j, c.stride, f);
      tiles::product<tiles::three>(static_cast<const std::uint16_t*>(left) + i * deep, tiles::sides(rows), static_cast<const std::uint16_t*>(right) + j * deep,
                                   tiles::sides(columns), tiles::depths(tokens), sums, panel_columns);
      finish_tile<float>(rows, columns, sums, panel_columns, c.row(i) + j, c.stride, f);
    }
}
#endif

}  // namespace half_width
}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
