// Products whose right-hand side is a frozen weight in bf16, sums in float. The weight lies in strips of 16 columns: [k/2][16][2], two
// neighbours of the summed index side by side, k filled up with zeros to a multiple of 32. That is what vdpbf16ps and AMX's tdpbf16ps read;
// elsewhere a pair of shifts makes two float vectors of it. Three ways to compute:
//   widen    a stays float, the weight is widened in registers: any instruction set
//   dot      a is rounded to bf16, vdpbf16ps (AVX512_BF16)
//   amx      a is rounded to bf16, tdpbf16ps on tiles (AMX-BF16)
// The last two differ from the first by the rounding of a, about 2^-9 relative in each element. At the end of the file: float by AMX.
#pragma once

#include "towpath/backend/cpu/tile.hpp"
#include "towpath/tensor/dtype.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__AVX512BF16__) || defined(__AMX_BF16__)
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

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
// The shape of every tile register: 16 rows of 64 bytes.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
// The first n of 16 lanes.
inline __mmask16 lanes(Index n) { return n >= 16 ? __mmask16(0xffff) : n <= 0 ? __mmask16(0) : __mmask16((1u << n) - 1); }
// Rows of a in bf16, a tile of 16 rows by 32 behind the other: [rows/16][k/32][16][32].
inline void round_tiles(BasicView<const float> a, std::uint16_t* to) {
  const Index deep = padded(a.columns), full = rounded_rows(a.rows);
  for (Index i = 0; i < full; ++i) {
    std::uint16_t* out = to + i / tile_side * tile_side * deep + i % tile_side * depth;
    for (Index t = 0; t < deep; t += depth, out += tile_side * depth) {
      const Index left = i < a.rows ? a.columns - t : 0;
      const float* from = left > 0 ? a.row(i) + t : a.data;
      const __m512bh pair = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(lanes(left - 16), from + 16), _mm512_maskz_loadu_ps(lanes(left), from));
      std::memcpy(out, &pair, sizeof pair);
    }
  }
}

// --- float by parts ------------------------------------------------------------------------------------------------------------
// The same tiles for products in float: each number is the sum of three in bf16, x = x_0 + x_1 + x_2, which together hold its 24 bits, and
//   a b = a_2 b_0 + a_1 b_0 + a_1 b_1 + a_0 b_1 + a_0 b_2 + a_0 b_0,
// what is left out being below 2^-24 of the product. Six products of tiles, each sixteen times as fast as multiplying in float.
// The parts of a tile lie one behind the other, then come those of the next 32 of the summed index: what is read together is together, on
// both sides.
inline constexpr Index three = 3;
inline Index split_size(Index n, Index k) { return three * size(n, k); }
inline Index split_scratch(Index m, Index k) { return three * rounded_rows(m) * padded(k) * 2 + 2 * tile_side * panel_columns * 4; }

// Parts of the rows of a, [rows/16][k/32][3][16][32].
inline void split_rows(BasicView<const float> a, std::uint16_t* to) {
  const Index deep = padded(a.columns), full = rounded_rows(a.rows);
  const auto widened = [](__m256bh b) { return std::bit_cast<__m512>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(std::bit_cast<__m256i>(b)), 16)); };
  for (Index i = 0; i < full; ++i) {
    std::uint16_t* out = to + i / tile_side * tile_side * deep * three + i % tile_side * depth;
    for (Index t = 0; t < deep; t += 16) {
      const Index left = i < a.rows ? a.columns - t : 0;
      __m512 x = _mm512_maskz_loadu_ps(lanes(left), left > 0 ? a.row(i) + t : a.data);
      for (Index p = 0; p < three; ++p) {
        const __m256bh piece = _mm512_cvtneps_pbh(x);
        std::memcpy(out + (t / depth * three + p) * tile_size + t % depth, &piece, sizeof piece);
        x = _mm512_sub_ps(x, widened(piece));
      }
    }
  }
}

// 32 rows by 32 columns at a time: four tiles of sums, two of each side; both sides in one part, or in three.
template <Index parts>
void product_amx(BasicView<const float> a, const void* packed, Index first, Index last, BasicView<float> y, const Finish<float>& finish, void* room) {
  auto* left = static_cast<std::uint16_t*>(room);
  if constexpr (parts == 1) round_tiles(a, left);
  else split_rows(a, left);
  const Index deep = parts * padded(a.columns), strip_size = strip * deep;  // in bf16
  auto* sums = reinterpret_cast<float*>(left + rounded_rows(a.rows) * deep);
  const TileConfiguration configuration;
  asm volatile("ldtilecfg %0" ::"m"(configuration));
  for (Index p = first; p < last; ++p) {
    const Index j = p * panel_columns, columns = std::min(panel_columns, y.columns - j);
    const auto* b0 = static_cast<const std::uint16_t*>(packed) + 2 * p * strip_size;
    const auto* b1 = columns > strip ? b0 + strip_size : b0;
    for (Index i = 0; i < a.rows; i += 2 * tile_side) {
      const Index rows = std::min<Index>(2 * tile_side, a.rows - i);
      const std::uint16_t *a0 = left + i * deep, *a1 = a0 + tile_side * deep;
      const TileFinish<float> f(finish, i, j);
      fetch_tile<float>(rows, columns, y.row(i) + j, y.stride, f);
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (Index t = 0; t < strip_size; t += parts * tile_size) {
        if constexpr (parts == 1) {  // loads between the products
          _tile_loadd(4, a0 + t, 64);
          _tile_loadd(6, b0 + t, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_loadd(5, a1 + t, 64);
          _tile_dpbf16ps(2, 5, 6);
          _tile_loadd(7, b1 + t, 64);
          _tile_dpbf16ps(1, 4, 7);
          _tile_dpbf16ps(3, 5, 7);
        } else {
          const auto load_left = [&](Index part) {
            _tile_loadd(4, a0 + t + part * tile_size, 64);
            _tile_loadd(5, a1 + t + part * tile_size, 64);
          };
          const auto load_right = [&](Index part) {
            _tile_loadd(6, b0 + t + part * tile_size, 64);
            _tile_loadd(7, b1 + t + part * tile_size, 64);
          };
          const auto multiply = [] {
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
          };
          // the small ones first; each step changes one side
          load_left(2), load_right(0), multiply();
          load_left(1), multiply();
          load_right(1), multiply();
          load_left(0), multiply();
          load_right(2), multiply();
          load_right(0), multiply();
        }
      }
      _tile_stored(0, sums, 128);
      _tile_stored(1, sums + 16, 128);
      _tile_stored(2, sums + 512, 128);
      _tile_stored(3, sums + 528, 128);
      finish_tile<float>(rows, columns, sums, 32, y.row(i) + j, y.stride, f);
    }
  }
  _tile_release();
}
#endif

}  // namespace half_width
}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
