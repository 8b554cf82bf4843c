// Products in tiles that stay in registers. A tile is up to `tile_rows` rows of a by up to `tile_vectors` vectors of columns of the
// right-hand side, which lies in panels of that width: [k][columns] one after another (Goto and van de Geijn 2008). Each element of a
// result is one sum in the order of k, whatever the tile it falls in, so results depend neither on how rows are batched nor on threads.
#pragma once

#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/rowwise.hpp"
#include "towpath/backend/cpu/simd.hpp"

#include <algorithm>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {

// 32 vector registers hold 8 x 3 sums with their operands, 16 hold 6 x 2. NEON takes no operand from memory: elements of a need registers, too.
#if defined(__AVX512F__)
inline constexpr int tile_rows = 8, tile_vectors = 3;
#elif defined(__aarch64__)
inline constexpr int tile_rows = 6, tile_vectors = 3;
#else
inline constexpr int tile_rows = 6, tile_vectors = 2;
#endif
template <class T>
inline constexpr Index panel_width = tile_vectors * simd::width<T>;
inline constexpr Index tn_block = 512;  // tokens that a weight's gradient takes up at a time

// What is left to do for a tile: a Finish whose pointers stand at the tile's first element.
template <class T>
struct TileFinish {
  const T *bias, *plus, *gate;
  T* slope;
  Index plus_stride, gate_stride, slope_stride;
  Function function;
  bool half;

  TileFinish(const Finish<T>& f, Index row, Index column)
      : bias(f.bias.empty() ? nullptr : f.bias.data + column),
        plus(f.plus.empty() ? nullptr : f.plus.row(row) + column),
        gate(f.gate.empty() ? nullptr : f.gate.row(row) + (f.half ? column / 2 : column)),
        slope(f.slope.empty() ? nullptr : f.slope.row(row) + (f.half ? column / 2 : column)),
        plus_stride(f.plus.stride),
        gate_stride(f.gate.stride),
        slope_stride(f.slope.stride),
        function(f.function),
        half(f.half) {}
};

// Asks for the lines that a tile's finish will read and write while its sums are still under way.
template <class T>
inline void fetch_tile(Index rows, Index columns, T* y, Index y_stride, const TileFinish<T>& f) {
#if defined(__GNUC__)
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; j += line) {
      __builtin_prefetch(y + i * y_stride + j, 1);
      if (f.slope) __builtin_prefetch(f.slope + i * f.slope_stride + j, 1);
      if (f.plus) __builtin_prefetch(f.plus + i * f.plus_stride + j);
      if (f.gate) __builtin_prefetch(f.gate + i * f.gate_stride + j);
    }
#endif
}

// y = finish(s) for a tile whose sums s lie in memory; s may be y. One pass, whatever there is to do.
template <class T>
void finish_tile(Index rows, Index columns, const T* s, Index s_stride, T* y, Index y_stride, const TileFinish<T>& f) {
  using B = simd::Batch<T>;
  constexpr Index w = simd::width<T>;
  const auto all = [&](const auto& function) {
    for (Index i = 0; i < rows; ++i) {
      const auto one = [&](Index j, const auto& load, const auto& store) __attribute__((always_inline)) {
        B x = load(s + i * s_stride + j);
        if (f.bias) x = x + load(f.bias + j);
        if (f.plus) x = x + load(f.plus + i * f.plus_stride + j);
        if (f.slope) {
          B slope(T(1));
          x = function(x, &slope);
          if (sizeof(T) == 4 && f.half) store(slope, reinterpret_cast<bf16*>(f.slope + i * f.slope_stride) + j);
          else store(slope, f.slope + i * f.slope_stride + j);
        } else {
          x = function(x, nullptr);
        }
        if (f.gate) {
          const T* gate = f.gate + i * f.gate_stride;
          x = x * (sizeof(T) == 4 && f.half ? load(reinterpret_cast<const bf16*>(gate) + j) : load(gate + j));
        }
        store(x, y + i * y_stride + j);
      };
      Index j = 0;
      for (; j + w <= columns; j += w) one(j, [](const auto* p) { return simd::load<T>(p); }, [](const B& b, auto* p) { simd::store<T>(b, p); });
      if (const Index left = columns - j; left > 0)
        one(j, [left](const auto* p) { return simd::load_part<T>(p, left); }, [left](const B& b, auto* p) { simd::store_part<T>(b, p, left); });
    }
  };
  if (f.function == Function::none) all([](const B& x, B*) { return x; });
  else in_vectors<T>(f.function, all);
}

template <class T>
void finish(BasicView<T> y, const Finish<T>& f) {
  finish_tile<T>(y.rows, y.columns, y.data, y.stride, y.data, y.stride, TileFinish<T>(f, 0, 0));
}

// R rows of a by V vectors of columns. `across`: a is given transposed, its element (i, t) at a[t lda + i]. b: k rows of V vectors, ldb apart.
template <class T, int R, int V, bool across>
[[gnu::noinline]] void tile(const T* a, Index lda, const T* b, Index ldb, Index k, Index columns, T* y, Index y_stride, const TileFinish<T>& f) {
  using B = simd::Batch<T>;
  constexpr Index w = simd::width<T>;
  fetch_tile<T>(R, columns, y, y_stride, f);
  B s[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[i][v] = B(T(0));
  for (Index t = 0; t < k; ++t, b += ldb) {
    B right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      right[v] = simd::load<T>(b + v * w);
#if defined(__GNUC__)
      __builtin_prefetch(b + 8 * ldb + v * w);
#endif
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const B left(across ? a[t * lda + i] : a[i * lda + t]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) s[i][v] = xsimd::fma(left, right[v], s[i][v]);
    }
  }
  if (columns == V * w && f.function == Function::none && !f.gate) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      if (f.bias) {
        const B bias = simd::load<T>(f.bias + v * w);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) s[i][v] = s[i][v] + bias;
      }
      if (f.plus) {
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) s[i][v] = s[i][v] + simd::load<T>(f.plus + i * f.plus_stride + v * w);
      }
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) simd::store<T>(s[i][v], y + i * y_stride + v * w);
    }
    return;
  }
  alignas(64) T sums[R * V * w];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) simd::store<T>(s[i][v], sums + (i * V + v) * w);
  finish_tile<T>(R, columns, sums, V * w, y, y_stride, f);
}

// All rows of a by one panel of `columns` columns.
template <class T, bool across>
void panel(const T* a, Index lda, Index m, Index k, const T* b, Index ldb, Index column, Index columns, BasicView<T> y, const Finish<T>& finish) {
  constexpr Index w = simd::width<T>;
  const auto rows = [&]<int R>(std::integral_constant<int, R>, Index i) {
    const T* left = across ? a + i : a + i * lda;
    T* to = y.row(i) + column;
    const TileFinish<T> f(finish, i, column);
    if (columns > 2 * w) {
      if constexpr (tile_vectors > 2) tile<T, R, 3, across>(left, lda, b, ldb, k, columns, to, y.stride, f);
    } else if (columns > w) tile<T, R, 2, across>(left, lda, b, ldb, k, columns, to, y.stride, f);
    else tile<T, R, 1, across>(left, lda, b, ldb, k, columns, to, y.stride, f);
  };
  Index i = 0;
  for (; i + tile_rows <= m; i += tile_rows) rows(std::integral_constant<int, tile_rows>{}, i);
  for (; i + 3 <= m; i += 3) rows(std::integral_constant<int, 3>{}, i);
  for (; i < m; ++i) rows(std::integral_constant<int, 1>{}, i);
}

// How wide the columns from j on are in memory: whole vectors.
template <class T>
Index packed_width(Index n, Index j) {
  constexpr Index w = simd::width<T>;
  return std::min(panel_width<T>, (n - j + w - 1) / w * w);
}
template <class T>
Index packed_size(Index n, Index k) {
  constexpr Index w = simd::width<T>;
  return (n + w - 1) / w * w * k;
}
template <class T>
void pack(BasicView<const T> b, bool across, Index first, Index last, T* to) {
  const Index n = across ? b.columns : b.rows, k = across ? b.rows : b.columns;
  for (Index p = first; p < last; ++p) {
    const Index j = p * panel_width<T>, width = packed_width<T>(n, j), real = std::min(width, n - j);
    T* out = to + j * k;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
      if (!across) {
        for (Index c = 0; c < width; c += 16)
          for (Index t = 0; t < k; t += 16) {
            __m512 x[16];
            simd::load_block<true>(b, j + c, t, x);
#pragma GCC unroll 16
            for (Index i = 0; i < 16; ++i)
              if (t + i < k) _mm512_storeu_ps(out + (t + i) * width + c, x[i]);
          }
        continue;
      }
#endif
    if (real < width) std::fill(out, out + k * width, T(0));
    if (across) {
      for (Index t = 0; t < k; ++t) simd::map<T>(real, out + t * width, [](const simd::Batch<T>& x) { return x; }, b.row(t) + j);
    } else {
      constexpr Index block = 16;  // lines of the source are used up before they are dropped
      for (Index t0 = 0; t0 < k; t0 += block) {
        const Index t1 = std::min(k, t0 + block);
        for (Index c = 0; c < real; ++c) {
          const T* from = b.row(j + c);
          for (Index t = t0; t < t1; ++t) out[t * width + c] = from[t];
        }
      }
    }
  }
}
template <class T>
void product(BasicView<const T> a, const T* packed, Index first, Index last, BasicView<T> y, const Finish<T>& finish) {
  for (Index p = first; p < last; ++p) {
    const Index j = p * panel_width<T>, width = packed_width<T>(y.columns, j);
    panel<T, false>(a.data, a.stride, a.rows, a.columns, packed + j * a.columns, width, j, std::min(width, y.columns - j), y, finish);
  }
}
// c's rows at a time for which tn has room, and that room.
inline constexpr Index tn_rows = 96;
template <class T>
inline constexpr Index tn_scratch = tn_block * (panel_width<T> + (tn_rows + tile_rows - 1) / tile_rows * tile_rows);
template <class T>
void tn(BasicView<const T> a, BasicView<const T> b, Index first, Index last, BasicView<T> c, T* scratch) {
  const Index m = last - first, blocks = (m + tile_rows - 1) / tile_rows;
  T* left = scratch + tn_block * panel_width<T>;  // [blocks][k][tile_rows]: read as it lies
  for (Index t = 0; t < a.rows; t += tn_block) {
    const Index k = std::min(tn_block, a.rows - t);
    const auto block = [&](Index i) { return std::min<Index>(tile_rows, m - i * tile_rows); };
    for (Index i = 0; i < blocks; ++i) {
      T* to = left + i * tile_rows * k;
      const T* from = a.row(t) + first + i * tile_rows;
      for (Index u = 0; u < k; ++u, from += a.stride, to += tile_rows)
        if (block(i) == tile_rows) std::copy(from, from + tile_rows, to);
        else std::copy(from, from + block(i), to);
    }
    const BasicView<const T> right = b.row_block(t, k);
    for (Index p = 0; p * panel_width<T> < c.columns; ++p) {
      const Index j = p * panel_width<T>, width = packed_width<T>(c.columns, j), real = std::min(width, c.columns - j);
      const T* from = right.data + j;
      Index stride = right.stride;
      if (real < width || m > 2 * tile_rows) {
        pack<T>(right.column_block(j, real), true, 0, 1, scratch);
        from = scratch;
        stride = width;
      }
      for (Index i = 0; i < blocks; ++i) {
        const BasicView<T> rows = c.row_block(first + i * tile_rows, block(i));
        Finish<T> add;
        add.plus = rows;
        panel<T, true>(left + i * tile_rows * k, tile_rows, rows.rows, k, from, stride, j, real, rows, add);
      }
    }
  }
}

}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
