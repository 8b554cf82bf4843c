#include "towpath/backend/functions.hpp"
#include "towpath/backend/cpu/simd.hpp"

#include "../tolerances.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <string_view>
#include <vector>

using namespace towpath;

static_assert(Gelu::name == "gelu" && GeluTanh::name == "gelu_new" && Relu::name == "relu" && Tanh::name == "tanh" && Silu::name == "silu");

namespace {
// PyTorch 2, float64, printed with ten decimals: F.gelu, F.gelu(approximate="tanh"), F.relu, torch.tanh, F.silu at
// -3, -1, -0.5, 0, 0.25, 1, 2.5, and what autograd gives there.
constexpr double at[] = {-3, -1, -0.5, 0, 0.25, 1, 2.5};
struct Literals {
  double value[7], slope[7];
};
template <class F>
constexpr Literals torch{};
template <>
constexpr Literals torch<Gelu>{{-0.0040496941, -0.1586552539, -0.1542687694, 0.0, 0.1496765814, 0.8413447461, 2.4844758367},
                               {-0.0119456472, -0.0833154706, 0.1325048753, 0.5, 0.6953733549, 1.0833154706, 1.0376110859}};
template <>
constexpr Literals torch<GeluTanh>{{-0.0036373921, -0.1588080094, -0.1542859902, 0.0, 0.1496753507, 0.8411919906, 2.4849157339},
                                   {-0.0115841666, -0.0829640838, 0.1326300965, 0.5, 0.6953540952, 1.0829640838, 1.0379515762}};
template <>
constexpr Literals torch<Relu>{{0, 0, 0, 0, 0.25, 1, 2.5}, {0, 0, 0, 0, 1, 1, 1}};
template <>
constexpr Literals torch<Tanh>{{-0.9950547537, -0.7615941560, -0.4621171573, 0.0, 0.2449186624, 0.7615941560, 0.9866142982},
                               {0.0098660372, 0.4199743416, 0.7864477330, 1.0, 0.9400148488, 0.4199743416, 0.0265922267}};
template <>
constexpr Literals torch<Silu>{{-0.1422776195, -0.2689414214, -0.1887703344, 0.0, 0.1405441252, 0.7310585786, 2.3103545499},
                               {-0.0881041060, 0.0723294881, 0.2600388127, 0.5, 0.6237100216, 0.9276705119, 1.0994011113}};

template <class F, class T>
void batches_equal_scalars(double tolerance) {
  using B = simd::Batch<T>;
  constexpr Index w = simd::width<T>;
  double worst_value = 0, worst_slope = 0;
  for (double start = -12; start < 12; start += 0.01 * static_cast<double>(w)) {
    T x[w], value[w], slope[w];
    for (Index i = 0; i < w; ++i) x[i] = static_cast<T>(start + 0.01 * static_cast<double>(i));
    simd::store<T>(F::value(simd::load<T>(x)), value);
    simd::store<T>(F::slope(simd::load<T>(x)), slope);
    for (Index i = 0; i < w; ++i) {
      const double v = F::value(static_cast<double>(x[i])), s = F::slope(static_cast<double>(x[i]));
      worst_value = std::fmax(worst_value, std::fabs(static_cast<double>(value[i]) - v) / (1 + std::fabs(v)));
      worst_slope = std::fmax(worst_slope, std::fabs(static_cast<double>(slope[i]) - s) / (1 + std::fabs(s)));
    }
  }
  CHECK(worst_value < tolerance);
  CHECK(worst_slope < tolerance);
  static_cast<void>(B{});
}
}  // namespace

TEST_CASE_TEMPLATE("values and slopes are PyTorch's", F, Gelu, GeluTanh, Relu, Tanh, Silu) {
  for (int i = 0; i < 7; ++i) {
    CAPTURE(at[i]);
    CHECK(std::fabs(F::value(at[i]) - torch<F>.value[i]) < tolerance::ten_decimals);
    CHECK(std::fabs(F::slope(at[i]) - torch<F>.slope[i]) < tolerance::ten_decimals);
  }
}

TEST_CASE_TEMPLATE("the slope is the derivative of the value", F, Gelu, GeluTanh, Relu, Tanh, Silu) {
  const double h = 1e-5;
  for (double x = -7.95; x < 8; x += 0.1) {  // not 0, where ReLU has a corner
    CAPTURE(x);
    CHECK(std::fabs((F::value(x + h) - F::value(x - h)) / (2 * h) - F::slope(x)) < tolerance::slope);
  }
}

TEST_CASE_TEMPLATE("a vector gives what its elements give one by one", F, Gelu, GeluTanh, Relu, Tanh, Silu) {
  batches_equal_scalars<F, double>(tolerance::vector_function_double);
  batches_equal_scalars<F, float>(tolerance::vector_function_float);
}

TEST_CASE_TEMPLATE("large arguments: the function of its limit, the slope 0 or 1, never NaN", T, float, double) {
  const auto tails = []<class F>(F, T below, T above, T far) {
    CAPTURE(F::name);
    CAPTURE(far);
    CHECK(std::fabs(F::value(-far) - below) <= T(1e-6));
    CHECK(std::fabs(F::value(far) - above) <= T(1e-6) * above);
    CHECK(std::fabs(F::slope(-far)) <= T(1e-6));
    T x[simd::width<T>], y[simd::width<T>];
    for (T& v : x) v = -far;
    x[0] = far;
    simd::store<T>(F::value(simd::load<T>(x)), y);
    CHECK(std::fabs(y[0] - above) <= T(1e-6) * above);
    if (simd::width<T> > 1) CHECK(std::fabs(y[simd::width<T> - 1] - below) <= T(1e-6));
    simd::store<T>(F::slope(simd::load<T>(x)), y);
    CHECK(std::isfinite(y[0]));
    if (simd::width<T> > 1) CHECK(std::fabs(y[simd::width<T> - 1]) <= T(1e-6));
  };
  for (const T far : {T(30), T(100), T(1000), T(1e6)}) {
    tails(Gelu{}, T(0), far, far);
    tails(GeluTanh{}, T(0), far, far);
    tails(Relu{}, T(0), far, far);
    tails(Tanh{}, T(-1), T(1), far);
    tails(Silu{}, T(0), far, far);
  }
}

TEST_CASE_TEMPLATE("ReLU of infinities and of NaN is PyTorch's: inf, 0, NaN", T, float, double) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(Relu::value(inf) == inf);
  CHECK(Relu::value(-inf) == 0);
  CHECK(std::isnan(Relu::value(nan)));
  for (const T x : {inf, -inf, nan}) {
    T y[simd::width<T>];
    simd::store<T>(Relu::value(simd::Batch<T>(x)), y);
    if (x != x) CHECK(std::isnan(y[0]));
    else CHECK(y[0] == (x > 0 ? inf : T(0)));
  }
}
