#include "../compare.hpp"

#include <doctest/doctest.h>
#include <string>
#include <tuple>

using namespace towpath;
using namespace towpath::compare;

namespace {
using Env = Cpu<float, bf16>;
float rounded(float x) { return static_cast<float>(bf16(x)); }

// y = finish(a wᵀ) and x = finish(b w) with w frozen, on kernels of one name, against sums in double of what they multiply.
void products(const char* isa, bool rounds_left, Index m, Index k, Index n, bool finish) {
  CAPTURE(isa);
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  Env one({.threads = 1, .isa = isa}), three({.threads = 3, .isa = isa});
  Draw draw(static_cast<std::uint64_t>(m * 1000003 + k * 1009 + n));
  const Grid<float> a = draw.matrix<float>(m, k, 2), b = draw.matrix<float>(m, n, 1), w = draw.matrix<float>(n, k);
  const Grid<float> plus = draw.matrix<float>(m, n), bias = draw.matrix<float>(1, n);
  Tensor<Env> values(n, k);
  std::copy(w.memory.data(), w.memory.data() + n * k, values.data());
  SharedTensor<Env> frozen(n, k);
  frozen.refer(std::move(values));
  Finish<float> f;
  if (finish) {
    f.plus = plus;
    f.bias = bias;
    f.function = Function::relu;
  }
  const auto run = [&](Env& env, bool across) { return across ? op::nn<Env>(env, b, frozen) : op::nt<Env>(env, a, frozen, f); };
  for (const bool across : {false, true}) {
    const Tensor<Env> y = run(one, across), again = run(three, across);
    CHECK(std::equal(y.data(), y.data() + y.size(), again.data()));
    const Grid<float>& left = across ? b : a;
    const Index depth = across ? n : k;
    double worst = 0;
    for (Index i = 0; i < y.rows(); ++i)
      for (Index j = 0; j < y.columns(); ++j) {
        double s = 0;
        for (Index t = 0; t < depth; ++t) {
          const float x = left.memory[static_cast<std::size_t>(i * left.stride + t)];
          s += static_cast<double>(rounds_left ? rounded(x) : x) * static_cast<double>(rounded(across ? w.memory[static_cast<std::size_t>(t * k + j)] : w.memory[static_cast<std::size_t>(j * k + t)]));
        }
        if (!across && finish) s = std::max(0.0, s + static_cast<double>(bias.memory[static_cast<std::size_t>(j)]) + static_cast<double>(plus.memory[static_cast<std::size_t>(i * n + j)]));
        worst = std::max(worst, std::fabs(static_cast<double>(y.view().row(i)[j]) - s));
      }
    CHECK(worst < 2e-5 * std::sqrt(static_cast<double>(depth)));
  }
}
}  // namespace

TEST_CASE("weights in bf16: each way to multiply by them equals sums of the rounded numbers, at edge shapes, on any number of threads") {
  int ways = 0;
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    try {
      Env probe({.threads = 1, .isa = isa});
    } catch (const Error&) {
      MESSAGE("skipped: not on this machine: ", isa);
      continue;
    }
    ++ways;
    const bool rounds = std::string(isa) == "amx" || std::string(isa) == "avx512_bf16";
    for (const Index m : {1, 7, 33, 200})
      for (const Index k : {1, 33, 64})
        for (const Index n : {1, 16, 37, 100}) products(isa, rounds, m, k, n, (m + n) % 2 == 0);
    products(isa, rounds, 70, 384, 1536, true);
  }
  CHECK(ways > 0);
}

TEST_CASE("only frozen weights are rounded: a weight that trains multiplies as it is") {
  Env env({.threads = 1});
  Cpu<float> plain({.threads = 1});
  Draw draw(4);
  const Grid<float> a = draw.matrix<float>(9, 20), w = draw.matrix<float>(13, 20);
  const auto y = op::nt<Env>(env, a, BasicView<const float>(w));
  const auto z = op::nt<Cpu<float>>(plain, a, BasicView<const float>(w));
  CHECK(std::equal(y.data(), y.data() + y.size(), z.data()));
}

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
