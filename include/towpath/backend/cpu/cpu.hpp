// The CPU: Eigen for products, xsimd for rows, the reference loops for what is not worth a kernel.
#pragma once

#include "towpath/backend/cpu/products.hpp"
#include "towpath/backend/cpu/simd.hpp"
#include "towpath/backend/environment.hpp"
#include "towpath/backend/reference/ops.hpp"

#include <algorithm>
#include <vector>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {

template <class T>
struct Ops : reference::Ops<T> {
  using Loops = reference::Ops<T>;
  using typename Loops::V;
  using typename Loops::W;
  using B = simd::Batch<T>;

  // --- products: equations in reference/ops.hpp ------------------------------------------------------------------------
  template <class Env>
  static void nt(Env& env, V a, V b, W y) {
    env.rows(a.rows, piece(a.rows), [&](Index first, Index last) {
      matrix<T>(y.row_block(first, last - first)).noalias() = matrix<T>(a.row_block(first, last - first)) * matrix<T>(b).transpose();
    });
  }
  template <class Env>
  static void nn(Env& env, V a, V b, W y) {
    env.rows(a.rows, piece(a.rows), [&](Index first, Index last) {
      matrix<T>(y.row_block(first, last - first)).noalias() = matrix<T>(a.row_block(first, last - first)) * matrix<T>(b);
    });
  }
  template <class Env>
  static void tn_add(Env& env, V a, V b, W c) {
    if (c.rows < c.columns && c.rows <= 64) {  // a skinny result (a low-rank factor): share out its columns
      env.rows(c.columns, std::max<Index>(64, (c.columns + 3) / 4), [&](Index first, Index last) {
        matrix<T>(c.column_block(first, last - first)).noalias() +=
            matrix<T>(a).transpose() * matrix<T>(b.column_block(first, last - first));
      });
      return;
    }
    env.rows(c.rows, std::max<Index>(32, (c.rows + 3) / 4), [&](Index first, Index last) {
      matrix<T>(c.row_block(first, last - first)).noalias() +=
          matrix<T>(a.column_block(first, last - first)).transpose() * matrix<T>(b);
    });
  }

  // --- rows and elements -----------------------------------------------------------------------------------------------
  template <class Env>
  static void add_row(Env& env, V b, W y) {
    rows(env, y, [&](Index t) { simd::map<T>(y.columns, y.row(t), [](B p, B q) { return p + q; }, y.row(t), b.data); });
  }
  template <class Env>
  static void add_scaled(Env& env, T s, V x, W y) {
    rows(env, y, [&](Index t) {
      simd::map<T>(y.columns, y.row(t), [s](B p, B q) { return p + B(s) * q; }, y.row(t), x.row(t));
    });
  }
  template <class F, class Env>
  static void unary(Env& env, V x, W y) {
    rows(env, y, [&](Index t) { simd::map<T>(y.columns, y.row(t), [](B p) { return F::value(p); }, x.row(t)); });
  }
  template <class F, class Env>
  static void unary_backward(Env& env, V dy, V x, W dx) {
    rows(env, dx, [&](Index t) {
      simd::map<T>(dx.columns, dx.row(t), [](B g, B p) { return g * F::slope(p); }, dy.row(t), x.row(t));
    });
  }

  // four masks from one block of random numbers
  template <class Env>
  static void dropout(Env& env, Mask mask, W y) {
    rows(env, y, [&](Index t) { masked(mask, t * y.columns, y.row(t), y.columns); });
  }

  template <class Env>
  static void layer_norm(Env& env, V x, V gain, V bias, double epsilon, W y, W stats) {
    const T n = T(x.columns);
    rows(env, y, [&](Index t) {
      const T mean = simd::accumulate<T>(x.columns, [](B p) { return p; }, x.row(t)) / n;
      // the variance about the mean in a second pass; elements past the end are cancelled by subtracting their share
      const Index whole = x.columns / simd::width<T> * simd::width<T>;
      T square = simd::accumulate<T>(whole, [mean](B p) { return (p - B(mean)) * (p - B(mean)); }, x.row(t));
      for (Index j = whole; j < x.columns; ++j) square += (x.row(t)[j] - mean) * (x.row(t)[j] - mean);
      const T r = T(1) / std::sqrt(square / n + T(epsilon));
      simd::map<T>(x.columns, y.row(t), [mean, r](B p, B g, B b) { return (p - B(mean)) * B(r) * g + b; }, x.row(t), gain.data, bias.data);
      stats.row(t)[0] = mean;
      stats.row(t)[1] = r;
    });
  }
  template <class Env>
  static void layer_norm_backward(Env& env, V dy, V x, V stats, V gain, W dx) {
    const T n = T(x.columns);
    rows(env, dx, [&](Index t) {
      const T mean = stats.row(t)[0], r = stats.row(t)[1];
      T* a = dx.row(t);  // a = dy gain for now
      simd::map<T>(x.columns, a, [](B g, B w) { return g * w; }, dy.row(t), gain.data);
      const T sum = simd::accumulate<T>(x.columns, [](B p) { return p; }, a) / n;
      const T dot = simd::accumulate<T>(x.columns, [mean, r](B p, B q) { return p * (q - B(mean)) * B(r); }, a, x.row(t)) / n;
      simd::map<T>(x.columns, a, [=](B p, B q) { return B(r) * (p - B(sum) - (q - B(mean)) * B(r * dot)); }, a, x.row(t));
    });
  }
  template <class Env>
  static void normalise_rows(Env& env, V x, W y, W norms) {
    rows(env, y, [&](Index t) {
      const T norm = std::max(std::sqrt(simd::accumulate<T>(x.columns, [](B p) { return p * p; }, x.row(t))), T(1e-12));
      simd::map<T>(x.columns, y.row(t), [norm](B p) { return p / B(norm); }, x.row(t));
      norms.row(t)[0] = norm;
    });
  }

  // --- attention: for each (sequence, head) small products in cache -------------------------------------------------------
  template <class Env>
  static void attention(Env& env, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, W y, W saved) {
    const Index d = q.columns / heads, l = pk.rows;
    const T scale = T(1) / std::sqrt(T(d));
    const std::vector<Index> starts = saved_starts(s, heads, l);
    env.rows(s.count() * heads, grain(s, heads), [&](Index first, Index last) {
      for (Index job = first; job < last; ++job) {
        const Index seq = job / heads, c = job % heads * d, n = s.length(seq), b = s.begin(seq);
        if (n == 0) continue;
        const W p{saved.data + starts[static_cast<std::size_t>(seq)] + job % heads * n * (l + n), n, l + n};
        const auto queries = matrix<T>(part(q, b, n, c, d));
        if (l) matrix<T>(p.column_block(0, l)).noalias() = queries * matrix<T>(pk.column_block(c, d)).transpose();
        matrix<T>(p.column_block(l, n)).noalias() = queries * matrix<T>(part(k, b, n, c, d)).transpose();
        for (Index i = 0; i < n; ++i) softmax(p.row(i), l + n, scale);
        const auto out = [&](V probabilities) {
          auto result = matrix<T>(W{y.row(b) + c, n, d, y.stride});
          result.noalias() = matrix<T>(probabilities.column_block(l, n)) * matrix<T>(part(v, b, n, c, d));
          if (l) result.noalias() += matrix<T>(probabilities.column_block(0, l)) * matrix<T>(pv.column_block(c, d));
        };
        if (mask.rate == 0) {
          out(p);
        } else {
          Scratch space;
          T* dropped = space.numbers(p.size());
          std::copy(p.data, p.data + p.size(), dropped);
          masked(mask, p.data - saved.data, dropped, p.size());
          out(V{dropped, n, l + n});
        }
      }
    });
  }

  template <class Env>
  static void attention_backward(Env& env, V dy, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, V saved, W dq, W dk,
                                 W dv, W dpk, W dpv) {
    const Index d = q.columns / heads, l = pk.rows;
    const T scale = T(1) / std::sqrt(T(d));
    const std::vector<Index> starts = saved_starts(s, heads, l);
    const auto one = [&](Index seq, Index head, Scratch& space) {
      const Index c = head * d, n = s.length(seq), b = s.begin(seq), m = l + n;
      if (n == 0) return;
      const T* first = saved.data + starts[static_cast<std::size_t>(seq)] + head * n * m;
      const V p{first, n, m};
      T* scratch = space.numbers(mask.rate == 0 ? n * m : 2 * n * m);
      const W ds{scratch, n, m};
      const auto g = matrix<T>(part(dy, b, n, c, d));
      V kept = p;
      if (mask.rate != 0) {
        T* dropped = scratch + n * m;
        std::copy(first, first + n * m, dropped);
        masked(mask, first - saved.data, dropped, n * m);
        kept = V{dropped, n, m};
      }
      matrix<T>(W{dv.row(b) + c, n, d, dv.stride}).noalias() = matrix<T>(kept.column_block(l, n)).transpose() * g;
      if (!dpv.empty()) matrix<T>(dpv.column_block(c, d)).noalias() += matrix<T>(kept.column_block(0, l)).transpose() * g;
      matrix<T>(ds.column_block(l, n)).noalias() = g * matrix<T>(part(v, b, n, c, d)).transpose();
      if (l) matrix<T>(ds.column_block(0, l)).noalias() = g * matrix<T>(pv.column_block(c, d)).transpose();
      if (mask.rate != 0) masked(mask, first - saved.data, ds.data, n * m);
      for (Index i = 0; i < n; ++i) {
        const T mean = simd::accumulate<T>(m, [](B x, B z) { return x * z; }, p.row(i), ds.row(i));
        simd::map<T>(m, ds.row(i), [=](B x, B z) { return x * (z - B(mean)) * B(scale); }, p.row(i), ds.row(i));
      }
      auto to_q = matrix<T>(W{dq.row(b) + c, n, d, dq.stride});
      to_q.noalias() = matrix<T>(V(ds.column_block(l, n))) * matrix<T>(part(k, b, n, c, d));
      if (l) to_q.noalias() += matrix<T>(V(ds.column_block(0, l))) * matrix<T>(pk.column_block(c, d));
      const auto queries = matrix<T>(part(q, b, n, c, d));
      matrix<T>(W{dk.row(b) + c, n, d, dk.stride}).noalias() = matrix<T>(V(ds.column_block(l, n))).transpose() * queries;
      if (!dpk.empty()) matrix<T>(dpk.column_block(c, d)).noalias() += matrix<T>(V(ds.column_block(0, l))).transpose() * queries;
    };
    if (l) {  // the prefix rows sum over sequences: one head at a time belongs to one piece, sequences in order
      env.rows(heads, 1, [&](Index head, Index) {
        Scratch space;
        for (Index seq = 0; seq < s.count(); ++seq) one(seq, head, space);
      });
    } else {
      env.rows(s.count() * heads, grain(s, heads), [&](Index first, Index last) {
        Scratch space;
        for (Index job = first; job < last; ++job) one(job / heads, job % heads, space);
      });
    }
  }

private:
  // Room for one piece of work, aligned like every tensor: the order in which Eigen adds depends on how numbers lie, and so the bits
  // of a result would otherwise depend on what the heap looked like.
  class Scratch {
  public:
    T* numbers(Index n) {
      if (const auto bytes = static_cast<std::size_t>(n) * sizeof(T); buffer_.size() < bytes) buffer_ = Buffer<Host>(bytes);
      return static_cast<T*>(buffer_.data());
    }

  private:
    Buffer<Host> buffer_;
  };

  static V part(V x, Index row, Index rows, Index column, Index columns) { return {x.row(row) + column, rows, columns, x.stride}; }

  static std::vector<Index> saved_starts(const Sequences& s, Index heads, Index prefix) {
    std::vector<Index> starts;
    Index at = 0;
    for (Index i = 0; i < s.count(); ++i) {
      starts.push_back(at);
      at += heads * s.length(i) * (prefix + s.length(i));
    }
    return starts;
  }
  // y[i] *= mask(start + i)
  static void masked(Mask mask, Index start, T* y, Index n) {
    for (Index j = 0; j < n;) {
      const auto i = static_cast<std::uint64_t>(start + j);
      const auto block = mask.block(i / 4);
      for (std::uint64_t k = i % 4; k < 4 && j < n; ++k, ++j) y[j] *= T(block[k]);
    }
  }
  static Index grain(const Sequences& s, Index heads) {
    const Index jobs = s.count() * heads;
    return std::max<Index>(1, jobs / 64);
  }

  // p = softmax(scale p)
  static void softmax(T* p, Index n, T scale) {
    T top = p[0];
    for (Index j = 1; j < n; ++j) top = std::max(top, p[j]);
    simd::map<T>(n, p, [=](B x) {
      using xsimd::exp;
      return exp((x - B(top)) * B(scale));
    }, p);
    T sum = 0;
    sum = simd::accumulate<T>(n, [](B x) { return x; }, p);
    const T inverse = T(1) / sum;
    simd::map<T>(n, p, [inverse](B x) { return x * B(inverse); }, p);
  }

  template <class Env, class F>
  static void rows(Env& env, W y, const F& f) {
    env.rows(y.rows, y.columns > 0 ? 1 + 16384 / y.columns : 1, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) f(t);
    });
  }
};

}  // namespace cpu

// The CPU in float or double.
template <class T>
class Cpu : public Environment<T, cpu::Ops<T>> {
public:
  // Eigen cuts products into blocks by the cache sizes it detects; fixing them makes results agree between machines.
  explicit Cpu(Settings settings = {}) : Environment<T, cpu::Ops<T>>(settings) {
    Eigen::setCpuCacheSizes(32 * 1024, 1024 * 1024, 4 * 1024 * 1024);
  }
};

}  // namespace TOWPATH_ISA
}  // namespace towpath
