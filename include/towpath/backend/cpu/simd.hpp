// The thin wrapper round xsimd: what changed its name between 8 (Debian 12) and 14 is called here and nowhere else.
#pragma once

#include "towpath/base/config.hpp"
#include "towpath/tensor/dtype.hpp"
#include "towpath/tensor/view.hpp"

// g++ 12 and 13 take the undefined operands of their own AVX-512 intrinsics for a mistake of ours (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

namespace towpath {
inline namespace TOWPATH_ISA {
namespace simd {

template <class T>
using Batch = xsimd::batch<T>;
template <class T>
inline constexpr Index width = static_cast<Index>(Batch<T>::size);

template <class T>
Batch<T> load(const T* p) {
  return Batch<T>::load_unaligned(p);
}
template <class T>
void store(const Batch<T>& b, T* p) {
  b.store_unaligned(p);
}
// The same with bf16 in memory.
template <class T>
Batch<T> load(const bf16* p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
#endif
  alignas(64) T wide[width<T>];
  for (Index i = 0; i < width<T>; ++i) wide[i] = static_cast<T>(p[i]);
  return load<T>(wide);
}
template <class T>
void store(const Batch<T>& b, bf16* p) {
#if defined(__AVX512BF16__)
  if constexpr (sizeof(T) == 4) {
    const __m256bh bits = _mm512_cvtneps_pbh(b);
    std::memcpy(static_cast<void*>(p), &bits, sizeof bits);
    return;
  }
#endif
  alignas(64) T wide[width<T>];
  store<T>(b, wide);
  for (Index i = 0; i < width<T>; ++i) p[i] = bf16(static_cast<float>(wide[i]));
}
template <class T>
T sum(const Batch<T>& b) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(b);
#else
  return xsimd::hadd(b);
#endif
}

// p_0 xⁿ + … + p_n by Horner's rule, written out: a loop over coefficients stays a loop under g++ -O2.
template <class B, class... C>
[[gnu::always_inline]] inline B polynomial(const B& x, float first, C... rest) {
  B p(first);
  ((p = xsimd::fma(p, x, B(rest))), ...);
  return p;
}

// e^x, by Cody and Waite's reduction to |r| <= log(2)/2 and a polynomial (Cephes' coefficients): in float within 2 ulp, 0 below -87.3 (where
// numbers would become subnormal) and the largest number above 88.7; nothing is asked about NaN. In double it is xsimd's.
// For small |r| alone (float).
[[gnu::always_inline]] inline Batch<float> near_zero(const Batch<float>& r) {
  const Batch<float> p = polynomial(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f);
  return xsimd::fma(p, r * r, r) + Batch<float>(1);
}
inline Batch<double> exp(const Batch<double>& x) { return xsimd::exp(x); }
inline Batch<float> exp(const Batch<float>& x) {
  using B = Batch<float>;
  const B bounded = xsimd::min(xsimd::max(x, B(-87.3f)), B(88.7f));
  const B n = xsimd::nearbyint(bounded * B(1.44269504f));
  const B r = xsimd::fma(n, B(2.12194440e-4f), xsimd::fma(n, B(-0.693359375f), bounded));
  const B small = near_zero(r);
#if defined(__AVX512F__)
  const B y = _mm512_scalef_ps(small, n);
#else
  using I = xsimd::batch<std::int32_t>;
  // 2^n in two factors, since n may be 128
  const I whole = xsimd::to_int(n), half = whole >> 1;
  const auto power = [](const I& e) { return std::bit_cast<B>((e + I(127)) << 23); };
  const B y = small * power(half) * power(whole - half);
#endif
  return xsimd::select(x < B(-87.3f), B(0), y);
}
// 1 / x in float to an ulp or two, for x in the middle of the range.
inline Batch<float> inverse(const Batch<float>& x) {
#if defined(__AVX512F__)
  const Batch<float> guess = _mm512_rcp14_ps(x);
  return xsimd::fma(guess, xsimd::fnma(x, guess, Batch<float>(1)), guess);
#else
  return Batch<float>(1) / x;
#endif
}

// The last n < width elements of x as a vector, zeros behind them.
template <class T, class Number>
Batch<T> load_part(const Number* x, Index n) {
  alignas(64) Number part[width<T>]{};
  for (Index i = 0; i < n; ++i) part[i] = x[i];
  return load<T>(part);
}
template <class T, class Number>
void store_part(const Batch<T>& b, Number* y, Index n) {
  alignas(64) Number part[width<T>];
  store<T>(b, part);
  for (Index i = 0; i < n; ++i) y[i] = part[i];
}

#if defined(__AVX512F__)
// The first n of 16 lanes.
inline __mmask16 lanes(Index n) { return n >= 16 ? __mmask16(0xffff) : n <= 0 ? __mmask16(0) : __mmask16((1u << n) - 1); }
// Sixteen vectors become those of their transpose.
inline void turn(__m512 (&x)[16]) {
  __m512 y[16];
  const auto pairs = [](__m512 a, __m512 b, auto high) {
    const __m512d c = _mm512_castps_pd(a), d = _mm512_castps_pd(b);
    return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(c, d) : _mm512_unpacklo_pd(c, d));
  };
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // x[i + r]: four rows of column 4 l + r in each quarter l
    x[i] = pairs(y[i], y[i + 2], std::false_type{});
    x[i + 1] = pairs(y[i], y[i + 2], std::true_type{});
    x[i + 2] = pairs(y[i + 1], y[i + 3], std::false_type{});
    x[i + 3] = pairs(y[i + 1], y[i + 3], std::true_type{});
  }
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r)
#pragma GCC unroll 2
    for (int i = 0; i < 16; i += 8) {
      y[i + r] = _mm512_shuffle_f32x4(x[i + r], x[i + r + 4], 0x88);
      y[i + r + 4] = _mm512_shuffle_f32x4(x[i + r], x[i + r + 4], 0xdd);
    }
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) {
    x[r] = _mm512_shuffle_f32x4(y[r], y[r + 8], 0x88);
    x[r + 8] = _mm512_shuffle_f32x4(y[r], y[r + 8], 0xdd);
  }
}
// The block of 16 x 16 of x from (row, column) on, zeros where x ends; turned over if asked.
template <bool turned>
void load_block(BasicView<const float> x, Index row, Index column, __m512 (&v)[16]) {
  const Index rows = x.rows - row;
  const __mmask16 real = lanes(x.columns - column);
#pragma GCC unroll 16
  for (Index i = 0; i < 16; ++i) v[i] = i < rows ? _mm512_maskz_loadu_ps(real, x.row(row + i) + column) : _mm512_setzero_ps();
  if constexpr (turned) turn(v);
}
#endif

// y[j] = f(x[j]…) for j in [0, n): whole vectors, then one partial vector, so that the last elements are computed by the same
// instructions as the first. y may be one of the x.
template <class T, class F, class... In>
void map(Index n, T* y, const F& f, const In*... in) {
  constexpr Index w = width<T>;
  Index j = 0;
  for (; j + w <= n; j += w) store<T>(f(load<T>(in + j)...), y + j);
  if (j < n) store_part<T>(f(load_part<T>(in + j, n - j)...), y + j, n - j);
}
// The same with a second result: y[j] = f(x[j]…, z[j]).
template <class T, class F, class... In>
void map2(Index n, T* y, T* z, const F& f, const In*... in) {
  constexpr Index w = width<T>;
  Batch<T> second;
  Index j = 0;
  for (; j + w <= n; j += w) {
    store<T>(f(load<T>(in + j)..., second), y + j);
    store<T>(second, z + j);
  }
  if (j < n) {
    store_part<T>(f(load_part<T>(in + j, n - j)..., second), y + j, n - j);
    store_part<T>(second, z + j, n - j);
  }
}

// Σ_j f(x[j]…), two sums side by side; f gives a vector, absent elements count as f would give for zeros, so f(0…) must be 0.
template <class T, class F, class... In>
T accumulate(Index n, const F& f, const In*... in) {
  constexpr Index w = width<T>;
  Batch<T> s0(T(0)), s1(T(0));
  Index j = 0;
  for (; j + 2 * w <= n; j += 2 * w) {
    s0 += f(load<T>(in + j)...);
    s1 += f(load<T>(in + j + w)...);
  }
  for (; j + w <= n; j += w) s0 += f(load<T>(in + j)...);
  if (j < n) s1 += f(load_part<T>(in + j, n - j)...);
  return sum<T>(s0 + s1);
}

// max_j sign x[j], n at least 1
template <class T>
T maximum(Index n, const T* x, T sign = 1) {
  constexpr Index w = width<T>;
  T top = sign * x[0];
  Index j = 0;
  if (n >= w) {
    const Batch<T> signs(sign);
    Batch<T> most = signs * load<T>(x);
    for (j = w; j + w <= n; j += w) most = xsimd::max(most, signs * load<T>(x + j));
    alignas(64) T part[width<T>];
    store<T>(most, part);
    for (const T p : part) top = p > top ? p : top;
  }
  for (; j < n; ++j) top = sign * x[j] > top ? sign * x[j] : top;
  return top;
}

}  // namespace simd
}  // namespace TOWPATH_ISA
}  // namespace towpath
