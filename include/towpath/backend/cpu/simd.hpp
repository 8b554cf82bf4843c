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

// y[j] = f(x[j]…) for j in [0, n): whole vectors, then one partial vector through a small buffer, so that the last elements are
// computed by the same instructions as the first.
template <class T, class F, class... In>
void map(Index n, T* y, const F& f, const In*... in) {
  constexpr Index w = width<T>;
  Index j = 0;
  for (; j + w <= n; j += w) store<T>(f(load<T>(in + j)...), y + j);
  if (j < n) {
    alignas(64) T tail[sizeof...(In)][width<T>]{};
    const T* from[] = {in...};
    for (std::size_t a = 0; a < sizeof...(In); ++a)
      for (Index i = j; i < n; ++i) tail[a][i - j] = from[a][i];
    alignas(64) T out[width<T>];
    std::size_t a = 0;
    const auto next = [&](const T*) { return load<T>(tail[a++]); };
    Batch<T> loaded[sizeof...(In)] = {next(in)...};
    if constexpr (sizeof...(In) == 1) store<T>(f(loaded[0]), out);
    else if constexpr (sizeof...(In) == 2) store<T>(f(loaded[0], loaded[1]), out);
    else store<T>(f(loaded[0], loaded[1], loaded[2]), out);
    for (Index i = j; i < n; ++i) y[i] = out[i - j];
  }
}

// Σ_j f(x[j]…), four sums side by side; f gives a vector, absent elements count as f would give for zeros, so f(0…) must be 0.
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
  T total = sum<T>(s0 + s1);
  if (j < n) {
    alignas(64) T tail[sizeof...(In)][width<T>]{};
    const T* from[] = {in...};
    for (std::size_t a = 0; a < sizeof...(In); ++a)
      for (Index i = j; i < n; ++i) tail[a][i - j] = from[a][i];
    if constexpr (sizeof...(In) == 1) total += sum<T>(f(load<T>(tail[0])));
    else total += sum<T>(f(load<T>(tail[0]), load<T>(tail[1])));
  }
  return total;
}

}  // namespace simd
}  // namespace TOWPATH_ISA
}  // namespace towpath
