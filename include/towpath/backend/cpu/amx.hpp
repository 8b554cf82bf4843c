// Products of tiles of 16 rows by 64 bytes (AMX-BF16), sums in float. A number is held in one part, rounded to bf16, or as the sum of three,
// x = x_0 + x_1 + x_2, which together hold the 24 bits of a float; then
//   a b = a_2 b_0 + a_1 b_0 + a_1 b_1 + a_0 b_1 + a_0 b_2 + a_0 b_0,
// what is left out being below 2^-24 of the product: six products of tiles, each sixteen times as fast as multiplying in float.
// A left side a [m, k] lies as [m/16][k/32][parts][16][32], a right side b [k, n] as [n/16][k/32][parts][16][16][2], two neighbours of the
// summed index side by side; both are filled up with zeros. A tile of the one is a tile of the other's transpose, turned.
#pragma once

#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/simd.hpp"

#include <algorithm>
#include <cstdint>

#if defined(__x86_64__)
namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {
namespace tiles {

// The shape of every tile register: 16 rows of 64 bytes. Tiles are ready to use while one of these is alive. Known without AMX, too, for functions
// that are compiled for it one by one (on a machine that has it: kernels::Machine).
struct Ready {
  Ready() {
    struct alignas(64) {
      std::uint8_t palette = 1, start = 0, reserved[14] = {};
      std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const configuration;
    asm volatile("ldtilecfg %0" ::"m"(configuration));
  }
  ~Ready() { asm volatile("tilerelease"); }
  Ready(const Ready&) = delete;
  Ready& operator=(const Ready&) = delete;
};

}  // namespace tiles
}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
#endif

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define TOWPATH_HAS_AMX 1

#include <bit>
#include <cstring>
#include <immintrin.h>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {
namespace tiles {

inline constexpr Index side = 16, depth = 32, size = side * depth;  // numbers of a tile in bf16
inline constexpr Index three = 3;                                   // parts of a float

inline Index sides(Index n) { return (n + side - 1) / side; }
inline Index depths(Index k) { return (k + depth - 1) / depth; }
// Numbers in bf16 of one side of a product: n rows of a, or columns of b, by k.
template <Index parts>
Index numbers(Index n, Index k) {
  return sides(n) * depths(k) * parts * size;
}

// The first n of 16 lanes.
inline __mmask16 lanes(Index n) { return n >= 16 ? __mmask16(0xffff) : n <= 0 ? __mmask16(0) : __mmask16((1u << n) - 1); }

// 16 x 16 numbers of 32 bits, their rows `stride` apart, turned.
inline void turn(const void* from, Index stride, void* to, Index to_stride) {
  __m512i a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(static_cast<const std::int32_t*>(from) + i * stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // a[4 g + i] holds columns i, i + 4, i + 8, i + 12 of rows 4 g to 4 g + 3
    b[i] = _mm512_shuffle_i32x4(a[i], a[4 + i], 0x88);
    b[4 + i] = _mm512_shuffle_i32x4(a[i], a[4 + i], 0xdd);
    b[8 + i] = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0x88);
    b[12 + i] = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    auto* out = static_cast<std::int32_t*>(to);
    _mm512_storeu_si512(out + i * to_stride, _mm512_shuffle_i32x4(b[i], b[8 + i], 0x88));
    _mm512_storeu_si512(out + (4 + i) * to_stride, _mm512_shuffle_i32x4(b[4 + i], b[12 + i], 0x88));
    _mm512_storeu_si512(out + (8 + i) * to_stride, _mm512_shuffle_i32x4(b[i], b[8 + i], 0xdd));
    _mm512_storeu_si512(out + (12 + i) * to_stride, _mm512_shuffle_i32x4(b[4 + i], b[12 + i], 0xdd));
  }
}

// One row of a tile, and of the tiles of its other parts: x0 then x1, or in turns.
template <Index parts, bool in_turns>
[[gnu::always_inline]] inline void put(__m512 x0, __m512 x1, std::uint16_t* to) {
  const auto widened = [](__m256i b) { return std::bit_cast<__m512>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16)); };
#pragma GCC unroll 3
  for (Index p = 0; p < parts; ++p) {
    auto bits = std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(x1, x0));
    if (p + 1 < parts) {
      x0 = _mm512_sub_ps(x0, widened(_mm512_castsi512_si256(bits)));
      x1 = _mm512_sub_ps(x1, widened(_mm512_extracti64x4_epi64(bits, 1)));
    }
    if constexpr (in_turns) {
      const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17,
                                             1, 16, 0);
      bits = _mm512_permutexvar_epi16(order, bits);
    }
    _mm512_storeu_si512(to + p * size, bits);
  }
}

// One side of a product out of x, scaled. The summed index runs along the rows of x, or down its columns (`down`).
//   left(a) = side<…, false, false>, of aᵀ: <…, true, true>;   right(b) = side<…, true, false>, of bᵀ: <…, false, true>
template <Index parts, bool down, bool turned>
void side_of(BasicView<const float> x, std::uint16_t* to, float scale = 1) {
  const __m512 factor = _mm512_set1_ps(scale);
  const Index across = down ? x.columns : x.rows, along = down ? x.rows : x.columns;
  const auto tile = [&](Index i, Index t, std::uint16_t* out) {
    // row r of the tile: 16 numbers at (row + r or 2 r, column), and 16 to the right of them or in the next row
    const Index row = down ? t : i, column = down ? i : t;
    if (i + side <= across && t + depth <= along) {
      const float* from = x.row(row) + column;
      const Index second = down ? x.stride : 16, next = down ? 2 * x.stride : x.stride;
      for (Index r = 0; r < side; ++r, from += next)
        put<parts, down>(_mm512_mul_ps(_mm512_loadu_ps(from), factor), _mm512_mul_ps(_mm512_loadu_ps(from + second), factor), out + r * depth);
    } else {
      const auto part = [&](Index at, Index c) {
        const Index n = at < x.rows ? x.columns - c : 0;
        return n <= 0 ? _mm512_setzero_ps() : _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes(n), x.row(at) + c), factor);
      };
      for (Index r = 0; r < side; ++r)
        if constexpr (down) put<parts, down>(part(row + 2 * r, column), part(row + 2 * r + 1, column), out + r * depth);
        else put<parts, down>(part(row + r, column), part(row + r, column + 16), out + r * depth);
    }
    if constexpr (turned)
      for (Index p = 0; p < parts; ++p) turn(out + p * size, side, out + p * size, side);
  };
  // along the rows of x, so that lines of memory follow each other
  const Index deep = depths(along) * parts * size;
  if constexpr (down) {
    for (Index t = 0; t < along; t += depth)
      for (Index i = 0; i < across; i += side) tile(i, t, to + i / side * deep + t / depth * parts * size);
  } else {
    for (Index i = 0; i < across; i += side)
      for (Index t = 0; t < along; t += depth) tile(i, t, to + i / side * deep + t / depth * parts * size);
  }
}
template <Index parts>
void left(BasicView<const float> a, std::uint16_t* to, float scale = 1) { side_of<parts, false, false>(a, to, scale); }
template <Index parts>
void left_of_transposed(BasicView<const float> a, std::uint16_t* to) { side_of<parts, true, true>(a, to); }
template <Index parts>
void right(BasicView<const float> b, std::uint16_t* to) { side_of<parts, true, false>(b, to); }
template <Index parts>
void right_of_transposed(BasicView<const float> b, std::uint16_t* to) { side_of<parts, false, true>(b, to); }

// Tiles 0 to 3 += the sums of R tiles of rows by C tiles of columns; n numbers each.
template <Index parts, int R, int C>
inline void add_up(const std::uint16_t* a0, const std::uint16_t* a1, const std::uint16_t* b0, const std::uint16_t* b1, Index n) {
  const auto multiply = [] {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (R > 1) _tile_dpbf16ps(2, 5, 6);
    if constexpr (C > 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (R > 1 && C > 1) _tile_dpbf16ps(3, 5, 7);
  };
  for (Index t = 0; t < n; t += parts * size) {
    const auto load_left = [&](Index part) {
      _tile_loadd(4, a0 + t + part * size, 64);
      if constexpr (R > 1) _tile_loadd(5, a1 + t + part * size, 64);
    };
    const auto load_right = [&](Index part) {
      _tile_loadd(6, b0 + t + part * size, 64);
      if constexpr (C > 1) _tile_loadd(7, b1 + t + part * size, 64);
    };
    if constexpr (parts == 1) {  // loads between the products
      _tile_loadd(4, a0 + t, 64);
      _tile_loadd(6, b0 + t, 64);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (R > 1) {
        _tile_loadd(5, a1 + t, 64);
        _tile_dpbf16ps(2, 5, 6);
      }
      if constexpr (C > 1) {
        _tile_loadd(7, b1 + t, 64);
        _tile_dpbf16ps(1, 4, 7);
      }
      if constexpr (R > 1 && C > 1) _tile_dpbf16ps(3, 5, 7);
    } else {  // the small ones first; each step changes one side
      load_left(2), load_right(0), multiply();
      load_left(1), multiply();
      load_right(1), multiply();
      load_left(0), multiply();
      load_right(2), multiply();
      load_right(0), multiply();
    }
  }
}

// c = a b, or += : a left side of m tiles of rows and a right side of n tiles of columns, each k steps of 32 deep; c in whole tiles.
template <Index parts>
void product(const std::uint16_t* a, Index m, const std::uint16_t* b, Index n, Index k, float* c, Index stride, bool add = false) {
  const Index deep = k * parts * size;
  const auto block = [&]<int R, int C>(std::integral_constant<int, R>, std::integral_constant<int, C>, Index i, Index j) {
    float* to = c + i * side * stride + j * side;
    const Index down = side * stride;
    const auto bytes = static_cast<int>(stride * 4);
    if (add) {
      _tile_loadd(0, to, bytes);
      if constexpr (C > 1) _tile_loadd(1, to + side, bytes);
      if constexpr (R > 1) _tile_loadd(2, to + down, bytes);
      if constexpr (R > 1 && C > 1) _tile_loadd(3, to + down + side, bytes);
    } else {
      _tile_zero(0);
      if constexpr (C > 1) _tile_zero(1);
      if constexpr (R > 1) _tile_zero(2);
      if constexpr (R > 1 && C > 1) _tile_zero(3);
    }
    add_up<parts, R, C>(a + i * deep, a + (i + 1) * deep, b + j * deep, b + (j + 1) * deep, deep);
    _tile_stored(0, to, bytes);
    if constexpr (C > 1) _tile_stored(1, to + side, bytes);
    if constexpr (R > 1) _tile_stored(2, to + down, bytes);
    if constexpr (R > 1 && C > 1) _tile_stored(3, to + down + side, bytes);
  };
  constexpr std::integral_constant<int, 1> one;
  constexpr std::integral_constant<int, 2> two;
  for (Index j = 0; j < n; j += 2)
    for (Index i = 0; i < m; i += 2) {
      if (i + 1 < m && j + 1 < n) block(two, two, i, j);
      else if (i + 1 < m) block(two, one, i, j);
      else if (j + 1 < n) block(one, two, i, j);
      else block(one, one, i, j);
    }
}

}  // namespace tiles
}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
#endif
