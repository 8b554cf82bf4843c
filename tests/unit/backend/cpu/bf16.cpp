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
      MESSAGE("skipped: not on this machine: ", std::string(isa));
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
