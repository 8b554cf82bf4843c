#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace towpath {

// A projection of parameterised hypercomplex multiplication (Zhang et al. 2021) with factors of low rank (Karimi Mahabadi et al. 2021):
//   y = x W + b,   W = Σ_i A_i ⊗ (L_i R_i),   A_i [n, n], L_i [In/n, r], R_i [r, Out/n], i = 1 … n
// W is never made: with x's columns in n blocks, z_(a,i) = x_a L_i, v_(b,i) = Σ_a A_i[a,b] z_(a,i), y_b = Σ_i v_(b,i) R_i.
// Parameters: phm_rule [n², n] (A_1 above A_2 …, N(0, 0.01)), W_left [n r, In/n] and W_right [n r, Out/n] (row i r + k: column k of L_i, row k
// of R_i; Glorot-uniform, or W_right zero, where y starts at b), bias [Out]. The matrices A are this projection's own: sharing them between
// layers, as the paper does to save n³ numbers per projection, would make a layer something that its model has to complete.
template <Index In, Index Out, Index n, Index rank, bool starts_at_zero = false>
struct PhmLinear {
  static_assert(n > 0 && rank > 0 && In % n == 0 && Out % n == 0,
                "[towpath] Phm<n, r>: both widths of a projection must be multiples of n");
  static constexpr bool trains = true;
  static constexpr Index in = In / n, out = Out / n, inner = n * rank, mixed = n * inner;

  template <class Env>
  struct On {
    static constexpr bool trains = true;
    Tensor<Env> rule{n * n, n}, left{inner, in}, right{inner, out}, bias{Out};
    struct Grads {
      Tensor<Env> rule{n * n, n}, left{inner, in}, right{inner, out}, bias{Out};
    };
    template <class Pass>
    struct Saved {
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::middle> z;  // [T n, n r]
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::sum> v;     // [T, n² r]
    };
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>& saved, op::FinishOf<Env> finish = {}) const {
      Tensor<Env> copy;
      Tensor<Env> z = op::nt<Env>(env, blocks(env, x, in, copy), left);                                // [T n, n r]
      Tensor<Env> v = op::nt<Env>(env, joined(z, x.rows), mixing(env));                                // [T, n² r]
      Tensor<Env> y = env.template take<Env>(x.rows, Out);
      Env::Ops::nn(env, split(v), op::FactorOf<Env>(right), parts(y, out), {});                        // [T n, Out / n]
      finish.bias = bias;
      op::finish<Env>(env, y, finish);
      if constexpr (Pass::learns) saved.z = std::move(z), saved.v = std::move(v);
      return y;
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, Saved<Pass>& saved, Grads& g,
                                      const op::FinishOf<Env>& finish = {}) const {
      require_kept(!saved.z.empty() || dy.rows == 0);
      Tensor<Env> copy, other;
      const View<Env> d = blocks(env, dy, out, copy), z = joined(saved.z, dy.rows);
      op::column_sums_add<Env>(env, dy, g.bias);
      op::tn_add<Env>(env, split(saved.v), d, g.right);
      const Tensor<Env> dv = op::nt<Env>(env, d, right);                                               // [T n, n r]
      Tensor<Env> dmixing = op::zeros(env, mixed, mixed);
      op::tn_add<Env>(env, joined(dv, dy.rows), z, dmixing);
      for (const auto& places : where) op::gather_rows_add<Env>(env, column(dmixing.view()), places, column(g.rule.writable()));
      const Tensor<Env> dz = op::nn<Env>(env, joined(dv, dy.rows), mixing(env));                       // [T, n² r]
      op::tn_add<Env>(env, split(dz), blocks(env, x, in, other), g.left);
      saved = {};
      if constexpr (Pass::wants_input) {
        Tensor<Env> dx = env.template take<Env>(dy.rows, In);
        Env::Ops::nn(env, split(dz), op::FactorOf<Env>(left), parts(dx, in), {});
        op::finish<Env>(env, dx, finish);
        return dx;
      } else {
        return {};
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "phm_rule", Trainable{start::normal(0.01f)}, ms.rule...);
      f(at / "W_left", Trainable{start::glorot(in, rank)}, ms.left...);
      f(at / "W_right", Trainable{starts_at_zero ? start::zeros : start::glorot(rank, out)}, ms.right...);
      f(at / "bias", Trainable{}, ms.bias...);
    }

  private:
    // Where A's entries stand in the matrix M [n² r, n² r] that takes z to v, M[(b, i, k), (a, i, k)] = A_i[a, b]: a list for each k.
    static constexpr auto where = [] {
      std::array<std::array<std::int32_t, static_cast<std::size_t>(n * n * n)>, static_cast<std::size_t>(rank)> at{};
      for (Index k = 0; k < rank; ++k)
        for (Index i = 0; i < n; ++i)
          for (Index a = 0; a < n; ++a)
            for (Index b = 0; b < n; ++b)
              at[static_cast<std::size_t>(k)][static_cast<std::size_t>((i * n + a) * n + b)] =
                  static_cast<std::int32_t>(((b * n + i) * rank + k) * mixed + (a * n + i) * rank + k);
      return at;
    }();
    Tensor<Env> mixing(Env& env) const {
      Tensor<Env> m = op::zeros(env, mixed, mixed);
      for (const auto& places : where) op::scatter_rows_add<Env>(env, column(rule.view()), places, column(m.writable()));
      return m;
    }
    template <class V>
    static V column(V x) {
      return {x.data, x.rows * x.columns, 1};
    }
    // The same numbers with n times the rows, and back.
    static View<Env> blocks(Env& env, View<Env> x, Index width, Tensor<Env>& copy) {
      if (!x.contiguous()) x = copy = op::copy<Env>(env, x);
      return {x.data, x.rows * n, width};
    }
    static Writable<Env> parts(Tensor<Env>& y, Index width) { return {y.data(), y.rows() * n, width}; }
    static View<Env> split(View<Env> v) { return {v.data, v.size() / inner, inner}; }
    static View<Env> joined(View<Env> z, Index rows) { return {z.data, rows, mixed}; }
  };
};

}  // namespace towpath
