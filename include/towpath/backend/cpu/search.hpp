// Exact search: scores of many vectors for some queries, keeping only what may belong to a query's best. Vectors lie in strips of as
// many as fill 64 bytes side by side (16 under float): lines of 64 bytes, with one number (float), two neighbours (bf16) or four (int8) of
// each vector, whatever the instruction set. So a strip is read from memory once, in order, for all queries; sums stay in registers (or
// tiles), are compared with the query's least there, and are written nowhere unless one passes.
//   as they are   s = q · x, one sum in the order of the numbers
//   bf16          s = q · bf16(x) in float; q is bf16 too where vdpbf16ps or tiles multiply
//   int8          x ≈ a x', q ≈ b q' with a = max |x| / 127: s = a b (q' · x'), the sum exact. Stored is x' + 128: the instructions
//                 multiply unsigned by signed bytes; 128 Σ q' comes off the start of each sum.
// A vector's score does not depend on what else is searched for or in.
#pragma once

#include "towpath/backend/cpu/bf16.hpp"
#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/tile.hpp"
#include "towpath/tensor/dtype.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {
namespace strips {

inline constexpr Index line = 64;  // bytes
template <class T>
inline constexpr Index lanes = line / static_cast<Index>(sizeof(T));
inline constexpr Index fill = 96;  // a set of queries is filled up to a multiple of this: whole groups of 6, 8 and 32

inline Index rounded(Index n, Index to) { return (n + to - 1) / to * to; }

inline float largest(const float* x, Index k) {
  float most = 0;
  for (Index t = 0; t < k; ++t) {
    const float size = x[t] < 0 ? -x[t] : x[t];
    most = size > most ? size : most;
  }
  return most;
}
inline int nearest(float x) {  // to a whole number in [-127, 127]
  const float away = x < 0 ? x - 0.5f : x + 0.5f;
  return away < 127.5f ? (away > -127.5f ? static_cast<int>(away) : -127) : 127;
}

// --- ways to hold and multiply ------------------------------------------------------------------------------------------------
// `rows(k)` lines hold 64 bytes' worth of vectors of width k; `store` writes one vector; `left` prepares line t of a query; `right`
// loads a vector of lanes, `add` multiplies it in.

template <class T>
struct Plain {
  using Score = T;
  using Left = T;
  using Sum = simd::Batch<T>;
  using Right = Sum;
  static constexpr Index tail = 0;  // lines behind the rows

  static Index rows(Index k) { return k; }
  static void store(const T* x, Index k, char* to) {
    for (Index t = 0; t < k; ++t) std::memcpy(to + t * line, x + t, sizeof(T));
  }
  static Left left(const T* q, Index t, Index, T) { return q[t]; }
  static Right right(const char* p) { return simd::load<T>(reinterpret_cast<const T*>(p)); }
  static Sum add(Sum s, const Left& l, const Right& r) { return xsimd::fma(Sum(l), r, s); }
};

// bf16 in memory, widened in registers.
struct Widened {
  using Score = float;
  struct Left {
    float even, odd;
  };
  using Sum = simd::Batch<float>;
  struct Right {
    Sum even, odd;
  };
  static constexpr Index tail = 0;

  static Index rows(Index k) { return rounded(k, 32) / 2; }
  static void store(const float* x, Index k, char* to) {
    for (Index t = 0; t < rows(k); ++t) {
      const bf16 pair[2] = {2 * t < k ? bf16(x[2 * t]) : bf16{}, 2 * t + 1 < k ? bf16(x[2 * t + 1]) : bf16{}};
      std::memcpy(to + t * line, pair, sizeof pair);
    }
  }
  static Left left(const float* q, Index t, Index k, float) {
    return {2 * t < k ? q[2 * t] : 0, 2 * t + 1 < k ? q[2 * t + 1] : 0};
  }
  static Right right(const char* p) {
    using U = simd::Batch<std::uint32_t>;
    const U pairs = U::load_unaligned(reinterpret_cast<const std::uint32_t*>(p));
    return {xsimd::bitwise_cast<Sum>(pairs << 16), xsimd::bitwise_cast<Sum>(pairs & U(0xffff0000u))};
  }
  static Sum add(Sum s, const Left& l, const Right& r) {
    return xsimd::fma(Sum(l.odd), r.odd, xsimd::fma(Sum(l.even), r.even, s));
  }
};

#if defined(__AMX_BF16__)
// What tiles add up, bit for bit: of each 16 lines the even products in one sum and the odd ones in another, then both to what was there
// (Intel's description of TDPBF16PS; subnormal numbers are zeros, which is set for the whole search).
struct InOrderOfTiles : Widened {
  struct Sum {
    using value_type = float;
    simd::Batch<float> all, even, odd;
    explicit Sum(float start = 0) : all(start), even(0.0f), odd(0.0f) {}
    operator simd::Batch<float>() const { return all; }
  };
  static Left left(const float* q, Index t, Index k, float) {
    const Left l = Widened::left(q, t, k, 0);
    return {static_cast<float>(bf16(l.even)), static_cast<float>(bf16(l.odd))};
  }
  static Sum add(Sum s, const Left& l, const Right& r) {
    using B = simd::Batch<float>;
    s.even = xsimd::fma(B(l.even), r.even, s.even);
    s.odd = xsimd::fma(B(l.odd), r.odd, s.odd);
    return s;
  }
  static void after_stretch(Sum& s) {
    s.all = s.all + (s.even + s.odd);
    s.even = s.odd = simd::Batch<float>(0.0f);
  }
};
#endif

#if defined(__AVX512BF16__)
struct Dotted : Widened {
#if defined(__AMX_BF16__)
  using Alone = InOrderOfTiles;  // instead of tiles
#endif
  using Left = std::uint32_t;
  using Right = __m512bh;
  static Left left(const float* q, Index t, Index k, float) {
    const bf16 pair[2] = {2 * t < k ? bf16(q[2 * t]) : bf16{}, 2 * t + 1 < k ? bf16(q[2 * t + 1]) : bf16{}};
    return std::bit_cast<Left>(pair);
  }
  static Right right(const char* p) { return std::bit_cast<__m512bh>(_mm512_loadu_si512(p)); }
  static Sum add(Sum s, Left l, Right r) {
    return _mm512_dpbf16_ps(s, std::bit_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(l))), r);
  }
};
#endif

struct Bytes {
  using Score = float;
  using Sum = simd::Batch<std::int32_t>;
  static constexpr Index tail = 1;  // the a of each vector

  static Index rows(Index k) { return rounded(k, 64) / 4; }
  static void store(const float* x, Index k, char* to) {
    const float most = largest(x, k), a = most / 127, up = most > 0 ? 127 / most : 0;
    for (Index t = 0; t < rows(k); ++t) {
      std::uint8_t four[4];
      for (Index i = 0; i < 4; ++i)
        four[i] = static_cast<std::uint8_t>(128 + (4 * t + i < k ? nearest(x[4 * t + i] * up) : 0));
      std::memcpy(to + t * line, four, sizeof four);
    }
    std::memcpy(to + rows(k) * line, &a, sizeof a);
  }
  static int number(const float* q, Index t, Index k, float up) { return t < k ? nearest(q[t] * up) : 0; }

#if defined(__AVX512VNNI__)
  using Left = std::uint32_t;
  using Right = __m512i;
  static Left left(const float* q, Index t, Index k, float up) {
    std::int8_t four[4];
    for (Index i = 0; i < 4; ++i) four[i] = static_cast<std::int8_t>(number(q, 4 * t + i, k, up));
    return std::bit_cast<Left>(four);
  }
  static Right right(const char* p) { return _mm512_loadu_si512(p); }
  static Sum add(Sum s, Left l, Right r) { return _mm512_dpbusd_epi32(s, r, _mm512_set1_epi32(static_cast<int>(l))); }
#elif defined(__SSE2__)
  // Two times two neighbours as 16-bit numbers: a sum of two products of a byte by a byte fits in 32 bits, in 16 it would not.
  struct Left {
    std::int32_t even, odd;
  };
  static Left left(const float* q, Index t, Index k, float up) {
    const auto two = [&](Index i, Index j) {
      const std::int16_t pair[2] = {static_cast<std::int16_t>(number(q, 4 * t + i, k, up)),
                                    static_cast<std::int16_t>(number(q, 4 * t + j, k, up))};
      return std::bit_cast<std::int32_t>(pair);
    };
    return {two(0, 2), two(1, 3)};
  }
#if defined(__AVX512BW__)
  struct Right {
    __m512i even, odd;
  };
  static Right right(const char* p) {
    const __m512i four = _mm512_loadu_si512(p);
    return {_mm512_and_si512(four, _mm512_set1_epi16(255)), _mm512_srli_epi16(four, 8)};
  }
  static __m512i both(__m512i s, const Left& l, const Right& r) {
    return _mm512_add_epi32(s, _mm512_add_epi32(_mm512_madd_epi16(r.even, _mm512_set1_epi32(l.even)),
                                                _mm512_madd_epi16(r.odd, _mm512_set1_epi32(l.odd))));
  }
#elif defined(__AVX2__)
  struct Right {
    __m256i even, odd;
  };
  static Right right(const char* p) {
    const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_and_si256(four, _mm256_set1_epi16(255)), _mm256_srli_epi16(four, 8)};
  }
  static __m256i both(__m256i s, const Left& l, const Right& r) {
    return _mm256_add_epi32(s, _mm256_add_epi32(_mm256_madd_epi16(r.even, _mm256_set1_epi32(l.even)),
                                                _mm256_madd_epi16(r.odd, _mm256_set1_epi32(l.odd))));
  }
#else
  struct Right {
    __m128i even, odd;
  };
  static Right right(const char* p) {
    const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm_and_si128(four, _mm_set1_epi16(255)), _mm_srli_epi16(four, 8)};
  }
  static __m128i both(__m128i s, const Left& l, const Right& r) {
    return _mm_add_epi32(
        s, _mm_add_epi32(_mm_madd_epi16(r.even, _mm_set1_epi32(l.even)), _mm_madd_epi16(r.odd, _mm_set1_epi32(l.odd))));
  }
#endif
  static Sum add(Sum s, const Left& l, const Right& r) { return both(s, l, r); }
#else
  struct Left {
    std::int32_t of[4];
  };
  struct Right {
    Sum of[4];
  };
  static Left left(const float* q, Index t, Index k, float up) {
    return {{number(q, 4 * t, k, up), number(q, 4 * t + 1, k, up), number(q, 4 * t + 2, k, up),
             number(q, 4 * t + 3, k, up)}};
  }
  static Right right(const char* p) {
    using U = simd::Batch<std::uint32_t>;
    const U four = U::load_unaligned(reinterpret_cast<const std::uint32_t*>(p)), byte(255u);
    return {{xsimd::bitwise_cast<Sum>(four & byte), xsimd::bitwise_cast<Sum>((four >> 8) & byte),
             xsimd::bitwise_cast<Sum>((four >> 16) & byte), xsimd::bitwise_cast<Sum>(four >> 24)}};
  }
  static Sum add(Sum s, const Left& l, const Right& r) {
    for (int i = 0; i < 4; ++i) s = s + Sum(l.of[i]) * r.of[i];
    return s;
  }
#endif
};

#if defined(__AMX_INT8__) && defined(__AVX512VNNI__)
// Tiles multiply signed bytes too, so x' is stored as it is.
struct SignedBytes : Bytes {
  using Alone = SignedBytes;
  static void store(const float* x, Index k, char* to) {
    Bytes::store(x, k, to);
    for (Index t = 0; t < rows(k); ++t)
      for (Index i = 0; i < 4; ++i) to[t * line + i] = static_cast<char>(to[t * line + i] ^ 0x80);
  }
  static Right right(const char* p) { return _mm512_xor_si512(Bytes::right(p), _mm512_set1_epi8(-128)); }
};
#endif

// --- vectors and queries in memory --------------------------------------------------------------------------------------------
template <class Way>
Index strip_bytes(Index k) {
  return (Way::rows(k) + Way::tail) * line;
}
template <class Way>
Index size(Index n, Index k) {
  constexpr Index w = lanes<typename Way::Score>;
  return (n + w - 1) / w * strip_bytes<Way>(k);
}
// x becomes the vectors from `at` on.
template <class Way>
void put(BasicView<const typename Way::Score> x, void* block, Index at) {
  constexpr Index w = lanes<typename Way::Score>;
  for (Index i = 0; i < x.rows; ++i) {
    char* lane = static_cast<char*>(block) + (at + i) / w * strip_bytes<Way>(x.columns) +
                 (at + i) % w * static_cast<Index>(sizeof(typename Way::Score));
    Way::store(x.row(i), x.columns, lane);
  }
}

// Queries: the start of each one's sums, then groups of tile_rows queries [line][query], then those too few for a group one by one.
struct Split {
  Index groups, alone;
  explicit Split(Index m) : groups(m / tile_rows), alone(m % tile_rows) {
    if (alone > 2) {
      ++groups;
      alone = 0;
    }
  }
};
template <class Way>
Index query_size(Index m, Index k) {
  return rounded(m, fill) * (4 + Way::rows(k) * static_cast<Index>(sizeof(typename Way::Left)));
}
template <class Way>
void prepare(BasicView<const typename Way::Score> q, void* to, typename Way::Score* units) {
  using T = typename Way::Score;
  using Left = typename Way::Left;
  const Index k = q.columns, rows = Way::rows(k);
  auto* start = static_cast<std::int32_t*>(to);
  auto* out = reinterpret_cast<Left*>(start + rounded(q.rows, fill));
  const Split split(q.rows);
  for (Index i = 0; i < split.groups * tile_rows + split.alone; ++i) {
    const bool grouped = i < split.groups * tile_rows;
    Left* at = grouped ? out + i / tile_rows * tile_rows * rows + i % tile_rows : out + i * rows;
    const Index apart = grouped ? tile_rows : 1;
    start[i] = 0;
    if (i >= q.rows) {
      for (Index t = 0; t < rows; ++t) at[t * apart] = Left{};
      continue;
    }
    T up = 0;
    units[i] = 1;
    if constexpr (Way::tail > 0) {
      const T most = largest(q.row(i), k);
      up = most > 0 ? 127 / most : 0;
      units[i] = most / 127;
      for (Index t = 0; t < k; ++t) start[i] -= 128 * nearest(q.row(i)[t] * up);
    }
    for (Index t = 0; t < rows; ++t) at[t * apart] = Way::left(q.row(i), t, k, up);
  }
}

// --- lists of the best ----------------------------------------------------------------------------------------------------------
// Keeps the best `wanted`, of equal ones those that came first, in the order in which they came. The bound between is found by halving the
// numbers between the worst and the best (as their bits count them) until as many as are wanted reach it: about a dozen counts of the list,
// none of which has to guess a branch.
template <class T>
[[gnu::noinline]] void narrow(kernels::Best<T>& best) {
  using B = simd::Batch<T>;
  using I = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using U = std::make_unsigned_t<I>;
  constexpr Index w = simd::width<T>;
  const Index n = best.count, wanted = best.wanted;
  if (n <= wanted) return;
  T* const scores = best.scores;
  const auto turned = [](I bits) { return bits < 0 ? static_cast<I>(bits ^ std::numeric_limits<I>::max()) : bits; };
  const auto number = [&](I i) { return std::bit_cast<T>(turned(i)); };
  const auto reaching = [&](T bound) {
    const B least(bound), one(T(1)), none(T(0));
    B many = none;
    Index i = 0, count = 0;
    for (; i + w <= n; i += w) many += xsimd::select(simd::load<T>(scores + i) >= least, one, none);
    for (; i < n; ++i) count += scores[i] >= bound;
    return count + static_cast<Index>(simd::sum<T>(many));
  };
  I low = turned(std::bit_cast<I>(-simd::maximum<T>(n, scores, T(-1)))), high = turned(std::bit_cast<I>(simd::maximum<T>(n, scores)));
  Index reach = n;  // low is reached by so many, at least as many as are wanted; what is above high by fewer
  while (low < high && reach > wanted) {
    const I middle = static_cast<I>(static_cast<U>(high) - (static_cast<U>(high) - static_cast<U>(low)) / 2);
    const Index count = reaching(number(middle));
    if (count >= wanted) low = middle, reach = count;
    else high = middle - 1;
  }
  const T bound = number(low);
  Index kept = 0;
  const auto keep = [&](const auto& stays) {
    for (Index i = 0; i < n; ++i) {
      const T score = scores[i];
      scores[kept] = score;
      best.ids[kept] = best.ids[i];
      kept += stays(score);
    }
  };
  if (reach > wanted) {
    Index equal = wanted;  // of those that equal the bound
    for (Index i = 0; i < n; ++i) equal -= scores[i] > bound;
    keep([&](T score) { return score > bound || (score == bound && equal-- > 0); });
  } else {
    keep([&](T score) { return score >= bound; });
  }
  best.count = kept;
  best.least = -simd::maximum<T>(kept, scores, T(-1));
}
template <class T>
void offer(kernels::Best<T>& best, T score, Index id) {
  if (!(score > best.least)) return;
  best.scores[best.count] = score;
  best.ids[best.count] = id;
  if (++best.count == best.room) narrow(best);
}

// --- scores ---------------------------------------------------------------------------------------------------------------------
template <class T>
[[gnu::noinline]] void offer_all(kernels::Best<T>* best, Index queries, const T* scores, Index stride, Index columns,
                                 Index id) {
  using B = simd::Batch<T>;
  constexpr Index w = simd::width<T>;
  for (Index i = 0; i < queries; ++i)
    for (Index j = 0; j < columns; j += w) {
      const T* s = scores + i * stride + j;
#if defined(__AVX512F__)
      if constexpr (sizeof(T) == 4) {
        unsigned passing = _mm512_cmp_ps_mask(_mm512_loadu_ps(s), _mm512_set1_ps(best[i].least), _CMP_GT_OQ);
        if (columns - j < w) passing &= (1u << (columns - j)) - 1;
        for (; passing; passing &= passing - 1) {
          const Index c = __builtin_ctz(passing);
          offer(best[i], s[c], id + j + c);
        }
        continue;
      }
#endif
      if (xsimd::any(simd::load<T>(s) > B(best[i].least)))
        for (Index c = 0; c < std::min(w, columns - j); ++c) offer(best[i], s[c], id + j + c);
    }
}

// What will be read next: so many lines for every sixteen of this tile, or with each line the one that far behind it.
struct Ahead {
  const char* from;
  Index lines;
};
inline constexpr Index stretch = 16;

// R queries by V vectors of lanes, which are vectors `id` and on; p[v] is where they begin, `columns` how many of them there are.
template <class Way, int R, int V, Index beside = 0>
[[gnu::noinline]] void tile(const typename Way::Left* q, const std::int32_t* start, const char* const* p, Index rows,
                            Ahead ahead, Index id, Index columns, kernels::Best<typename Way::Score>* best) {
  using T = typename Way::Score;
  using B = simd::Batch<T>;
  using Sum = typename Way::Sum;
  constexpr Index w = simd::width<T>;
  Sum s[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[i][v] = Sum(static_cast<typename Sum::value_type>(start[i]));
  const char* next = ahead.from;
  const char* at[V];
  for (int v = 0; v < V; ++v) at[v] = p[v];
  for (Index t = 0; t < rows;) {
#if defined(__GNUC__)
    for (Index l = 0; l < ahead.lines; ++l, next += line) __builtin_prefetch(next, 0, 2);
#endif
    for (const Index end = std::min(rows, t + stretch); t < end; ++t, q += R) {
      typename Way::Right right[V];
#if defined(__GNUC__)
      if constexpr (beside > 0) __builtin_prefetch(at[0] + (t + beside) * line, 0, 2);
#endif
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) right[v] = Way::right(at[v] + t * line);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) s[i][v] = Way::add(s[i][v], q[i], right[v]);
    }
    if constexpr (requires { Way::after_stretch(s[0][0]); })
      for (auto& of_query : s)
        for (Sum& sum : of_query) Way::after_stretch(sum);
  }
  B score[R][V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    if constexpr (Way::tail > 0) {
      const B scale = simd::load<T>(reinterpret_cast<const T*>(at[v] + rows * line));
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) score[i][v] = xsimd::to_float(s[i][v]) * scale;
    } else {
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) score[i][v] = s[i][v];
    }
  }
  xsimd::batch_bool<T, typename B::arch_type> passes = score[0][0] > B(best[0].least);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    const B least(best[i].least);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) passes = passes | (score[i][v] > least);
  }
  if (!xsimd::any(passes)) return;
  alignas(64) T scores[R * V * w];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) simd::store<T>(score[i][v], scores + (i * V + v) * w);
  offer_all<T>(best, R, scores, V * w, columns, id);
}

// So few queries wait for memory alone. It gives most to one stream of lines in order that asks for what comes in this many lines: here a
// tenth more than to plain reading, while three strips side by side get a fifth less.
inline constexpr Index few = 2, lines_ahead = 256;

template <class Way>
void search_few(const void* queries, Index m, Index k, const void* block, Index first, Index last, Index id,
                kernels::Best<typename Way::Score>* best) {
  constexpr Index in_strip = lanes<typename Way::Score>, w = simd::width<typename Way::Score>;
  constexpr int V = static_cast<int>(in_strip / w);
  const Index rows = Way::rows(k), strip = strip_bytes<Way>(k);
  const auto* start = static_cast<const std::int32_t*>(queries);
  const auto* q = reinterpret_cast<const typename Way::Left*>(start + rounded(m, fill));
  for (Index j = first; j < last; j += in_strip) {
    const char* const at = static_cast<const char*>(block) + j / in_strip * strip;
    const char* p[V];
    for (int v = 0; v < V; ++v) p[v] = at + v * w * static_cast<Index>(sizeof(typename Way::Score));
    for (Index i = 0; i < m; ++i)
      tile<Way, 1, V, lines_ahead>(q + i * rows, start + i, p, rows, {at, 0}, id + j - first, std::min(in_strip, last - j), best + i);
  }
}

// Vectors [first, last) of a block, called id and on; `first` begins a strip. `best` is filled up as the queries are.
template <class Way>
void search(const void* queries, Index m, Index k, const void* block, Index first, Index last, Index id,
            kernels::Best<typename Way::Score>* best) {
  using T = typename Way::Score;
  if (m <= few) return search_few<Way>(queries, m, k, block, first, last, id, best);
  constexpr Index w = simd::width<T>, wide = tile_vectors * w, in_strip = lanes<T>;
  const Index rows = Way::rows(k), strip = strip_bytes<Way>(k);
  const auto* start = static_cast<const std::int32_t*>(queries);
  const auto* q = reinterpret_cast<const typename Way::Left*>(start + rounded(m, fill));
  const Split split(m);
  const auto place = [&](Index c) {
    return static_cast<const char*>(block) + c / in_strip * strip + c % in_strip * static_cast<Index>(sizeof(T));
  };
  const Index passes = split.groups + split.alone, stretches = (rows + stretch - 1) / stretch;
  const Index lines = tile_vectors * strip * w / in_strip / line,
              each = (lines + passes * stretches - 1) / (passes * stretches);
  const char* const end = place((last - 1) / in_strip * in_strip) + strip;
  for (Index j = first; j < last;) {
    const Index columns = std::min(wide, last - j), vectors = columns == wide ? tile_vectors : 1,
                taken = std::min(vectors * w, columns);
    const char* p[tile_vectors];
    for (Index v = 0; v < vectors; ++v) p[v] = place(j + v * w);
    Ahead ahead{place(j + wide), each};
    const auto tiles = [&]<int R>(std::integral_constant<int, R>, Index i) {
      if (ahead.from + each * stretches * line > end) ahead.lines = 0;
      if (vectors == tile_vectors)
        tile<Way, R, tile_vectors>(q + i * rows, start + i, p, rows, ahead, id + j - first, taken, best + i);
      else tile<Way, R, 1>(q + i * rows, start + i, p, rows, ahead, id + j - first, taken, best + i);
      ahead.from += each * stretches * line;
    };
    for (Index g = 0; g < split.groups; ++g) tiles(std::integral_constant<int, tile_rows>{}, g * tile_rows);
    for (Index i = split.groups * tile_rows; i < m; ++i) tiles(std::integral_constant<int, 1>{}, i);
    j += taken;
  }
}

template <class Way>
kernels::Store<typename Way::Score> store() {
  return {lanes<typename Way::Score>, fill, &size<Way>, &put<Way>, &query_size<Way>, &prepare<Way>, &search<Way>, &narrow<typename Way::Score>};
}

// --- tiles -----------------------------------------------------------------------------------------------------------------------
#if defined(__AMX_BF16__) && defined(__AMX_INT8__) && defined(__AVX512BF16__) && defined(__AVX512VNNI__)
// 32 queries by 32 vectors at a time: four tiles of sums, two of queries, two of vectors. A tile of vectors is 16 lines of a strip as they
// lie; a tile of queries is made to be 16 lines too, one query each.
template <class Way>
inline constexpr bool whole_numbers = Way::tail > 0;
inline constexpr Index query_set = 256;

template <class Way>
Index tiles_query_size(Index m, Index k) {
  return rounded(m, fill) * (4 + Way::rows(k) * static_cast<Index>(std::max(sizeof(std::uint32_t), sizeof(typename Way::Alone::Left))));
}
template <class Way>
void tiles_prepare(BasicView<const float> q, void* to, float* units) {
  if (q.rows <= few) return prepare<typename Way::Alone>(q, to, units);
  const Index k = q.columns, rows = Way::rows(k);
  auto* out = reinterpret_cast<std::uint32_t*>(static_cast<std::int32_t*>(to) + rounded(q.rows, fill));
  for (Index i = 0; i < rounded(q.rows, 32); ++i) {
    float up = 0;
    if (i < q.rows) {
      units[i] = 1;
      if constexpr (whole_numbers<Way>) {
        const float most = largest(q.row(i), k);
        up = most > 0 ? 127 / most : 0;
        units[i] = most / 127;
      }
    }
    for (Index t = 0; t < rows; ++t)
      out[(i / 16 * rows + t / 16 * 16 + i % 16) * 16 + t % 16] = i < q.rows ? Way::left(q.row(i), t, k, up) : 0;
  }
}

// What was summed up last and is not looked at yet: sums of 32 x 32, and which of them pass, a bit each. `least` is that of each query, side
// by side, since a list's own lies in a line of its own.
struct Pending {
  float* sums;
  const float *least, *scale0, *scale1;
  Index id, columns, query, looked;
  alignas(64) std::uint32_t passing[32];
};
// What passed, in the order in which it did: taken to the lists some hundreds at a time, since the lists are out of the caches by the time
// their turn comes, and what the processor guesses wrongly there is not to stop the products.
struct Passed {
  float score;
  std::int32_t query;
  Index id;
};
struct Log {
  static constexpr Index most = 2048;  // at least what passes at once
  Index count = 0;
  Passed of[most];
  [[gnu::noinline]] void empty(kernels::Best<float>* best, float* least, Index queries) {
    constexpr Index soon = 8;
    for (Index i = 0; i < count; ++i) {
      if (i + 2 * soon < count) __builtin_prefetch(best + of[i + 2 * soon].query, 1, 3);
      if (i + soon < count) {
        const auto& later = best[of[i + soon].query];
        __builtin_prefetch(later.scores + later.count, 1, 3);
        __builtin_prefetch(later.ids + later.count, 1, 3);
      }
      offer(best[of[i].query], of[i].score, of[i].id);
    }
    count = 0;
    for (Index q = 0; q < queries; ++q) least[q] = best[q].least;
  }
};
template <class Way>
[[gnu::noinline]] void keep_passing(const Pending& p, Log& log) {
  const std::uint32_t valid = p.columns < 32 ? (1u << p.columns) - 1 : ~0u;
  const auto queries = [&](int half) {
    return static_cast<std::uint32_t>(_mm512_test_epi32_mask(_mm512_load_si512(p.passing + 16 * half), _mm512_set1_epi32(static_cast<int>(valid))));
  };
  std::uint32_t left = queries(0) | queries(1) << 16;
  std::uint32_t of = left ? p.passing[__builtin_ctz(left)] & valid : 0;
  while (left) {
    const int i = __builtin_ctz(left), c = __builtin_ctz(of);
    float score = p.sums[i * 32 + c];
    if constexpr (whole_numbers<Way>) score = static_cast<float>(std::bit_cast<std::int32_t>(score)) * (c < 16 ? p.scale0[c] : p.scale1[c - 16]);
    log.of[log.count++] = {score, static_cast<std::int32_t>(p.query + i), p.id + c};
    of &= of - 1;
    left = of ? left : left & (left - 1);
    of = of ? of : p.passing[__builtin_ctz(left | 0x80000000u)] & valid;
  }
}

// A window is 48 KB or so of vectors: what is read from memory while the window before it is multiplied. Its lines are asked for one by one
// from all its parts in turn, which lie in pages of their own: memory gives the lines of one page one after the other, and waiting for them
// stops the products.
struct Window {
  static constexpr Index parts = 12, most = 1024;
  Index lines;
  std::uint16_t order[most];
  explicit Window(Index n) : lines(std::min(n, most)) {
    const Index apart = (lines + parts - 1) / parts;
    for (Index at = 0, l = 0; l < apart; ++l)
      for (Index line_of_part = l; line_of_part < lines; line_of_part += apart) order[at++] = static_cast<std::uint16_t>(line_of_part);
  }
};
inline void fetch(const char* from, const std::uint16_t* order, Index lines) {
  for (Index l = 0; l < lines; ++l) __builtin_prefetch(from + order[l] * line, 0, 2);
}

// Products of 32 queries (tiles at a0, a1) by 32 vectors (b0, b1); meanwhile the products before are looked at and `each` lines of the next
// window asked for with every step. A tile of queries that is `passing_by` will not be wanted soon: it shall not push out vectors.
template <class Way, bool passing_by>
[[gnu::noinline]] void multiply(const char* a0, const char* a1, const char* b0, const char* b1, Index deep, const char* next,
                                const std::uint16_t* order, Index each, Pending& p, Log& log, float* to) {
  const Index half = each / 2, at_once = (32 + deep - 1) / deep;
  __m512 scale0, scale1;
  if constexpr (whole_numbers<Way>) scale0 = _mm512_loadu_ps(p.scale0), scale1 = _mm512_loadu_ps(p.scale1);
  const float *sums = p.sums, *least = p.least;
  Index seen = p.looked;
  __mmask32 passing = 0;
  const auto score = [&](const float* at, __m512 scale) {
    if constexpr (whole_numbers<Way>) return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(at)), scale);
    else return static_cast<void>(scale), _mm512_load_ps(at);
  };
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (Index t = 0; t < deep; ++t, a0 += 1024, a1 += 1024, b0 += 1024, b1 += 1024, order += each) {
    if constexpr (passing_by) _tile_stream_loadd(4, a0, line);
    else _tile_loadd(4, a0, line);
    _tile_loadd(6, b0, line);
    if constexpr (whole_numbers<Way>) _tile_dpbssd(0, 4, 6);
    else _tile_dpbf16ps(0, 4, 6);
    fetch(next, order, half);
    if constexpr (passing_by) _tile_stream_loadd(5, a1, line);
    else _tile_loadd(5, a1, line);
    if constexpr (whole_numbers<Way>) _tile_dpbssd(2, 5, 6);
    else _tile_dpbf16ps(2, 5, 6);
    _tile_loadd(7, b1, line);
    if constexpr (whole_numbers<Way>) _tile_dpbssd(1, 4, 7);
    else _tile_dpbf16ps(1, 4, 7);
    fetch(next, order + half, each - half);
    if constexpr (whole_numbers<Way>) _tile_dpbssd(3, 5, 7);
    else _tile_dpbf16ps(3, 5, 7);
    for (const Index until = std::min<Index>(32, seen + at_once); seen < until; ++seen) {
      const __m512 bound = _mm512_set1_ps(least[seen]);
      const __mmask32 of_query = _mm512_kunpackw(_mm512_cmp_ps_mask(score(sums + seen * 32 + 16, scale1), bound, _CMP_GT_OQ),
                                                 _mm512_cmp_ps_mask(score(sums + seen * 32, scale0), bound, _CMP_GT_OQ));
      _store_mask32(p.passing + seen, of_query);
      passing = _kor_mask32(passing, of_query);
    }
  }
  if (passing) keep_passing<Way>(p, log);
  _tile_stored(0, to, 128);
  _tile_stored(1, to + 16, 128);
  _tile_stored(2, to + 512, 128);
  _tile_stored(3, to + 528, 128);
}

// `together` pairs of strips stay in the first-level cache for all queries; the queries come from the second.
template <class Way, bool passing_by>
void tiles_search_set(const char* q, Index m, Index k, const void* block, Index first, Index last, Index id, kernels::Best<float>* best) {
  const Index rows = Way::rows(k), strip = strip_bytes<Way>(k), deep = rows / 16, pairs = rounded(m, 32) / 32,
              together = std::max<Index>(1, 26000 / (2 * strip)), window = rounded(std::max<Index>(1, 50000 / (2 * strip)), together);
  alignas(64) float sums[3][32 * 32], least[query_set];
  Log log;
  log.empty(best, least, 32 * pairs);
  const Window ahead(window * 2 * strip / line);
  const Index each = ahead.lines / (window * pairs * deep), later = each * window * pairs * deep;
  const char* const end = static_cast<const char*>(block) + (last + 15) / 16 * strip;
  const auto at = [&](Index j) { return static_cast<const char*>(block) + j / 16 * strip; };
  Pending p{sums[1], least, sums[1], sums[1], 0, 0, 0, 32, {}};
  int turn = 0;
  for (Index w = first; w < last; w += 32 * window) {
    const char* const next = at(w + 32 * window);
    const bool more = next < end;
    if (more) fetch(next, ahead.order + later, ahead.lines - later);
    const std::uint16_t* order = ahead.order;
    for (Index g = w; g < std::min(last, w + 32 * window); g += 32 * together)
      for (Index pair = 0; pair < pairs; ++pair)
        for (Index j = g; j < std::min(last, g + 32 * together); j += 32) {
          const char *const b0 = at(j), *const b1 = j + 16 < last ? b0 + strip : b0, *const a = q + 2 * pair * rows * line;
          multiply<Way, passing_by>(a, a + rows * line, b0, b1, deep, next, order, more ? each : 0, p, log, sums[turn]);
          if (log.count > Log::most - 1024) log.empty(best, least, 32 * pairs);
          order += each * deep;
          p.sums = sums[turn];
          p.query = 32 * pair;
          p.least = least + 32 * pair;
          if constexpr (whole_numbers<Way>) {
            p.scale0 = reinterpret_cast<const float*>(b0 + rows * line);
            p.scale1 = reinterpret_cast<const float*>(b1 + rows * line);
          }
          p.id = id + j - first;
          p.columns = std::min<Index>(32, last - j);
          p.looked = 0;
          turn ^= 1;
        }
  }
  // the last of them, beside products that nobody wants
  if (p.looked == 0) multiply<Way, passing_by>(q, q, q, q, 1, q, ahead.order, 0, p, log, sums[2]);
  log.empty(best, least, 32 * pairs);
}
template <class Way>
void tiles_search(const void* queries, Index m, Index k, const void* block, Index first, Index last, Index id,
                  kernels::Best<float>* best) {
  const Index rows = Way::rows(k);
  const auto* start = static_cast<const std::int32_t*>(queries);
  if (m <= few) {
    const unsigned state = _mm_getcsr();
    if constexpr (!whole_numbers<Way>) _mm_setcsr(state | 0x8040u);  // subnormal numbers are zeros, read or written
    search_few<typename Way::Alone>(queries, m, k, block, first, last, id, best);
    _mm_setcsr(state);
    return;
  }
  const cpu::tiles::Ready ready;
  for (Index i = 0; i < m; i += query_set) {
    const char* q = reinterpret_cast<const char*>(start + rounded(m, fill)) + i * rows * 4;
    const Index some = std::min(query_set, m - i);
    if (rows > 96) tiles_search_set<Way, true>(q, some, k, block, first, last, id, best + i);
    else tiles_search_set<Way, false>(q, some, k, block, first, last, id, best + i);
  }
}

template <class Way>
kernels::Store<float> tiles_store() {
  return {lanes<float>, fill, &size<Way>, &put<Way>, &tiles_query_size<Way>, &tiles_prepare<Way>, &tiles_search<Way>, &narrow<float>};
}
#endif

}  // namespace strips
}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
