#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// Pooling: from the tokens of each sequence to one row, [T, H] -> [S, H]. No parameters. A sequence without tokens gives zeros.
// Unlike a module, it changes the number of rows, so it is handed the sequences and always gives the gradient of its input.

// The first token ([CLS]).
struct ClsPooling {
  static constexpr std::string_view name = "cls";
  static constexpr bool only_firsts = true;  // an encoder need not compute anything else at its end
  static constexpr bool uses_input = false;

  template <class Env>
  static Tensor<Env> forward(Env& env, View<Env> x, const Sequences& s) {
    auto y = env.template take<Env>(s.count(), x.columns);
    Env::Ops::pool_first(env, x, s, y);
    return y;
  }
  template <class Env>
  static Tensor<Env> backward(Env& env, View<Env> dy, View<Env>, const Sequences& s) {
    auto dx = env.template take<Env>(s.tokens(), dy.columns);
    Env::Ops::pool_first_backward(env, dy, s, dx);
    return dx;
  }
};

// The mean over tokens: sentence-transformers' usual choice.
struct MeanPooling {
  static constexpr std::string_view name = "mean";
  static constexpr bool only_firsts = false;
  static constexpr bool uses_input = false;

  template <class Env>
  static Tensor<Env> forward(Env& env, View<Env> x, const Sequences& s) {
    auto y = env.template take<Env>(s.count(), x.columns);
    Env::Ops::pool_mean(env, x, s, y);
    return y;
  }
  template <class Env>
  static Tensor<Env> backward(Env& env, View<Env> dy, View<Env>, const Sequences& s) {
    auto dx = env.template take<Env>(s.tokens(), dy.columns);
    Env::Ops::pool_mean_backward(env, dy, s, dx);
    return dx;
  }
};

// The largest value of each column over the tokens; the gradient goes to the first token that has it.
struct MaxPooling {
  static constexpr std::string_view name = "max";
  static constexpr bool only_firsts = false;
  static constexpr bool uses_input = true;

  template <class Env>
  static Tensor<Env> forward(Env& env, View<Env> x, const Sequences& s) {
    auto y = env.template take<Env>(s.count(), x.columns);
    Env::Ops::pool_max(env, x, s, y);
    return y;
  }
  template <class Env>
  static Tensor<Env> backward(Env& env, View<Env> dy, View<Env> x, const Sequences& s) {
    auto dx = env.template take<Env>(s.tokens(), dy.columns);
    Env::Ops::pool_max_backward(env, dy, x, s, dx);
    return dx;
  }
};

namespace detail {
// A sequence without tokens is a row of zeros and gives no gradient.
template <class Env>
void clear_empty(const Sequences& s, Tensor<Env>& rows) {
  for (Index i = 0; i < s.count(); ++i)
    if (s.length(i) == 0) Env::Space::clear(rows.writable().row(i), static_cast<std::size_t>(rows.columns()) * sizeof(typename Env::Scalar));
}
}  // namespace detail

// What a head on an encoder does: `states` are all tokens' or, where the pooling wants no others, the first ones' alone, which the encoder
// was asked for (Bert::forward's only_firsts)                                                                     -> [S, H]
template <class Pooling, class Env>
Tensor<Env> pool(Env& env, View<Env> states, const Sequences& s) {
  if constexpr (!Pooling::only_firsts) return Pooling::template forward<Env>(env, states, s);
  Tensor<Env> pooled = op::copy<Env>(env, states);
  detail::clear_empty(s, pooled);
  return pooled;
}
// and back to what the encoder gave.                                                                       [S, H] -> [T, H] or [S, H]
template <class Pooling, class Env>
Tensor<Env> pool_backward(Env& env, Tensor<Env> d, View<Env> states, const Sequences& s) {
  if constexpr (!Pooling::only_firsts) return Pooling::template backward<Env>(env, d, states, s);
  detail::clear_empty(s, d);
  return d;
}

}  // namespace towpath
