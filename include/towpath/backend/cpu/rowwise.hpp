// Work on rows and elements, in vectors. Functions take the rows that one piece of work owns; equations are in reference/ops.hpp.
#pragma once

#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/simd.hpp"

#include <algorithm>
#include <cmath>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {

// Φ(x) and, beside it, exp(-x²/2), in float: erfc(z) = t P(t) exp(-z²), t = 1 / (1 + p z), z = |x| / √2, the form of Abramowitz and Stegun
// 7.1.26 with eight coefficients fitted to a relative error of 8e-8. Φ and its density share the exponential.
struct NormalFloat {
  simd::Batch<float> distribution, exponential;

  explicit NormalFloat(simd::Batch<float> x) {
    using B = simd::Batch<float>;
    const B t = simd::inverse(xsimd::fma(B(0.33f * 0.70710678f), xsimd::abs(x), B(1)));
    const B p = simd::polynomial(t, -0.13592881f, 0.46268830f, -0.35543907f, 0.41254173f, 0.04501058f, 0.20192385f, 0.18283724f, 0.18636611f);
    exponential = simd::exp(x * x * B(-0.5f));
    const B half = B(0.5f) * t * p * exponential;
    distribution = xsimd::select(x < B(0), half, B(1) - half);
  }
};

// use(f) for the function f(v, slope) = F(v) on vectors, which also gives F'(v) unless slope is null.
template <class T, class Use>
void in_vectors(Function function, const Use& use) {
  using B = simd::Batch<T>;
  if constexpr (sizeof(T) == 4) {
    if (function == Function::gelu)
      return use([](const B& v, B* slope) {
        const NormalFloat phi(v);
        if (slope) *slope = xsimd::fma(v * B(0.39894228f), phi.exponential, phi.distribution);
        return v * phi.distribution;
      });
  }
  with_function(function, [&]<class F>(F) {
    use([](const B& v, B* slope) {
      if (slope) *slope = F::slope(v);
      return F::value(v);
    });
  });
}
// y = F(x), slope = F'(x) (unless null); y may be x.
template <class T>
[[gnu::noinline]] void apply(Function function, Index n, const T* x, T* y, T* slope) {
  using B = simd::Batch<T>;
  in_vectors<T>(function, [&](const auto& f) {
    if (slope) simd::map2<T>(n, y, slope, [&f](B v, B& s) { return f(v, &s); }, x);
    else simd::map<T>(n, y, [&f](B v) { return f(v, nullptr); }, x);
  });
}

template <class T>
void add_row(const T* b, BasicView<T> y) {
  using B = simd::Batch<T>;
  for (Index t = 0; t < y.rows; ++t) simd::map<T>(y.columns, y.row(t), [](B p, B q) { return p + q; }, y.row(t), b);
}
template <class T>
void add_scaled(T s, BasicView<const T> x, BasicView<T> y) {
  using B = simd::Batch<T>;
  for (Index t = 0; t < y.rows; ++t) simd::map<T>(y.columns, y.row(t), [s](B p, B q) { return p + B(s) * q; }, y.row(t), x.row(t));
}
template <class T>
void unary(Function f, BasicView<const T> x, BasicView<T> y, BasicView<T> slope) {
  for (Index t = 0; t < y.rows; ++t) apply<T>(f, y.columns, x.row(t), y.row(t), slope.empty() ? nullptr : slope.row(t));
}
template <class T>
void unary_backward(Function f, BasicView<const T> dy, BasicView<const T> x, BasicView<T> dx) {
  using B = simd::Batch<T>;
  if constexpr (sizeof(T) == 4) {
    if (f == Function::gelu) {
      for (Index t = 0; t < dx.rows; ++t)
        simd::map<T>(dx.columns, dx.row(t), [](B g, B v) {
          const NormalFloat phi(v);
          return g * xsimd::fma(v * B(0.39894228f), phi.exponential, phi.distribution);
        }, dy.row(t), x.row(t));
      return;
    }
  }
  with_function(f, [&]<class F>(F) {
    for (Index t = 0; t < dx.rows; ++t) simd::map<T>(dx.columns, dx.row(t), [](B g, B v) { return g * F::slope(v); }, dy.row(t), x.row(t));
  });
}

// y = plus + …
template <class T>
void layer_norm(BasicView<const T> x, const T* gain, const T* bias, T epsilon, BasicView<const T> plus, BasicView<T> y, BasicView<T> stats) {
  using B = simd::Batch<T>;
  const T n = T(x.columns);
  const Index whole = x.columns / simd::width<T> * simd::width<T>;
  for (Index t = 0; t < y.rows; ++t) {
    const T mean = simd::accumulate<T>(x.columns, [](B p) { return p; }, x.row(t)) / n;
    // the variance about the mean in a second pass over what is now in the nearest cache
    T square = simd::accumulate<T>(whole, [mean](B p) { return (p - B(mean)) * (p - B(mean)); }, x.row(t));
    for (Index j = whole; j < x.columns; ++j) square += (x.row(t)[j] - mean) * (x.row(t)[j] - mean);
    const T r = T(1) / std::sqrt(square / n + epsilon);
    const auto value = [mean, r](B p, B g, B b) { return (p - B(mean)) * B(r) * g + b; };
    if (plus.empty()) simd::map<T>(x.columns, y.row(t), value, x.row(t), gain, bias);
    else simd::map<T>(x.columns, y.row(t), [&](B p, B g, B b, B add) { return value(p, g, b) + add; }, x.row(t), gain, bias, plus.row(t));
    stats.row(t)[0] = mean;
    stats.row(t)[1] = r;
  }
}
template <class T>
void layer_norm_backward(BasicView<const T> dy, BasicView<const T> x, BasicView<const T> stats, const T* gain, BasicView<T> dx) {
  using B = simd::Batch<T>;
  const T n = T(x.columns);
  for (Index t = 0; t < dx.rows; ++t) {
    const T mean = stats.row(t)[0], r = stats.row(t)[1];
    const T sum = simd::accumulate<T>(x.columns, [](B g, B w) { return g * w; }, dy.row(t), gain) / n;
    const T dot = simd::accumulate<T>(x.columns, [mean, r](B g, B w, B q) { return g * w * ((q - B(mean)) * B(r)); }, dy.row(t), gain, x.row(t)) / n;
    simd::map<T>(x.columns, dx.row(t), [=](B g, B w, B q) { return B(r) * (g * w - B(sum) - (q - B(mean)) * B(r * dot)); }, dy.row(t), gain, x.row(t));
  }
}
template <class T>
void normalise(BasicView<const T> x, BasicView<T> y, BasicView<T> norms) {
  using B = simd::Batch<T>;
  for (Index t = 0; t < y.rows; ++t) {
    const T norm = std::max(std::sqrt(simd::accumulate<T>(x.columns, [](B p) { return p * p; }, x.row(t))), T(1e-12));
    simd::map<T>(x.columns, y.row(t), [norm](B p) { return p / B(norm); }, x.row(t));
    norms.row(t)[0] = norm;
  }
}
// y[i] *= mask(start + i): four masks from one block of random numbers
template <class T>
void masked(Mask mask, Index start, T* y, Index n) {
  for (Index j = 0; j < n;) {
    const auto i = static_cast<std::uint64_t>(start + j);
    const auto block = mask.block(i / 4);
    for (std::uint64_t k = i % 4; k < 4 && j < n; ++k, ++j) y[j] *= T(block[k]);
  }
}
template <class T>
void dropout(Mask mask, Index start, BasicView<T> y) {
  for (Index t = 0; t < y.rows; ++t) masked(mask, start + t * y.columns, y.row(t), y.columns);
}
// g[j] += Σ_t x[t, j] for j in [first, last)
template <class T>
void column_sums_add(BasicView<const T> x, Index first, Index last, T* g) {
  using B = simd::Batch<T>;
  for (Index t = 0; t < x.rows; ++t) simd::map<T>(last - first, g + first, [](B s, B v) { return s + v; }, g + first, x.row(t) + first);
}
template <class T>
void adam(const Adam& rule, std::uint64_t step, double gradient_scale, Index n, const T* g, T* m, T* v, T* w) {
  using B = simd::Batch<T>;
  const auto bias_of = [step](double beta) { return T(1 / (1 - std::pow(beta, static_cast<double>(step)))); };
  const auto all = [](double x) { return B(T(x)); };
  const B c1 = all(bias_of(rule.beta1)), c2 = all(bias_of(rule.beta2)), b1 = all(rule.beta1), b2 = all(rule.beta2), a1 = B(T(1) - T(rule.beta1)),
          a2 = B(T(1) - T(rule.beta2)), rate = all(rule.rate), epsilon = all(rule.epsilon), keep = all(1 - rule.rate * rule.decay),
          scale = all(gradient_scale);
  constexpr Index block = 1024;  // the second and third sweep find it in the nearest cache
  for (Index i = 0; i < n; i += block) {
    const Index c = std::min(block, n - i);
    simd::map<T>(c, m + i, [=](B p, B x) { return b1 * p + a1 * (scale * x); }, m + i, g + i);
    simd::map<T>(c, v + i, [=](B p, B x) { return b2 * p + a2 * (scale * x) * (scale * x); }, v + i, g + i);
    simd::map<T>(c, w + i, [=](B p, B a, B b) { return keep * p - rate * (a * c1) / (xsimd::sqrt(b * c2) + epsilon); }, w + i, m + i, v + i);
  }
}

}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
