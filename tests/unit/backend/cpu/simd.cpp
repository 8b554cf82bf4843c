#include "towpath/backend/cpu/simd.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

using namespace towpath;

namespace {
// x[0], x[1], … with room and a mark behind the end.
template <class T>
std::vector<T> numbers(Index n, T step) {
  std::vector<T> x(static_cast<std::size_t>(n) + 1);
  for (Index i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = step * static_cast<T>(i % 17 - 8);
  x.back() = T(-99);
  return x;
}
template <class T>
const std::vector<Index> lengths{0, 1, 2, 3, simd::width<T> - 1, simd::width<T>, simd::width<T> + 1, 2 * simd::width<T>, 100};
}  // namespace

TEST_CASE_TEMPLATE("load, store and sum", T, float, double) {
  std::vector<T> x = numbers<T>(simd::width<T> + 1, T(1)), y(x.size());
  const auto b = simd::load<T>(x.data() + 1);  // aligned as it comes
  simd::store<T>(b, y.data() + 1);
  T expected = 0;
  for (Index i = 1; i <= simd::width<T>; ++i) {
    CHECK(y[static_cast<std::size_t>(i)] == x[static_cast<std::size_t>(i)]);
    expected += x[static_cast<std::size_t>(i)];
  }
  CHECK(simd::sum<T>(b) == expected);  // small whole numbers: exact
}

TEST_CASE_TEMPLATE("map: any length, one to three inputs, nothing written past the end", T, float, double) {
  using B = simd::Batch<T>;
  for (const Index n : lengths<T>) {
    CAPTURE(n);
    const auto a = numbers<T>(n, T(1)), b = numbers<T>(n, T(0.5)), c = numbers<T>(n, T(2));
    std::vector<T> y(a.size(), T(-7));
    const auto check = [&](const auto& expected) {
      bool right = y.back() == T(-7);
      for (std::size_t i = 0; i + 1 < y.size(); ++i) right = right && y[i] == expected(i);
      return right;
    };
    simd::map<T>(n, y.data(), [](B p) { return p + p; }, a.data());
    CHECK(check([&](std::size_t i) { return a[i] + a[i]; }));
    simd::map<T>(n, y.data(), [](B p, B q) { return p - q; }, a.data(), b.data());
    CHECK(check([&](std::size_t i) { return a[i] - b[i]; }));
    simd::map<T>(n, y.data(), [](B p, B q, B r) { return p * q + r; }, a.data(), b.data(), c.data());
    CHECK(check([&](std::size_t i) { return a[i] * b[i] + c[i]; }));
    std::vector<T> in_place = a;
    simd::map<T>(n, in_place.data(), [](B p, B q) { return p + q; }, in_place.data(), b.data());
    y = in_place;
    y.back() = in_place.back() == T(-99) ? T(-7) : T(0);
    CHECK(check([&](std::size_t i) { return a[i] + b[i]; }));
  }
}

TEST_CASE_TEMPLATE("the last elements are computed by the same instructions as the first", T, float, double) {
  using B = simd::Batch<T>;
  constexpr Index w = simd::width<T>;
  std::vector<T> x(static_cast<std::size_t>(w), T(0.7)), whole(x.size()), part(x.size());
  const auto f = [](B p) {
    using xsimd::exp;
    return exp(p) * p + p;
  };
  simd::map<T>(w, whole.data(), f, x.data());
  simd::map<T>(1, part.data(), f, x.data());
  CHECK(part[0] == whole[0]);
}

TEST_CASE_TEMPLATE("accumulate: sums of one and of two inputs, exact on whole numbers", T, float, double) {
  using B = simd::Batch<T>;
  for (const Index n : lengths<T>) {
    CAPTURE(n);
    const auto a = numbers<T>(n, T(1)), b = numbers<T>(n, T(2));
    T sum = 0, dot = 0;
    for (Index i = 0; i < n; ++i) {
      sum += a[static_cast<std::size_t>(i)];
      dot += a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(i)];
    }
    CHECK(simd::accumulate<T>(n, [](B p) { return p; }, a.data()) == sum);
    CHECK(simd::accumulate<T>(n, [](B p, B q) { return p * q; }, a.data(), b.data()) == dot);
  }
}

TEST_CASE("numbers kept in bf16: stored rounded, read as they are, whole vectors and parts") {
  using B = simd::Batch<float>;
  constexpr Index w = simd::width<float>;
  std::vector<float> x(static_cast<std::size_t>(w));
  for (Index i = 0; i < w; ++i) x[static_cast<std::size_t>(i)] = 1.0f + 0.001f * static_cast<float>(i * i);
  for (Index n = 1; n <= w; ++n) {
    std::vector<bf16> held(static_cast<std::size_t>(w) + 1, bf16(-7));
    const B all = simd::load<float>(x.data());
    if (n == w) simd::store<float>(all, held.data());
    else simd::store_part<float>(all, held.data(), n);
    alignas(64) float back[static_cast<std::size_t>(w)];
    simd::store<float>(n == w ? simd::load<float>(held.data()) : simd::load_part<float>(held.data(), n), back);
    for (Index i = 0; i < w; ++i) CHECK(back[i] == (i < n ? static_cast<float>(bf16(x[static_cast<std::size_t>(i)])) : 0.0f));
    CHECK(static_cast<float>(held[static_cast<std::size_t>(n)]) == -7);
  }
}
