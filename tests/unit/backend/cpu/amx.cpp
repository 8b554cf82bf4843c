#include "../compare.hpp"

#include <doctest/doctest.h>
#include <tuple>

using namespace towpath;
using namespace towpath::compare;

// Products in float by way of bf16 have to be as good as products in float: the worst error of each against sums in double, over many elements.
TEST_CASE("float by parts is as exact as float, and does not depend on threads or on neighbours") {
  using F = Cpu<float>;
  F env({.threads = 1}), other({.threads = 3});
  if (!env.kernels().split_product) {
    MESSAGE("skipped: not on this machine, or not with these kernels: AMX");
    return;
  }
  Draw draw(12);
  for (const auto& [m, k, n] : {std::tuple<Index, Index, Index>{70, 384, 100}, {33, 1536, 37}, {1, 33, 16}, {200, 1, 5}, {40, 768, 64}}) {
    CAPTURE(k);
    const Grid<float> a = draw.matrix<float>(m, k, 3), w = draw.matrix<float>(n, k);
    Tensor<F> values(n, k);
    std::copy(w.memory.data(), w.memory.data() + n * k, values.data());
    SharedTensor<F> frozen(n, k);
    frozen.refer(values.copy());
    const BasicView<const float> left = a;
    const Tensor<F> split = op::nt<F>(env, left, frozen), plain = op::nt<F>(env, left, values), again = op::nt<F>(other, left, frozen);
    CHECK(std::equal(split.data(), split.data() + split.size(), again.data()));
    const Tensor<F> row = op::nt<F>(env, left.row_block(m - 1, 1), frozen);
    CHECK(std::equal(row.data(), row.data() + n, split.view().row(m - 1)));
    double worst_split = 0, worst_plain = 0;
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) {
        double s = 0, size = 0;
        for (Index t = 0; t < k; ++t) {
          const double p = static_cast<double>(left.row(i)[t]) * static_cast<double>(w.memory[static_cast<std::size_t>(j * k + t)]);
          s += p;
          size += std::fabs(p);
        }
        worst_split = std::max(worst_split, std::fabs(static_cast<double>(split.view().row(i)[j]) - s) / size);
        worst_plain = std::max(worst_plain, std::fabs(static_cast<double>(plain.view().row(i)[j]) - s) / size);
      }
    MESSAGE("k = ", k, ": worst error of Σ|a b| by parts ", worst_split, ", in float ", worst_plain);
    CHECK(worst_split < 2 * worst_plain + 1.2e-7);
  }
}
