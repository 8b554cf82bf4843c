#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/pooling.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

namespace towpath {

namespace functions {
// The logistic function, 1 / (1 + e^-x).
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    using std::exp;
    return T(1) / (T(1) + exp(-x));
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {
    const T s = value(x);
    return s * (T(1) - s);
  }
};
struct One {
  template <class T>
  TOWPATH_BOTH static T value(const T&) {
    return T(1);
  }
};
}  // namespace functions

// A number between 0 and 1 for each text: g_s = mean over its tokens of sigmoid(x_t wᵀ + b), x [T, In], w [1, In] ~ N(0, 0.02), b zero;
// -> [S, 1]. A text without tokens has 0. Names: weight, bias.
template <Index In>
struct TextGate {
  static constexpr bool trains = true;

  template <class Env>
  struct On : Linear<In, 1>::template On<Env> {
    using Base = typename Linear<In, 1>::template On<Env>;
    using typename Base::Grads;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Base::template Saved<Pass> inner;
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::sum> sum;  // x wᵀ + b [T, 1]
    };

    template <class Pass>
    Tensor<Env> forward(Env& env, const Tokens<Env>& x, Saved<Pass>& saved) const {
      Tensor<Env> z = Base::template forward<Pass>(env, x, saved.inner);                               // [T, 1]
      Tensor<Env> g = MeanPooling::forward<Env>(env, op::unary<functions::Sigmoid, Env>(env, z), *x.sequences);
      if constexpr (Pass::learns) saved.sum = std::move(z);
      return g;                                                                                        // [S, 1]
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dg, const Tokens<Env>& x, Saved<Pass>& saved, Grads& g) const {
      const Tensor<Env> ds = MeanPooling::backward<Env>(env, dg, saved.sum, *x.sequences);             // [T, 1]
      return Base::template backward<Pass>(env, op::unary_backward<functions::Sigmoid, Env>(env, ds, saved.sum), x, saved.inner, g);
    }
  };
};

namespace detail {
// Rows, each of which belongs to one text, times that text's number; and the gradient of those numbers.
template <class Env>
struct ByText {
  Env& env;
  op::Ids whose;
  Index width;

  Tensor<Env> ones(Index rows, Index columns) const {
    return op::unary<functions::One, Env>(env, op::zeros(env, rows, columns));
  }
  void scale(View<Env> numbers, Writable<Env> rows) const {                                            // [S, 1], [R, width]
    const Tensor<Env> wide = op::nt<Env>(env, op::gather_rows<Env>(env, numbers, whose), ones(width, 1));
    multiply(wide, rows);
  }
  Tensor<Env> dots(View<Env> a, View<Env> b, Index texts) const {                                      // [R, width] twice -> [S, 1]
    Tensor<Env> product = op::copy<Env>(env, a);
    multiply(b, product);
    return op::scatter_rows<Env>(env, op::nt<Env>(env, product, ones(1, width)), whose, texts);
  }

private:
  void multiply(View<Env> by, Writable<Env> rows) const {
    op::FinishOf<Env> times;
    times.gate = by;
    op::finish<Env>(env, rows, times);
  }
};
inline std::vector<std::int32_t> text_of_each_row(const Sequences& s) {
  std::vector<std::int32_t> whose;
  for (Index i = 0; i < s.count(); ++i) whose.insert(whose.end(), static_cast<std::size_t>(s.length(i)), static_cast<std::int32_t>(i));
  return whose;
}
}  // namespace detail

// Gate<M, In, Out>: y_t = g_s M(x)_t for the tokens t of text s, g its TextGate of x; x [T, In], y [T, Out]. The mean needs every token, so
// that whoever would compute first tokens alone computes all. Names: M's, and gate.weight, gate.bias.
template <class M, Index In, Index Out>
struct Gate {
  static constexpr bool trains = true;

  template <class Env>
  struct On {
    using Inner = typename M::template On<Env>;
    using GateOn = typename TextGate<In>::template On<Env>;
    static constexpr bool trains = true, whole = true;

    Inner inner;
    GateOn gate;
    struct Grads {
      [[no_unique_address]] typename Inner::Grads inner;
      typename GateOn::Grads gate;
    };
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;
    template <class Pass>
    using Within = PassFor<Inner, Pass>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Inner::template Saved<Within<Pass>> inner;
      [[no_unique_address]] typename GateOn::template Saved<Pass> gate;
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::output> result;  // M(x) [T, Out]
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::middle> open;    // g [S, 1]
    };

    template <class Pass>
    Tensor<Env> forward(Env& env, const Tokens<Env>& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
      const auto whose = detail::text_of_each_row(*x.sequences);
      Tensor<Env> g = gate.template forward<Pass>(env, x, saved.gate);
      Tensor<Env> y = inner.template forward<Within<Pass>>(env, x, saved.inner);
      if constexpr (Pass::learns) saved.result = op::copy<Env>(env, y);
      detail::ByText<Env>{env, whose, Out}.scale(g, y);
      op::finish<Env>(env, y, finish);
      if constexpr (Pass::learns) saved.open = std::move(g);
      return y;
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const Tokens<Env>& x, Saved<Pass>& saved, Grads& g,
                                      op::FinishOf<Env> finish = {}) const {
      require_kept(!saved.open.empty() || dy.rows == 0);
      const auto whose = detail::text_of_each_row(*x.sequences);
      const detail::ByText<Env> by{env, whose, Out};
      const Tensor<Env> dg = by.dots(dy, saved.result, x.sequences->count());
      Tensor<Env> d = op::copy<Env>(env, dy);
      by.scale(saved.open, d);
      auto dx = gate.template backward<Pass>(env, dg, x, saved.gate, g.gate);
      if constexpr (Pass::wants_input) {
        if (!finish.plus.empty()) op::add<Env>(env, finish.plus, dx);
        finish.plus = dx;
        return backward_to<Pass>(inner, env, d, x, saved.inner, g.inner, finish);
      } else {
        if constexpr (active<Inner, Pass>) inner.template backward<Pass>(env, d, x, saved.inner, g.inner);
        return {};
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Inner::visit(f, at, ms.inner...);
      GateOn::visit(f, at / "gate", ms.gate...);
    }
  };
};

// The same for a prefix, a table of `Length` rows for keys and as many for values: text s sees g_s P_k and g_s P_v, g the TextGate of the
// attention's input (nn/attention.hpp: a prefix per text).
template <class Prefix, Index Width>
struct PrefixGate {
  static constexpr bool trains = true;

  template <class Env>
  struct On {
    using Inner = typename Prefix::template On<Env>;
    using GateOn = typename TextGate<Width>::template On<Env>;
    static constexpr bool trains = true, per_text = true;
    static_assert(requires(const Inner& table) { table.keys(); }, "[towpath] Gated: a gated prefix has its table itself; drop Mlp<units>");

    Inner inner;
    GateOn gate;
    struct Grads {
      typename Inner::Grads inner;
      typename GateOn::Grads gate;
    };
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename GateOn::template Saved<Pass> gate;
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::middle> open;  // g [S, 1]
    };
    Index length() const { return inner.keys().rows; }

    // The rows of one kind (keys, values) of all texts, one after another: [S Length, Width]
    Tensor<Env> rows(Env& env, View<Env> table, const Prefixed& at, View<Env> g) const {
      Tensor<Env> y = op::gather_rows<Env>(env, table, at.which);
      detail::ByText<Env>{env, at.whose, Width}.scale(g, y);
      return y;
    }
    template <class Pass>
    Tensor<Env> forward(Env& env, const Tokens<Env>& x, Saved<Pass>& saved) const {
      return gate.template forward<Pass>(env, x, saved.gate);
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dkeys, View<Env> dvalues, const Tokens<Env>& x, const Prefixed& at,
                                      Saved<Pass>& saved, Grads& g) const {
      const detail::ByText<Env> by{env, at.whose, Width};
      Tensor<Env> dg = op::zeros(env, x.sequences->count(), 1);
      const auto one = [&](View<Env> d, View<Env> table, Writable<Env> dtable) {
        op::add<Env>(env, by.dots(d, op::gather_rows<Env>(env, table, at.which), dg.rows()), dg);
        Tensor<Env> scaled = op::copy<Env>(env, d);
        by.scale(saved.open, scaled);
        op::scatter_rows_add<Env>(env, scaled, at.which, dtable);
      };
      one(dkeys, inner.keys(), Inner::keys(g.inner));
      one(dvalues, inner.values(), Inner::values(g.inner));
      return gate.template backward<Pass>(env, dg, x, saved.gate, g.gate);
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Inner::visit(f, at, ms.inner...);
      GateOn::visit(f, at / "gate", ms.gate...);
    }
  };
};

}  // namespace towpath
