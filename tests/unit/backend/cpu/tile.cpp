#include "../compare.hpp"

#include <doctest/doctest.h>
#include <string>
#include <tuple>

using namespace towpath;
using namespace towpath::compare;

namespace {
// y = a bᵀ, y = a b and c += aᵀ b for one m x k x n.
void products(Index m, Index k, Index n, Index padding) {
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  CAPTURE(padding);
  same([=](auto& env) {
    using T = ScalarOf<decltype(env)>;
    using Ops = OpsOf<decltype(env)>;
    Draw draw(static_cast<std::uint64_t>(m * 1000003 + k * 1009 + n));
    const Grid<T> a = draw.matrix<T>(m, k, padding), rows = draw.matrix<T>(n, k, padding), columns = draw.matrix<T>(k, n, padding);
    const Grid<T> dy = draw.matrix<T>(m, n, padding);
    Grid<T> nt(m, n, padding), nn(m, n, padding), c = draw.matrix<T>(n, k, padding);
    Ops::nt(env, a, rows, nt);
    Ops::nn(env, a, columns, nn);
    Ops::tn_add(env, dy, a, c);  // a weight's gradient: dW += dyᵀ x
    Outcome out;
    return out << nt << nn << c;
  });
}
}  // namespace

TEST_CASE("products at edge shapes equal the loops, on any number of threads") {
  for (Index m : row_counts)
    for (Index k : {1, 3, 37})
      for (Index n : {1, 16, 37}) products(m, k, n, (m + k + n) % 2 ? 5 : 0);
}

TEST_CASE("products large enough to be cut in pieces") {
  products(300, 64, 48, 0);
  products(513, 37, 100, 3);
  products(2100, 8, 40, 0);    // three pieces
  products(700, 16, 384, 0);
  products(129, 384, 16, 1);   // tn_add: few rows, many columns (the gradient of a down-projection)
  products(65, 384, 64, 0);
  products(64, 33, 300, 0);    // and many rows
  products(45, 64, 100, 3);    // by parts where there are tiles: whole panels and edges on either side
  products(700, 70, 229, 1);   // tn_add: two blocks of rows, several pieces of the gradient
  products(33, 129, 64, 0);
}

TEST_CASE("a sum over nothing is zero, and adds nothing") { products(5, 1, 4, 0), products(0, 8, 70, 0); }

namespace {
// finish(a bᵀ) and finish(a b) with some of bias, plus, function and gate.
void finished(Index m, Index k, Index n, bool bias, bool plus, Function function, bool gate, Index padding) {
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  same([=](auto& env) {
    using T = ScalarOf<decltype(env)>;
    using Ops = OpsOf<decltype(env)>;
    Draw draw(static_cast<std::uint64_t>(m * 1000003 + k * 1009 + n));
    const Grid<T> a = draw.matrix<T>(m, k, padding), rows = draw.matrix<T>(n, k), columns = draw.matrix<T>(k, n, padding);
    const Grid<T> b = draw.matrix<T>(1, n), p = draw.matrix<T>(m, n, padding), g = draw.matrix<T>(m, n, padding + 1);
    Grid<T> nt(m, n, padding), nn(m, n, padding), slope(m, n, padding + 2), alone = draw.matrix<T>(m, n, padding);
    op::FinishOf<std::remove_reference_t<decltype(env)>> f;
    if (bias) f.bias = b;
    if (plus) f.plus = p;
    if (gate) f.gate = g;
    f.function = function;
    if (function != Function::none) f.slope = slope;
    Ops::nt(env, a, rows, nt, f);
    Outcome out;
    if (function != Function::none) out << slope;
    f.slope = {};
    Ops::nn(env, a, columns, nn, f);
    Ops::finish(env, alone, f);
    return out << nt << nn << alone;
  });
}
}  // namespace

TEST_CASE("what a product does to its result: bias, plus, function with its slope, gate") {
  for (const Function f : {Function::none, Function::gelu, Function::gelu_tanh, Function::relu, Function::tanh, Function::silu})
    for (int which = 0; which < 8; ++which) {
      finished(11, 5, 37, which & 1, which & 2, f, which & 4, 0);
      finished(64, 9, 48, which & 1, which & 2, f, which & 4, 3);
    }
  finished(200, 16, 100, true, true, Function::gelu, true, 0);
  finished(0, 16, 5, true, true, Function::gelu, true, 0);
}

TEST_CASE_TEMPLATE("a frozen weight gives the same bits as one packed for the occasion, is packed once, and rows do not depend on their neighbours", T, float, double) {
  using Env = Cpu<T>;
  Env env({.threads = 2});
  for (const auto& [m, k, n] : {std::tuple<Index, Index, Index>{45, 70, 53}, {45, 70, 101}}) {  // too narrow for parts, and wide enough
    CAPTURE(n);
    Draw draw(3);
    const Grid<T> a = draw.matrix<T>(m, k);
    Tensor<Env> w(n, k);
    const Grid<T> values = draw.matrix<T>(n, k);
    std::copy(values.memory.data(), values.memory.data() + n * k, w.data());
    SharedTensor<Env> frozen(n, k);
    frozen.refer(w.copy());
    const SharedTensor<Env> sharer = frozen;
    const BasicView<const T> left = a;
    const Tensor<Env> y = op::nt<Env>(env, left, w), z = op::nt<Env>(env, left, frozen);
    CHECK(std::equal(y.data(), y.data() + y.size(), z.data()));
    const std::size_t once = frozen.forms()->bytes();
    CHECK(once >= static_cast<std::size_t>(n * k) * sizeof(T));
    static_cast<void>(op::nt<Env>(env, left, sharer));
    CHECK(frozen.forms()->bytes() == once);  // the sharer found it
    const Grid<T> above = draw.matrix<T>(m, n);
    const Tensor<Env> u = op::nn<Env>(env, BasicView<const T>(above), w), v = op::nn<Env>(env, BasicView<const T>(above), sharer);
    CHECK(std::equal(u.data(), u.data() + u.size(), v.data()));
    CHECK(frozen.forms()->bytes() > once);  // backward asked for the other orientation
    for (Index i = 0; i < m; i += 7) {
      const Tensor<Env> row = op::nt<Env>(env, left.row_block(i, 1), frozen), packed = op::nt<Env>(env, left.row_block(i, 1), w);
      CHECK(std::equal(row.data(), row.data() + n, z.view().row(i)));
      CHECK(std::equal(packed.data(), packed.data() + n, z.view().row(i)));
    }
  }
}

TEST_CASE("a slope kept in bf16 is the slope rounded, and a gate in bf16 multiplies by what it holds, at odd widths too") {
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"})
    for (const Index n : {2, 5, 37, 64, 100}) {
      try {
        using Env = Cpu<float>;
        Env env({.threads = 2, .isa = isa});
        CAPTURE(isa);
        CAPTURE(n);
        const Index m = 41, k = 9;
        Draw draw(static_cast<std::uint64_t>(n));
        const Grid<float> a = draw.matrix<float>(m, k), w = draw.matrix<float>(n, k);
        const BasicView<const float> left = a, right = w;
        Tensor<Env> slope(m, n), rounded(m, (n + 1) / 2);
        Finish<float> whole, narrow, gate;
        whole.function = narrow.function = Function::gelu;
        whole.slope = slope, narrow.slope = rounded, gate.gate = rounded;
        narrow.half = gate.half = true;
        const Tensor<Env> y = op::nt<Env>(env, left, right, whole), z = op::nt<Env>(env, left, right, narrow);
        CHECK(std::equal(y.data(), y.data() + y.size(), z.data()));
        const Tensor<Env> plain = op::nt<Env>(env, left, right), gated = op::nt<Env>(env, left, right, gate);
        Tensor<Env> later = plain.copy();
        op::finish<Env>(env, later, gate);
        bool right_slope = true, right_gate = true;
        for (Index i = 0; i < m; ++i)
          for (Index j = 0; j < n; ++j) {
            const auto held = static_cast<float>(reinterpret_cast<const bf16*>(rounded.view().row(i))[j]);
            right_slope = right_slope && held == static_cast<float>(bf16(slope.view().row(i)[j]));
            right_gate = right_gate && gated.view().row(i)[j] == plain.view().row(i)[j] * held && later.view().row(i)[j] == gated.view().row(i)[j];
          }
        CHECK(right_slope);
        CHECK(right_gate);
      } catch (const Error&) {
        MESSAGE("skipped: not on this machine: ", isa);
      }
    }
}
