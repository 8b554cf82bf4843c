// towpath::op::name(env, …): what modules call. Each checks the shapes it is given (in checked builds), takes the result from the
// environment's pool and hands both to the environment's operations; equations are in reference/ops.hpp.
#pragma once

#include "towpath/backend/environment.hpp"
#include "towpath/backend/finish.hpp"
#include "towpath/base/check.hpp"
#include "towpath/tensor/tensor.hpp"

#include <span>
#include <utility>

// One copy of each operation per environment: a module calls it, so that a new composition compiles in the time of its calls.
#if defined(__GNUC__)
#define TOWPATH_OP [[gnu::noinline]]
#else
#define TOWPATH_OP
#endif

namespace towpath::op {

template <class Env>
using Scalar = typename Env::Scalar;
using Ids = std::span<const std::int32_t>;
template <class Env>
using FactorOf = Factor<typename Env::Scalar, typename Env::Space>;
template <class Env>
using FinishOf = Finish<typename Env::Scalar, typename Env::Space>;

// [rows, columns] of zeros, from the environment's pool
template <class Env>
Tensor<Env> zeros(Env& env, Index rows, Index columns) {
  auto y = env.template take<Env>(rows, columns);
  if constexpr (requires { Env::Ops::clear(env, y.writable()); }) Env::Ops::clear(env, y.writable());  // on the queue of the other work
  else y.clear();
  return y;
}
// y = finish(a bᵀ)                                                                            a [m,k]  b [n,k]  -> [m,n]
template <class Env>
TOWPATH_OP Tensor<Env> nt(Env& env, View<Env> a, const FactorOf<Env>& b, const FinishOf<Env>& finish = {}) {
  TOWPATH_CHECK(a.columns == b.values.columns);
  auto y = env.template take<Env>(a.rows, b.values.rows);
  Env::Ops::nt(env, a, b, y, finish);
  return y;
}
// y = finish(a b)                                                                             a [m,k]  b [k,n]  -> [m,n]
template <class Env>
TOWPATH_OP Tensor<Env> nn(Env& env, View<Env> a, const FactorOf<Env>& b, const FinishOf<Env>& finish = {}) {
  TOWPATH_CHECK(a.columns == b.values.rows);
  auto y = env.template take<Env>(a.rows, b.values.columns);
  Env::Ops::nn(env, a, b, y, finish);
  return y;
}
// y = finish( inner(a bᵀ) cᵀ ) and y = finish( inner(a b) c ): two products one after the other, block of rows by block of rows, so that what
// is between them stays in the cache and never becomes a matrix in memory           nt_nt: a [m,k]  b [n,k]  c [o,n]  -> [m,o]
template <class Env>
TOWPATH_OP Tensor<Env> nt_nt(Env& env, View<Env> a, const FactorOf<Env>& b, const FinishOf<Env>& inner, const FactorOf<Env>& c, const FinishOf<Env>& finish) {
  TOWPATH_CHECK(a.columns == b.values.columns && b.values.rows == c.values.columns);
  auto y = env.template take<Env>(a.rows, c.values.rows);
  Env::Ops::nt_nt(env, a, b, inner, c, y, finish);
  return y;
}
template <class Env>
TOWPATH_OP Tensor<Env> nn_nn(Env& env, View<Env> a, const FactorOf<Env>& b, const FinishOf<Env>& inner, const FactorOf<Env>& c, const FinishOf<Env>& finish) {
  TOWPATH_CHECK(a.columns == b.values.rows && b.values.columns == c.values.rows);
  auto y = env.template take<Env>(a.rows, c.values.columns);
  Env::Ops::nn_nn(env, a, b, inner, c, y, finish);
  return y;
}
// c += aᵀ b                                                                                   a [k,m]  b [k,n]  c [m,n]
template <class Env>
TOWPATH_OP void tn_add(Env& env, View<Env> a, View<Env> b, Writable<Env> c) {
  TOWPATH_CHECK(a.rows == b.rows && a.columns == c.rows && b.columns == c.columns);
  Env::Ops::tn_add(env, a, b, c);
}
// y[t] += b                                                                                   b [1,n]  y [T,n]
template <class Env>
TOWPATH_OP void add_row(Env& env, View<Env> b, Writable<Env> y) {
  TOWPATH_CHECK(b.columns == y.columns);
  Env::Ops::add_row(env, b, y);
}
// g += Σ_t x[t]                                                                               x [T,n]  g [1,n]
template <class Env>
TOWPATH_OP void column_sums_add(Env& env, View<Env> x, Writable<Env> g) {
  TOWPATH_CHECK(x.columns == g.columns);
  Env::Ops::column_sums_add(env, x, g);
}
// y[t,j] = x[t,j] g[j]                                                                        x [T,n]  g [1,n]  -> [T,n]
template <class Env>
TOWPATH_OP Tensor<Env> scale_columns(Env& env, View<Env> x, View<Env> g) {
  TOWPATH_CHECK(x.columns == g.columns);
  auto y = env.template take<Env>(x.rows, x.columns);
  Env::Ops::scale_columns(env, x, g, y);
  return y;
}
// g[j] += Σ_t a[t,j] b[t,j]
template <class Env>
TOWPATH_OP void column_dots_add(Env& env, View<Env> a, View<Env> b, Writable<Env> g) {
  TOWPATH_CHECK(a.rows == b.rows && a.columns == b.columns && g.columns == a.columns);
  Env::Ops::column_dots_add(env, a, b, g);
}
// y[0,t] = ‖x[t]‖                                                                             x [T,n]  -> [1,T]
template <class Env>
TOWPATH_OP Tensor<Env> row_norms(Env& env, View<Env> x) {
  auto y = env.template take<Env>(1, x.rows);
  Env::Ops::row_norms(env, x, y);
  return y;
}
// y[t,j] *= g[t]                                                                              g [1,T]  y [T,n]
template <class Env>
TOWPATH_OP void scale_rows(Env& env, View<Env> g, Writable<Env> y) {
  TOWPATH_CHECK(g.rows == 1 && g.columns == y.rows);
  Env::Ops::scale_rows(env, g, y);
}
// y = a / b, element by element
template <class Env>
TOWPATH_OP Tensor<Env> divide(Env& env, View<Env> a, View<Env> b) {
  TOWPATH_CHECK(a.rows == b.rows && a.columns == b.columns);
  auto y = env.template take<Env>(a.rows, a.columns);
  Env::Ops::divide(env, a, b, y);
  return y;
}
// y += s x
template <class Env>
TOWPATH_OP void add_scaled(Env& env, Scalar<Env> s, View<Env> x, Writable<Env> y) {
  TOWPATH_CHECK(x.rows == y.rows && x.columns == y.columns);
  Env::Ops::add_scaled(env, s, x, y);
}
template <class Env>
TOWPATH_OP void add(Env& env, View<Env> x, Writable<Env> y) {
  add_scaled(env, Scalar<Env>(1), x, y);
}
// y *= s
template <class Env>
TOWPATH_OP void scale(Env& env, Scalar<Env> s, Writable<Env> y) {
  Env::Ops::scale(env, s, y);
}
template <class Env>
TOWPATH_OP Tensor<Env> copy(Env& env, View<Env> x) {
  auto y = env.template take<Env>(x.rows, x.columns);
  Env::Ops::copy(env, x, y);
  return y;
}
// y = F(x), and dx = dy F'(x)
template <class F, class Env>
TOWPATH_OP Tensor<Env> unary(Env& env, View<Env> x) {
  auto y = env.template take<Env>(x.rows, x.columns);
  Env::Ops::template unary<F>(env, x, y);
  return y;
}
template <class F, class Env>
TOWPATH_OP Tensor<Env> unary_backward(Env& env, View<Env> dy, View<Env> x) {
  TOWPATH_CHECK(x.rows == dy.rows && x.columns == dy.columns);
  auto dx = env.template take<Env>(x.rows, x.columns);
  Env::Ops::template unary_backward<F>(env, dy, x, dx);
  return dx;
}
// Does this environment round what it multiplies by frozen weights, so that a slope, by which a gradient is multiplied before, may be rounded too?
template <class Env>
bool rounds(const Env& env) {
  if constexpr (requires { Env::Ops::rounds(env); }) return Env::Ops::rounds(env);
  else return false;
}
// y = finish(y), in place
template <class Env>
TOWPATH_OP void finish(Env& env, Writable<Env> y, const FinishOf<Env>& f) {
  if (!f.nothing()) Env::Ops::finish(env, y, f);
}
// y *= mask, in place
template <class Env>
TOWPATH_OP void dropout(Env& env, Mask mask, Writable<Env> y) {
  if (mask.rate != 0) Env::Ops::dropout(env, mask, y);
}
// y = (x - μ) r gain + bias + plus; stats receives [μ, r]                                           x [T,n]  -> [T,n], stats [T,2]
template <class Env>
TOWPATH_OP Tensor<Env> layer_norm(Env& env, View<Env> x, View<Env> gain, View<Env> bias, double epsilon, Tensor<Env>& stats, View<Env> plus = {}) {
  TOWPATH_CHECK(x.columns == gain.columns && x.columns == bias.columns);
  auto y = env.template take<Env>(x.rows, x.columns);
  stats = env.template take<Env>(x.rows, 2);
  Env::Ops::layer_norm(env, x, gain, bias, epsilon, y, stats, plus);
  return y;
}
template <class Env>
TOWPATH_OP Tensor<Env> layer_norm_backward(Env& env, View<Env> dy, View<Env> x, View<Env> stats, View<Env> gain) {
  TOWPATH_CHECK(x.rows == dy.rows && x.columns == dy.columns && stats.rows == x.rows);
  auto dx = env.template take<Env>(x.rows, x.columns);
  Env::Ops::layer_norm_backward(env, dy, x, stats, gain, dx);
  return dx;
}
template <class Env>
TOWPATH_OP void layer_norm_gain_add(Env& env, View<Env> dy, View<Env> x, View<Env> stats, Writable<Env> dgain) {
  TOWPATH_CHECK(x.rows == dy.rows && x.columns == dy.columns && stats.rows == x.rows);
  Env::Ops::layer_norm_gain_add(env, dy, x, stats, dgain);
}
// y[t] += table[ids[t]];  dtable[ids[t]] += dy[t]
template <class Env>
TOWPATH_OP void gather_rows_add(Env& env, View<Env> table, Ids ids, Writable<Env> y) {
  TOWPATH_CHECK(static_cast<Index>(ids.size()) == y.rows && table.columns == y.columns);
  Env::Ops::gather_rows_add(env, table, ids, y);
}
// y[t] = table[ids[t]], as a matrix of its own
template <class Env>
Tensor<Env> gather_rows(Env& env, View<Env> table, Ids ids) {
  Tensor<Env> y = zeros(env, static_cast<Index>(ids.size()), table.columns);
  gather_rows_add<Env>(env, table, ids, y);
  return y;
}
template <class Env>
TOWPATH_OP void scatter_rows_add(Env& env, View<Env> dy, Ids ids, Writable<Env> dtable) {
  TOWPATH_CHECK(static_cast<Index>(ids.size()) == dy.rows && dtable.columns == dy.columns);
  Env::Ops::scatter_rows_add(env, dy, ids, dtable);
}
// x's rows at these places of `rows` rows, zeros between them
template <class Env>
Tensor<Env> scatter_rows(Env& env, View<Env> x, Ids places, Index rows) {
  Tensor<Env> y = zeros(env, rows, x.columns);
  scatter_rows_add<Env>(env, x, places, y);
  return y;
}
// The first row of each sequence, zeros for one without tokens; and y[first of s] += x[s]      x [T,n]  -> [S,n]
template <class Env>
TOWPATH_OP Tensor<Env> firsts(Env& env, View<Env> x, const Sequences& s) {
  auto y = env.template take<Env>(s.count(), x.columns);
  Env::Ops::pool_first(env, x, s, y);
  return y;
}
// x and its first rows, which `room` holds; what is not there (an input that nobody kept) stays so.
template <class Env>
Firsts<Env> narrowed(Env& env, View<Env> x, const Sequences& s, Tensor<Env>& room) {
  if (!x.empty()) room = firsts<Env>(env, x, s);
  return {{x, &s}, room};
}
template <class Env>
TOWPATH_OP void add_firsts(Env& env, View<Env> x, const Sequences& s, Writable<Env> y) {
  TOWPATH_CHECK(x.rows == s.count() && y.rows == s.tokens() && x.columns == y.columns);
  Env::Ops::add_first(env, x, s, y);
}
// softmax(q [pk; k]ᵀ / √d) [pv; v] per sequence and head; saved receives what backward reads. q [T,H], or [S,H] if `firsts`: one query for
// each sequence, its first token's                                                            k,v [T,H]  -> as q
template <class Env>
TOWPATH_OP Tensor<Env> attention(Env& env, View<Env> q, View<Env> k, View<Env> v, View<Env> pk, View<Env> pv, const Sequences& s, Index heads,
                      Mask mask, Tensor<Env>& saved, bool firsts = false) {
  TOWPATH_CHECK(q.rows == (firsts ? s.count() : s.tokens()) && k.rows == s.tokens() && v.rows == k.rows && q.columns % heads == 0 && pk.rows == pv.rows);
  auto y = env.template take<Env>(q.rows, q.columns);
  saved = env.template take<Env>(1, Env::Ops::attention_saved(s, heads, pk.rows, firsts));
  Env::Ops::attention(env, q, k, v, pk, pv, s, heads, mask, y, saved, firsts);
  return y;
}
template <class Env>
struct AttentionGradients {
  Tensor<Env> q, k, v;
};
// dpk and dpv accumulate and may be empty.
template <class Env>
TOWPATH_OP AttentionGradients<Env> attention_backward(Env& env, View<Env> dy, View<Env> q, View<Env> k, View<Env> v, View<Env> pk, View<Env> pv,
                                           const Sequences& s, Index heads, Mask mask, View<Env> saved, Writable<Env> dpk,
                                           Writable<Env> dpv, bool firsts = false) {
  TOWPATH_CHECK(dy.rows == q.rows && dy.columns == q.columns);
  AttentionGradients<Env> d{env.template take<Env>(q.rows, q.columns), env.template take<Env>(k.rows, q.columns),
                            env.template take<Env>(k.rows, q.columns)};
  Env::Ops::attention_backward(env, dy, q, k, v, pk, pv, s, heads, mask, saved, d.q, d.k, d.v, dpk, dpv, firsts);
  return d;
}
// y = x / ‖x‖ row by row                                                                      x [T,n]  -> [T,n], norms [T,1]
template <class Env>
TOWPATH_OP Tensor<Env> normalise_rows(Env& env, View<Env> x, Tensor<Env>& norms) {
  auto y = env.template take<Env>(x.rows, x.columns);
  norms = env.template take<Env>(x.rows, 1);
  Env::Ops::normalise_rows(env, x, y, norms);
  return y;
}
template <class Env>
TOWPATH_OP Tensor<Env> normalise_rows_backward(Env& env, View<Env> dy, View<Env> y, View<Env> norms) {
  auto dx = env.template take<Env>(y.rows, y.columns);
  Env::Ops::normalise_rows_backward(env, dy, y, norms, dx);
  return dx;
}
// mean cross-entropy and its gradient                                                         s [m,n]  -> value, ds [m,n]
template <class Env>
TOWPATH_OP double cross_entropy(Env& env, View<Env> s, std::span<const Index> right, std::span<const std::pair<Index, Index>> without, double sharpness,
                     Tensor<Env>& ds) {
  TOWPATH_CHECK(static_cast<Index>(right.size()) == s.rows);
  ds = env.template take<Env>(s.rows, s.columns);
  return Env::Ops::cross_entropy(env, s, right, without, sharpness, ds);
}
template <class Env>
TOWPATH_OP void adam_step(Env& env, const Adam& rule, std::uint64_t step, double gradient_scale, View<Env> g, Writable<Env> m, Writable<Env> v,
               Writable<Env> w) {
  TOWPATH_CHECK(g.size() == w.size() && m.size() == w.size() && v.size() == w.size());
  Env::Ops::adam_step(env, rule, step, gradient_scale, g, m, v, w);
}
template <class Env>
TOWPATH_OP double square_norm(Env& env, View<Env> x) {
  return Env::Ops::square_norm(env, x);
}

// found(row, column, score) for each row's k largest above least[row], of equal ones those in the lowest columns; in no order within a row
template <class Env, class F>
void largest_of_rows(Env& env, View<Env> s, Index k, std::span<const Scalar<Env>> least, const F& found) {
  TOWPATH_CHECK(static_cast<Index>(least.size()) == s.rows);
  Env::Ops::largest_of_rows(env, s, k, least, found);
}

// Where calling is dear (a kernel of a GPU, and a wait for its number), all trained tensors go at once; elsewhere one after the other.
template <class Env>
inline constexpr bool all_at_once = requires { Env::Ops::all_at_once; };
template <class Env>
TOWPATH_OP double square_norm_of_all(Env& env, std::span<const View<Env>> all)
  requires all_at_once<Env>
{
  return Env::Ops::square_norm_of_all(env, all);
}
// Tensor i takes the step of rules[i]; lists are as long as rules.
template <class Env>
TOWPATH_OP void adam_step_of_all(Env& env, std::span<const Adam> rules, std::uint64_t step, double gradient_scale, std::span<const View<Env>> g,
                                 std::span<const Writable<Env>> m, std::span<const Writable<Env>> v, std::span<const Writable<Env>> w)
  requires all_at_once<Env>
{
  TOWPATH_CHECK(g.size() == rules.size() && m.size() == rules.size() && v.size() == rules.size() && w.size() == rules.size());
  Env::Ops::adam_step_of_all(env, rules, step, gradient_scale, g, m, v, w);
}

}  // namespace towpath::op
