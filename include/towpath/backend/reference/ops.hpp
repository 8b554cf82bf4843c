// The specification of every operation, as plain loops: an equation and the loops that mean it. Slow on purpose, and right in
// any floating type; the other backends are tested against it, and take from it what is not worth a kernel.
// Shapes: T tokens (rows), H width, S sequences. `env` gives the thread pool; loops are spread over outputs only.
#pragma once

#include "towpath/backend/finish.hpp"
#include "towpath/backend/functions.hpp"
#include "towpath/base/random.hpp"
#include "towpath/tensor/dtype.hpp"
#include "towpath/tensor/tensor.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace towpath {

// How AdamW steps (Loshchilov and Hutter 2019): rate, decay rates of the two moments, epsilon, weight decay.
struct Adam {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0;
};

// Where a dropout mask is drawn: which stream, and the probability of dropping.
struct Mask {
  float rate = 0;
  std::uint64_t seed = 0, position = 0;

  // 0 or 1 / (1 - rate) for element i.
  TOWPATH_BOTH float operator()(std::uint64_t i) const {
    if (rate == 0) return 1.0f;
    std::uint32_t bits[4];
    Philox::fill(seed, position, i / 4, bits);
    return scaled(bits[i % 4]);
  }
  // The same for elements 4 b … 4 b + 3.
  std::array<float, 4> block(std::uint64_t b) const {
    std::array<float, 4> m{};
    const auto bits = Philox::block(seed, position, b);
    for (std::size_t k = 0; k < 4; ++k) m[k] = scaled(bits[k]);
    return m;
  }

private:
  TOWPATH_BOTH float scaled(std::uint32_t bits) const { return static_cast<float>(bits * 0x1p-32) < rate ? 0.0f : 1.0f / (1.0f - rate); }
};

namespace reference {

template <class T, class Space = Host>
struct Ops {
  using V = BasicView<const T, Space>;
  using W = BasicView<T, Space>;
  using Ids = std::span<const std::int32_t>;

  // --- products ------------------------------------------------------------------------------------------------------
  // What a product does at its end: y = f(s + bias + plus) ⊙ gate, slope = f'(s + bias + plus)
  static T finished(const Finish<T, Space>& f, Index i, Index j, T s) {
    if (!f.bias.empty()) s += f.bias.data[j];
    if (!f.plus.empty()) s += f.plus.row(i)[j];
    const T x = s;
    with_function(f.function, [&]<class F>(F) {
      s = F::value(x);
      if (!f.slope.empty() && f.half) reinterpret_cast<bf16*>(f.slope.row(i))[j] = bf16(static_cast<float>(F::slope(x)));
      else if (!f.slope.empty()) f.slope.row(i)[j] = F::slope(x);
    });
    if (f.gate.empty()) return s;
    return s * (f.half ? static_cast<T>(reinterpret_cast<const bf16*>(f.gate.row(i))[j]) : f.gate.row(i)[j]);
  }
  // y = finish(a bᵀ)                                                                          a [m,k]  b [n,k]  y [m,n]
  template <class Env>
  static void nt(Env& env, V a, const Factor<T, Space>& factor, W y, const Finish<T, Space>& finish = {}) {
    const V b = factor.values;
    env.rows(a.rows, 1, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i)
        for (Index j = 0; j < b.rows; ++j) {
          T s = 0;
          for (Index k = 0; k < a.columns; ++k) s += a.row(i)[k] * b.row(j)[k];
          y.row(i)[j] = finished(finish, i, j, s);
        }
    });
  }
  // y = finish(a b)                                                                           a [m,k]  b [k,n]  y [m,n]
  template <class Env>
  static void nn(Env& env, V a, const Factor<T, Space>& factor, W y, const Finish<T, Space>& finish = {}) {
    const V b = factor.values;
    env.rows(a.rows, 1, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i)
        for (Index j = 0; j < b.columns; ++j) {
          T s = 0;
          for (Index k = 0; k < a.columns; ++k) s += a.row(i)[k] * b.row(k)[j];
          y.row(i)[j] = finished(finish, i, j, s);
        }
    });
  }
  // y = finish(inner(a bᵀ) cᵀ)                                                       a [m,k]  b [n,k]  c [o,n]  y [m,o]
  template <class Env>
  static void nt_nt(Env& env, V a, const Factor<T, Space>& b, const Finish<T, Space>& inner, const Factor<T, Space>& c, W y, const Finish<T, Space>& finish) {
    Tensor<Env> h(a.rows, b.values.rows);
    nt(env, a, b, h, inner);
    nt(env, h, c, y, finish);
  }
  // y = finish(inner(a b) c)                                                         a [m,k]  b [k,n]  c [n,o]  y [m,o]
  template <class Env>
  static void nn_nn(Env& env, V a, const Factor<T, Space>& b, const Finish<T, Space>& inner, const Factor<T, Space>& c, W y, const Finish<T, Space>& finish) {
    Tensor<Env> h(a.rows, b.values.columns);
    nn(env, a, b, h, inner);
    nn(env, h, c, y, finish);
  }
  // c += aᵀ b                                                                                 a [k,m]  b [k,n]  c [m,n]
  template <class Env>
  static void tn_add(Env& env, V a, V b, W c) {
    env.rows(a.columns, 1, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i)
        for (Index j = 0; j < b.columns; ++j) {
          T s = 0;
          for (Index k = 0; k < a.rows; ++k) s += a.row(k)[i] * b.row(k)[j];
          c.row(i)[j] += s;
        }
    });
  }

  // --- rows and columns ----------------------------------------------------------------------------------------------
  // y[t,j] += b[j]
  template <class Env>
  static void add_row(Env& env, V b, W y) {
    each(env, y.rows, y.columns, [&](Index t, Index j) { y.row(t)[j] += b.data[j]; });
  }
  // g[j] += Σ_t x[t,j]
  template <class Env>
  static void column_sums_add(Env& env, V x, W g) {
    env.rows(x.columns, 64, [&](Index first, Index last) {
      for (Index t = 0; t < x.rows; ++t)
        for (Index j = first; j < last; ++j) g.data[j] += x.row(t)[j];
    });
  }
  // y[t,j] = x[t,j] g[j]
  template <class Env>
  static void scale_columns(Env& env, V x, V g, W y) {
    each(env, x.rows, x.columns, [&](Index t, Index j) { y.row(t)[j] = x.row(t)[j] * g.data[j]; });
  }
  // g[j] += Σ_t a[t,j] b[t,j]
  template <class Env>
  static void column_dots_add(Env& env, V a, V b, W g) {
    env.rows(a.columns, 64, [&](Index first, Index last) {
      for (Index t = 0; t < a.rows; ++t)
        for (Index j = first; j < last; ++j) g.data[j] += a.row(t)[j] * b.row(t)[j];
    });
  }

  // ‖x‖, summed in double: whoever computes it once more gets the same bits
  static T norm(const T* x, Index n) {
    double square = 0;
    for (Index j = 0; j < n; ++j) square += double(x[j]) * double(x[j]);
    return static_cast<T>(std::sqrt(square));
  }
  // y[0,t] = ‖x[t]‖
  template <class Env>
  static void row_norms(Env& env, V x, W y) {
    env.rows(x.rows, 8, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) y.data[t] = norm(x.row(t), x.columns);
    });
  }
  // y[t,j] *= g[t]
  template <class Env>
  static void scale_rows(Env& env, V g, W y) {
    each(env, y.rows, y.columns, [&](Index t, Index j) { y.row(t)[j] *= g.data[t]; });
  }

  // --- element by element --------------------------------------------------------------------------------------------
  // y += s x
  template <class Env>
  static void add_scaled(Env& env, T s, V x, W y) {
    each(env, x.rows, x.columns, [&](Index t, Index j) { y.row(t)[j] += s * x.row(t)[j]; });
  }
  // y = a / b
  template <class Env>
  static void divide(Env& env, V a, V b, W y) {
    each(env, y.rows, y.columns, [&](Index t, Index j) { y.row(t)[j] = a.row(t)[j] / b.row(t)[j]; });
  }
  // y *= s
  template <class Env>
  static void scale(Env& env, T s, W y) {
    each(env, y.rows, y.columns, [&](Index t, Index j) { y.row(t)[j] *= s; });
  }
  // y = x
  template <class Env>
  static void copy(Env& env, V x, W y) {
    each(env, x.rows, x.columns, [&](Index t, Index j) { y.row(t)[j] = x.row(t)[j]; });
  }
  // y = F(x)
  template <class F, class Env>
  static void unary(Env& env, V x, W y) {
    each(env, x.rows, x.columns, [&](Index t, Index j) { y.row(t)[j] = F::value(x.row(t)[j]); });
  }
  // dx = dy F'(x)
  template <class F, class Env>
  static void unary_backward(Env& env, V dy, V x, W dx) {
    each(env, x.rows, x.columns, [&](Index t, Index j) { dx.row(t)[j] = dy.row(t)[j] * F::slope(x.row(t)[j]); });
  }
  // y = finish(y)
  template <class Env>
  static void finish(Env& env, W y, const Finish<T, Space>& f) {
    each(env, y.rows, y.columns, [&](Index t, Index j) { y.row(t)[j] = finished(f, t, j, y.row(t)[j]); });
  }
  // y[t,j] *= mask(t H + j): drawn again from its position whenever it is needed, never stored (Srivastava et al. 2014)
  template <class Env>
  static void dropout(Env& env, Mask mask, W y) {
    each(env, y.rows, y.columns,
         [&](Index t, Index j) { y.row(t)[j] *= T(mask(static_cast<std::uint64_t>(t * y.columns + j))); });
  }

  // --- layer norm (Ba et al. 2016) -------------------------------------------------------------------------------------
  // y = (x - μ) r gain + bias + plus,  μ = mean_j x,  r = 1 / sqrt(mean_j (x - μ)² + ε);  stats = [μ, r]                stats [T,2]
  template <class Env>
  static void layer_norm(Env& env, V x, V gain, V bias, double epsilon, W y, W stats, V plus = {}) {
    env.rows(x.rows, 8, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) {
        T mean = 0, square = 0;
        for (Index j = 0; j < x.columns; ++j) mean += x.row(t)[j];
        mean /= T(x.columns);
        for (Index j = 0; j < x.columns; ++j) square += (x.row(t)[j] - mean) * (x.row(t)[j] - mean);
        const T r = T(1) / std::sqrt(square / T(x.columns) + T(epsilon));
        for (Index j = 0; j < x.columns; ++j)
          y.row(t)[j] = (x.row(t)[j] - mean) * r * gain.data[j] + bias.data[j] + (plus.empty() ? T(0) : plus.row(t)[j]);
        stats.row(t)[0] = mean;
        stats.row(t)[1] = r;
      }
    });
  }
  // with n = (x - μ) r, a = dy gain:   dx = r (a - mean_j a - n mean_j(a n))
  template <class Env>
  static void layer_norm_backward(Env& env, V dy, V x, V stats, V gain, W dx) {
    env.rows(x.rows, 8, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) {
        const T mean = stats.row(t)[0], r = stats.row(t)[1];
        T sum = 0, dot = 0;
        for (Index j = 0; j < x.columns; ++j) {
          const T a = dy.row(t)[j] * gain.data[j];
          sum += a;
          dot += a * (x.row(t)[j] - mean) * r;
        }
        sum /= T(x.columns);
        dot /= T(x.columns);
        for (Index j = 0; j < x.columns; ++j)
          dx.row(t)[j] = r * (dy.row(t)[j] * gain.data[j] - sum - (x.row(t)[j] - mean) * r * dot);
      }
    });
  }
  // dgain[j] += Σ_t dy[t,j] (x[t,j] - μ_t) r_t
  template <class Env>
  static void layer_norm_gain_add(Env& env, V dy, V x, V stats, W dgain) {
    env.rows(x.columns, 64, [&](Index first, Index last) {
      for (Index t = 0; t < x.rows; ++t)
        for (Index j = first; j < last; ++j)
          dgain.data[j] += dy.row(t)[j] * (x.row(t)[j] - stats.row(t)[0]) * stats.row(t)[1];
    });
  }

  // --- tables ----------------------------------------------------------------------------------------------------------
  // y[t] += table[id[t]]
  template <class Env>
  static void gather_rows_add(Env& env, V table, Ids ids, W y) {
    each(env, y.rows, y.columns, [&](Index t, Index j) { y.row(t)[j] += table.row(ids[static_cast<std::size_t>(t)])[j]; });
  }
  // dtable[id[t]] += dy[t], in the order of t
  template <class Env>
  static void scatter_rows_add(Env& env, V dy, Ids ids, W dtable) {
    env.rows(dy.columns, 32, [&](Index first, Index last) {
      for (Index t = 0; t < dy.rows; ++t)
        for (Index j = first; j < last; ++j) dtable.row(ids[static_cast<std::size_t>(t)])[j] += dy.row(t)[j];
    });
  }

  // --- attention (Vaswani et al. 2017) ---------------------------------------------------------------------------------
  // For each sequence of n tokens and each head of width d, with a prefix of l rows (l may be 0):
  //   p = softmax_j( q · [pk; k]_jᵀ / √d ),   y = mask(p) [pv; v]                    p [n, l + n], one after another in `saved`
  // With `firsts` there is one query for each sequence, in row s of q and y (zeros for a sequence without tokens), else as many as tokens.
  // saved: heads x queries x (l + n) numbers per sequence, in the order sequence, head, row.
  static Index attention_queries(const Sequences& s, Index i, bool firsts) { return firsts ? (s.length(i) > 0) : s.length(i); }
  static Index attention_saved(const Sequences& s, Index heads, Index prefix, bool firsts = false) {
    Index n = 0;
    for (Index i = 0; i < s.count(); ++i) n += heads * attention_queries(s, i, firsts) * (prefix + s.length(i));
    return n;
  }
  template <class Env>
  static void attention(Env& env, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, W y, W saved, bool firsts = false) {
    const Index d = q.columns / heads, l = pk.rows;
    const T scale = T(1) / std::sqrt(T(d));
    env.rows(heads, 1, [&](Index head, Index) {
      for (Index seq = 0, at = 0; seq < s.count(); ++seq) {
        const Index n = s.length(seq), b = s.begin(seq), c = head * d, queries = attention_queries(s, seq, firsts), first = firsts ? seq : b;
        if (firsts && n == 0)
          for (Index x = 0; x < d; ++x) y.row(seq)[c + x] = 0;
        for (Index i = 0; i < queries; ++i) {
          T* p = saved.data + at + (head * queries + i) * (l + n);
          T top = -std::numeric_limits<T>::infinity(), sum = 0;
          for (Index j = 0; j < l + n; ++j) {
            const T* key = j < l ? pk.row(j) + c : k.row(b + j - l) + c;
            T dot = 0;
            for (Index x = 0; x < d; ++x) dot += q.row(first + i)[c + x] * key[x];
            p[j] = dot * scale;
            top = p[j] > top ? p[j] : top;
          }
          for (Index j = 0; j < l + n; ++j) sum += p[j] = std::exp(p[j] - top);
          for (Index x = 0; x < d; ++x) y.row(first + i)[c + x] = 0;
          for (Index j = 0; j < l + n; ++j) {
            p[j] /= sum;
            const T kept = p[j] * T(mask(static_cast<std::uint64_t>(p - saved.data + j)));
            const T* value = j < l ? pv.row(j) + c : v.row(b + j - l) + c;
            for (Index x = 0; x < d; ++x) y.row(first + i)[c + x] += kept * value[x];
          }
        }
        at += heads * queries * (l + n);
      }
    });
  }
  //   dv_j = Σ_i mask(p_ij) dy_i,   dp_ij = mask_ij dy_i · v_j,   ds_ij = p_ij (dp_ij - Σ_j p_ij dp_ij),
  //   dq_i = Σ_j ds_ij k_j / √d,    dk_j = Σ_i ds_ij q_i / √d;    dpk and dpv ACCUMULATE over sequences
  template <class Env>
  static void attention_backward(Env& env, V dy, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, V saved,
                                 W dq, W dk, W dv, W dpk, W dpv, bool firsts = false) {
    const Index d = q.columns / heads, l = pk.rows;
    const T scale = T(1) / std::sqrt(T(d));
    env.rows(heads, 1, [&](Index head, Index) {
      const Index c = head * d;
      for (Index seq = 0, at = 0; seq < s.count(); ++seq) {
        const Index n = s.length(seq), b = s.begin(seq), queries = attention_queries(s, seq, firsts), first = firsts ? seq : b;
        for (Index i = b; i < b + n; ++i)
          for (Index x = c; x < c + d; ++x) dk.row(i)[x] = dv.row(i)[x] = 0;
        for (Index i = first; i < first + (firsts ? 1 : n); ++i)
          for (Index x = c; x < c + d; ++x) dq.row(i)[x] = 0;
        for (Index i = 0; i < queries; ++i) {
          const T* p = saved.data + at + (head * queries + i) * (l + n);
          const auto masked = [&](Index j) { return T(mask(static_cast<std::uint64_t>(p - saved.data + j))); };
          const auto dp = [&](Index j) {
            const T* value = j < l ? pv.row(j) + c : v.row(b + j - l) + c;
            T dot = 0;
            for (Index x = 0; x < d; ++x) dot += dy.row(first + i)[c + x] * value[x];
            return dot * masked(j);
          };
          T mean = 0;
          for (Index j = 0; j < l + n; ++j) mean += p[j] * dp(j);
          for (Index j = 0; j < l + n; ++j) {
            const T ds = p[j] * (dp(j) - mean) * scale, kept = p[j] * masked(j);
            const T* key = j < l ? pk.row(j) + c : k.row(b + j - l) + c;
            T* dkey = j < l ? (dpk.empty() ? nullptr : dpk.row(j) + c) : dk.row(b + j - l) + c;
            T* dvalue = j < l ? (dpv.empty() ? nullptr : dpv.row(j) + c) : dv.row(b + j - l) + c;
            for (Index x = 0; x < d; ++x) {
              dq.row(first + i)[c + x] += ds * key[x];
              if (dkey) dkey[x] += ds * q.row(first + i)[c + x];
              if (dvalue) dvalue[x] += kept * dy.row(first + i)[c + x];
            }
          }
        }
        at += heads * queries * (l + n);
      }
    });
  }

  // --- pooling: one row per sequence -------------------------------------------------------------------------------------
  // mean: y[s] = Σ_t x[t] / n;   dx[t] = dy[s] / n
  template <class Env>
  static void pool_mean(Env& env, V x, const Sequences& s, W y) {
    each(env, s.count(), x.columns, [&](Index i, Index j) {
      T sum = 0;
      for (Index t = s.begin(i); t < s.begin(i) + s.length(i); ++t) sum += x.row(t)[j];
      y.row(i)[j] = s.length(i) ? sum / T(s.length(i)) : T(0);
    });
  }
  template <class Env>
  static void pool_mean_backward(Env& env, V dy, const Sequences& s, W dx) {
    each(env, s.count(), dy.columns, [&](Index i, Index j) {
      for (Index t = s.begin(i); t < s.begin(i) + s.length(i); ++t) dx.row(t)[j] = dy.row(i)[j] / T(s.length(i));
    });
  }
  // cls: y[s] = x[first token];   dx[first] = dy[s], 0 elsewhere
  template <class Env>
  static void pool_first(Env& env, V x, const Sequences& s, W y) {
    each(env, s.count(), x.columns, [&](Index i, Index j) { y.row(i)[j] = s.length(i) ? x.row(s.begin(i))[j] : T(0); });
  }
  template <class Env>
  static void pool_first_backward(Env& env, V dy, const Sequences& s, W dx) {
    each(env, s.count(), dy.columns, [&](Index i, Index j) {
      for (Index t = s.begin(i); t < s.begin(i) + s.length(i); ++t) dx.row(t)[j] = t == s.begin(i) ? dy.row(i)[j] : T(0);
    });
  }
  // y[first] += x[s]
  template <class Env>
  static void add_first(Env& env, V x, const Sequences& s, W y) {
    each(env, s.count(), x.columns, [&](Index i, Index j) {
      if (s.length(i)) y.row(s.begin(i))[j] += x.row(i)[j];
    });
  }
  // max: y[s,j] = max_t x[t,j];   the gradient goes to the first token that has the maximum (x and y are read again)
  template <class Env>
  static void pool_max(Env& env, V x, const Sequences& s, W y) {
    each(env, s.count(), x.columns, [&](Index i, Index j) {
      T top = s.length(i) ? x.row(s.begin(i))[j] : T(0);
      for (Index t = s.begin(i) + 1; t < s.begin(i) + s.length(i); ++t) top = x.row(t)[j] > top ? x.row(t)[j] : top;
      y.row(i)[j] = top;
    });
  }
  template <class Env>
  static void pool_max_backward(Env& env, V dy, V x, const Sequences& s, W dx) {
    each(env, s.count(), dy.columns, [&](Index i, Index j) {
      Index best = s.begin(i);
      for (Index t = s.begin(i); t < s.begin(i) + s.length(i); ++t) {
        dx.row(t)[j] = 0;
        if (x.row(t)[j] > x.row(best)[j]) best = t;
      }
      if (s.length(i)) dx.row(best)[j] = dy.row(i)[j];
    });
  }

  // y = x / max(‖x‖, 1e-12), row by row; norms keeps the denominators                                          norms [T,1]
  template <class Env>
  static void normalise_rows(Env& env, V x, W y, W norms) {
    env.rows(x.rows, 8, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) {
        T square = 0;
        for (Index j = 0; j < x.columns; ++j) square += x.row(t)[j] * x.row(t)[j];
        T norm = std::sqrt(square);
        if (norm < T(1e-12)) norm = T(1e-12);
        for (Index j = 0; j < x.columns; ++j) y.row(t)[j] = x.row(t)[j] / norm;
        norms.row(t)[0] = norm;
      }
    });
  }
  // dx = (dy - y (dy · y)) / norm
  template <class Env>
  static void normalise_rows_backward(Env& env, V dy, V y, V norms, W dx) {
    env.rows(y.rows, 8, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) {
        T dot = 0;
        for (Index j = 0; j < y.columns; ++j) dot += dy.row(t)[j] * y.row(t)[j];
        for (Index j = 0; j < y.columns; ++j) dx.row(t)[j] = (dy.row(t)[j] - y.row(t)[j] * dot) / norms.row(t)[0];
      }
    });
  }

  // --- losses ------------------------------------------------------------------------------------------------------------
  // Cross-entropy of softmax(s · sharpness) against one right column per row, without the columns in `without`; the mean over rows:
  //   L = mean_i ( log Σ_{j allowed} e^{z_ij} - z_{i,right(i)} ),  z = sharpness s;   dz = (softmax - one_hot) / rows, ds = sharpness dz
  // A row whose right column is negative does not count.
  template <class Env>
  static double cross_entropy(Env&, V s, std::span<const Index> right, std::span<const std::pair<Index, Index>> without, double sharpness,
                              W ds) {
    Index counted = 0;
    for (Index r : right) counted += r >= 0;
    double total = 0;
    for (Index i = 0; i < s.rows; ++i) {
      const Index correct = right[static_cast<std::size_t>(i)];
      T* g = ds.row(i);
      for (Index j = 0; j < s.columns; ++j) g[j] = correct < 0 ? -std::numeric_limits<T>::infinity() : T(sharpness) * s.row(i)[j];
      for (const auto& [row, column] : without)
        if (row == i && column != correct) g[column] = -std::numeric_limits<T>::infinity();
      if (correct < 0) {
        for (Index j = 0; j < s.columns; ++j) g[j] = 0;
        continue;
      }
      const T z = g[correct];
      T top = z;
      for (Index j = 0; j < s.columns; ++j) top = g[j] > top ? g[j] : top;
      double sum = 0;
      for (Index j = 0; j < s.columns; ++j) sum += static_cast<double>(g[j] = std::exp(g[j] - top));
      total += std::log(sum) + static_cast<double>(top - z);
      const double factor = sharpness / static_cast<double>(counted);
      for (Index j = 0; j < s.columns; ++j)
        g[j] = T(factor * (static_cast<double>(g[j]) / sum - (j == correct ? 1.0 : 0.0)));
    }
    return counted ? total / static_cast<double>(counted) : 0;
  }

  // --- optimisation --------------------------------------------------------------------------------------------------------
  // m = β1 m + (1-β1) g,  v = β2 v + (1-β2) g²,  w -= rate (m̂ / (sqrt(v̂) + ε) + decay w),  m̂ = m / (1-β1^t), v̂ = v / (1-β2^t)
  template <class Env>
  static void adam_step(Env& env, const Adam& rule, std::uint64_t step, double gradient_scale, V g, W m, W v, W w) {
    const T c1 = T(1 / (1 - std::pow(rule.beta1, static_cast<double>(step)))), c2 = T(1 / (1 - std::pow(rule.beta2, static_cast<double>(step))));
    const T b1 = T(rule.beta1), b2 = T(rule.beta2), rate = T(rule.rate), eps = T(rule.epsilon), keep = T(1 - rule.rate * rule.decay);
    const T gs = T(gradient_scale);
    each(env, w.rows, w.columns, [&](Index t, Index j) {
      const T x = gs * g.row(t)[j];
      T &a = m.row(t)[j], &b = v.row(t)[j];
      a = b1 * a + (T(1) - b1) * x;
      b = b2 * b + (T(1) - b2) * x * x;
      w.row(t)[j] = keep * w.row(t)[j] - rate * (a * c1) / (std::sqrt(b * c2) + eps);
    });
  }
  // Σ x², in double, row by row in order
  template <class Env>
  static double square_norm(Env&, V x) {
    double sum = 0;
    for (Index t = 0; t < x.rows; ++t)
      for (Index j = 0; j < x.columns; ++j) sum += static_cast<double>(x.row(t)[j]) * static_cast<double>(x.row(t)[j]);
    return sum;
  }

protected:
  template <class Env, class F>
  static void each(Env& env, Index rows, Index columns, const F& f) {
    env.rows(rows, columns > 0 ? 1 + 8192 / columns : 1, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t)
        for (Index j = 0; j < columns; ++j) f(t, j);
    });
  }
};

}  // namespace reference
}  // namespace towpath
