#include "../compare.hpp"

#include <doctest/doctest.h>
#include <tuple>

using namespace towpath;
using namespace towpath::compare;

// Products in float by way of bf16 have to be as good as products in float: the worst error of each against sums in double, over many elements.
TEST_CASE("float by parts is as exact as float, weights' gradients too, and does not depend on threads or on neighbours") {
  using F = Cpu<float>;
  F env({.threads = 1}), other({.threads = 3});
  if (!env.kernels().split_product) {
    MESSAGE("skipped: not on this machine, or not with these kernels: AMX");
    return;
  }
  F in_float({.threads = 1, .isa = "avx512"});
  Draw draw(12);
  // the worst |y - a bᵀ| / Σ|a b|; element (i, t) of a at a[i si + t st], b likewise
  struct Side {
    const float* at;
    Index outer, summed;
  };
  const auto worst = [](BasicView<const float> y, Side a, Side b, Index k) {
    double most = 0;
    for (Index i = 0; i < y.rows; ++i)
      for (Index j = 0; j < y.columns; ++j) {
        double s = 0, size = 0;
        for (Index t = 0; t < k; ++t) {
          const double p = static_cast<double>(a.at[i * a.outer + t * a.summed]) * static_cast<double>(b.at[j * b.outer + t * b.summed]);
          s += p;
          size += std::fabs(p);
        }
        most = std::max(most, std::fabs(static_cast<double>(y.row(i)[j]) - s) / size);
      }
    return most;
  };
  for (const auto& [m, k, n] : {std::tuple<Index, Index, Index>{70, 384, 100}, {33, 1536, 69}, {1, 64, 80}, {200, 65, 64}, {40, 768, 64}}) {
    CAPTURE(k);
    const Grid<float> a = draw.matrix<float>(m, k, 3), w = draw.matrix<float>(n, k), dy = draw.matrix<float>(m, n, 2);
    const BasicView<const float> left = a, above = dy;
    const Tensor<F> split = op::nt<F>(env, left, w), plain = op::nt<F>(in_float, left, w), again = op::nt<F>(other, left, w);
    CHECK(std::equal(split.data(), split.data() + split.size(), again.data()));
    CHECK_FALSE(std::equal(split.data(), split.data() + split.size(), plain.data()));  // it did go by parts
    const Tensor<F> row = op::nt<F>(env, left.row_block(m - 1, 1), w);
    CHECK(std::equal(row.data(), row.data() + n, split.view().row(m - 1)));
    const Side rows{left.data, left.stride, 1}, columns{w.memory.data(), w.stride, 1};
    const double by_parts = worst(split.view(), rows, columns, k), as_float = worst(plain.view(), rows, columns, k);
    MESSAGE("k = ", k, ": worst error of Σ|a b| by parts ", by_parts, ", in float ", as_float);
    CHECK(by_parts < 2 * as_float + 1.2e-7);
    if (m < 8) continue;
    Tensor<F> g(n, k), h(n, k);
    std::fill(g.data(), g.data() + g.size(), 0.0f);
    std::fill(h.data(), h.data() + h.size(), 0.0f);
    op::tn_add<F>(env, above, left, g);
    op::tn_add<F>(in_float, above, left, h);
    const Side down{above.data, 1, above.stride}, along{left.data, 1, left.stride};
    const double g_worst = worst(g.view(), down, along, m), h_worst = worst(h.view(), down, along, m);
    MESSAGE(m, " rows: worst error of a gradient by parts ", g_worst, ", in float ", h_worst);
    CHECK(g_worst < 2 * h_worst + 1.2e-7);
  }
}
