// The thin wrapper round xsimd: what changed its name between 8 (Debian 12) and 14 is called here and nowhere else.
#pragma once

#include "towpath/base/config.hpp"

// g++ 12 and 13 take the undefined operands of their own AVX-512 intrinsics for a mistake of ours (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
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
template <class T>
T sum(const Batch<T>& b) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(b);
#else
  return xsimd::hadd(b);
#endif
}

// The last n < width elements of x as a vector, zeros behind them.
template <class T>
Batch<T> load_part(const T* x, Index n) {
  alignas(64) T part[width<T>]{};
  for (Index i = 0; i < n; ++i) part[i] = x[i];
  return load<T>(part);
}
template <class T>
void store_part(const Batch<T>& b, T* y, Index n) {
  alignas(64) T part[width<T>];
  store<T>(b, part);
  for (Index i = 0; i < n; ++i) y[i] = part[i];
}

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

// max_j x[j], n at least 1
template <class T>
T maximum(Index n, const T* x) {
  constexpr Index w = width<T>;
  T top = x[0];
  Index j = 0;
  if (n >= w) {
    Batch<T> most = load<T>(x);
    for (j = w; j + w <= n; j += w) most = xsimd::max(most, load<T>(x + j));
    alignas(64) T part[width<T>];
    store<T>(most, part);
    for (const T p : part) top = p > top ? p : top;
  }
  for (; j < n; ++j) top = x[j] > top ? x[j] : top;
  return top;
}

}  // namespace simd
}  // namespace TOWPATH_ISA
}  // namespace towpath
