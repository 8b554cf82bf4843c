#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"

namespace towpath {

// No rows before the keys and values.
struct NoPrefix {
  static constexpr bool trains = false;

  template <class Env>
  struct On {
    static constexpr bool trains = false;
    struct Grads {};
    View<Env> keys() const { return {}; }
    View<Env> values() const { return {}; }
    static Writable<Env> keys(Grads&) { return {}; }
    static Writable<Env> values(Grads&) { return {}; }
    template <class F, class... Ms>
    static constexpr void visit(F&&, const Path&, Ms&...) {}
  };
};

namespace detail {
// A prefix whose rows are computed from other parameters: it has a forward and a backward of its own, without an input.
template <class P>
concept MadePrefix = requires { P::made; };
// … and one whose rows are another in each text, by what it says to the attention's input: they become rows of the text itself, of which
// nobody asks.
template <class P>
concept TextPrefix = requires { P::per_text; };
template <class P, class Pass>
struct SavedPrefix {};
template <class P, class Pass>
  requires MadePrefix<P> || TextPrefix<P>
struct SavedPrefix<P, Pass> : P::template Saved<PassFor<P, Pass>> {};
}  // namespace detail

// Multi-head self-attention over a ragged batch (Vaswani et al. 2017), without its output projection:
//   q, k, v = Q(x), K(x), V(x);   y_h = softmax( q_h [pk_h; k_h]ᵀ / √d ) [pv_h; v_h]  in each sequence and head h
// Q, K, V: projections [T, H] -> [T, H] with or without deltas; Prefix: rows pk, pv [l, H] before every sequence's own keys and values, seen
// by all its tokens, without position or mask: a table that it has, one that it makes in each forward, [pk, pv] [l, 2 H], or one for each text.
// Given Firsts, only the first token of each sequence asks: [T, H] -> [S, H]. Kept for backward: q, k, v and the log-sums of the scores (or
// the probabilities), and nothing if nothing at or below this point wants a gradient.
template <Index heads, class Q, class K, class V, class Prefix = NoPrefix>
struct SelfAttention {
  static constexpr bool trains = Q::trains || K::trains || V::trains || Prefix::trains;

  template <class Env>
  struct On {
    using QueryOn = typename Q::template On<Env>;
    using KeyOn = typename K::template On<Env>;
    using ValueOn = typename V::template On<Env>;
    using PrefixOn = typename Prefix::template On<Env>;
    static constexpr bool trains = SelfAttention::trains, across = true, made = detail::MadePrefix<PrefixOn>,
                          per_text = detail::TextPrefix<PrefixOn>,
                          whole = per_text || needs_all<QueryOn> || needs_all<KeyOn> || needs_all<ValueOn>;

    QueryOn query;
    KeyOn key;
    ValueOn value;
    [[no_unique_address]] PrefixOn prefix;

    struct Grads {
      [[no_unique_address]] typename QueryOn::Grads query;
      [[no_unique_address]] typename KeyOn::Grads key;
      [[no_unique_address]] typename ValueOn::Grads value;
      [[no_unique_address]] typename PrefixOn::Grads prefix;
    };
    template <class M, class Pass>
    static constexpr bool reads = M::template uses_input<PassFor<M, Pass>>;
    template <class Pass>
    static constexpr bool uses_input = reads<QueryOn, Pass> || reads<KeyOn, Pass> || reads<ValueOn, Pass> || (per_text && Pass::learns);
    template <class Pass>
    static constexpr bool keeps = active<On, Pass>;

    struct Kept {
      Tensor<Env> q, k, v;          // [T, H]
      Tensor<Env> saved;            // what gives the probabilities again
      Tensor<Env> table;            // [l, 2 H], of a prefix that was made
      Mask mask;
    };
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename QueryOn::template Saved<PassFor<QueryOn, Pass>> query;
      [[no_unique_address]] typename KeyOn::template Saved<PassFor<KeyOn, Pass>> key;
      [[no_unique_address]] typename ValueOn::template Saved<PassFor<ValueOn, Pass>> value;
      [[no_unique_address]] detail::SavedPrefix<PrefixOn, Pass> prefix;
      [[no_unique_address]] If<keeps<Pass>, Kept, tag::kept> kept;  // until backward has used it
    };

    template <class Pass, Rows<Env> X>
    Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved) const {
      const Tokens<Env> all = all_of(x);
      Kept kept;
      kept.q = query.template forward<PassFor<QueryOn, Pass>>(env, x, saved.query);                     // [T, H] or [S, H]
      kept.k = key.template forward<PassFor<KeyOn, Pass>>(env, all, saved.key);                         // [T, H]
      kept.v = value.template forward<PassFor<ValueOn, Pass>>(env, all, saved.value);                   // [T, H]
      if constexpr (made) kept.table = prefix.template forward<PassFor<PrefixOn, Pass>>(env, saved.prefix);
      if constexpr (Pass::random) kept.mask = env.mask();
      Tensor<Env> y;                                                                                    // as q
      if constexpr (per_text)
        y = with_rows<Pass>(env, all, kept, saved.prefix);
      else
        y = op::attention<Env>(env, kept.q, kept.k, kept.v, keys(kept.table), values(kept.table), *all.sequences, heads, kept.mask, kept.saved,
                               narrows<X>);
      if constexpr (keeps<Pass>) saved.kept = std::move(kept);
      return y;
    }
    template <class Pass, Rows<Env> X>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                      op::FinishOf<Env> finish = {}) const {
      const Tokens<Env> all = all_of(x);
      Kept kept = std::move(saved.kept);
      require_kept(!kept.q.empty() || dy.rows == 0);
      [[maybe_unused]] InputGradient<Env, Pass> dprefix;
      Tensor<Env> dtable = made && PrefixOn::trains ? op::zeros(env, kept.table.rows(), kept.table.columns()) : Tensor<Env>();
      op::AttentionGradients<Env> d;
      if constexpr (per_text) dprefix = with_rows_backward<Pass>(env, dy, all, kept, saved.prefix, g.prefix, d);
      else d = op::attention_backward<Env>(env, dy, kept.q, kept.k, kept.v, keys(kept.table), values(kept.table), *all.sequences, heads,
                                           kept.mask, kept.saved, dkeys(dtable, g), dvalues(dtable, g), narrows<X>);
      if constexpr (made && active<PrefixOn, Pass>) prefix.template backward<Pass>(env, dtable, saved.prefix, g.prefix);
      kept = {};  // what has been used makes room
      if constexpr (Pass::wants_input) {
        if constexpr (per_text) {
          if (!finish.plus.empty()) op::add<Env>(env, finish.plus, dprefix);
          finish.plus = dprefix;
        }
        op::FinishOf<Env> plus;
        if constexpr (!narrows<X>) plus.plus = finish.plus;
        Tensor<Env> dv = backward_to<Pass>(value, env, d.v, all, saved.value, g.value, plus);
        d.v = {};
        plus.plus = dv;
        if constexpr (narrows<X>) {  // the query's gradient, and what is added, belong to the first tokens
          Tensor<Env> dx = backward_to<Pass>(key, env, d.k, all, saved.key, g.key, plus);               // [T, H]
          const Tensor<Env> dq = backward_to<Pass>(query, env, d.q, x, saved.query, g.query, finish);   // [S, H]
          op::add_firsts<Env>(env, dq, *all.sequences, dx);
          return dx;
        } else {
          const Tensor<Env> dk = backward_to<Pass>(key, env, d.k, all, saved.key, g.key, plus);
          d.k = {};
          dv = {};
          finish.plus = dk;
          return backward_to<Pass>(query, env, d.q, x, saved.query, g.query, finish);
        }
      } else {
        if constexpr (active<ValueOn, Pass>) value.template backward<Pass>(env, d.v, all, saved.value, g.value);
        if constexpr (active<KeyOn, Pass>) key.template backward<Pass>(env, d.k, all, saved.key, g.key);
        if constexpr (active<QueryOn, Pass>) query.template backward<Pass>(env, d.q, x, saved.query, g.query);
        return {};
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      QueryOn::visit(f, at, ms.query...);
      KeyOn::visit(f, at, ms.key...);
      ValueOn::visit(f, at, ms.value...);
      PrefixOn::visit(f, at, ms.prefix...);
    }

  private:
    template <class Pass>
    Tensor<Env> with_rows(Env& env, const Tokens<Env>& x, Kept& kept, detail::SavedPrefix<PrefixOn, Pass>& saved) const {
      const Prefixed rows(*x.sequences, prefix.length());
      Tensor<Env> g = prefix.template forward<Pass>(env, x, saved);                                     // [S, 1]
      kept.q = op::scatter_rows<Env>(env, kept.q, rows.own, rows.tokens());
      kept.k = op::scatter_rows<Env>(env, kept.k, rows.own, rows.tokens());
      kept.v = op::scatter_rows<Env>(env, kept.v, rows.own, rows.tokens());
      op::scatter_rows_add<Env>(env, prefix.rows(env, prefix.inner.keys(), rows, g), rows.before, kept.k);
      op::scatter_rows_add<Env>(env, prefix.rows(env, prefix.inner.values(), rows, g), rows.before, kept.v);
      if constexpr (Pass::learns) saved.open = std::move(g);
      const Tensor<Env> y = op::attention<Env>(env, kept.q, kept.k, kept.v, {}, {}, rows, heads, kept.mask, kept.saved);
      return op::gather_rows<Env>(env, y, rows.own);
    }
    template <class Pass>
    InputGradient<Env, Pass> with_rows_backward(Env& env, View<Env> dy, const Tokens<Env>& x, const Kept& kept,
                                                detail::SavedPrefix<PrefixOn, Pass>& saved, typename PrefixOn::Grads& g,
                                                op::AttentionGradients<Env>& d) const {
      const Prefixed rows(*x.sequences, prefix.length());
      const Tensor<Env> dall = op::scatter_rows<Env>(env, dy, rows.own, rows.tokens());
      const auto all = op::attention_backward<Env>(env, dall, kept.q, kept.k, kept.v, {}, {}, rows, heads, kept.mask, kept.saved, {}, {});
      const auto at = [&](const Tensor<Env>& from, op::Ids places) { return op::gather_rows<Env>(env, from, places); };
      d = {at(all.q, rows.own), at(all.k, rows.own), at(all.v, rows.own)};
      return prefix.template backward<Pass>(env, at(all.k, rows.before), at(all.v, rows.before), x, rows, saved, g);
    }
    static View<Env> half(View<Env> table, Index which) { return table.column_block(which * table.columns / 2, table.columns / 2); }
    static Writable<Env> half(Writable<Env> table, Index which) { return table.column_block(which * table.columns / 2, table.columns / 2); }
    View<Env> keys([[maybe_unused]] View<Env> table) const {
      if constexpr (made) return half(table, 0);
      else return prefix.keys();
    }
    View<Env> values([[maybe_unused]] View<Env> table) const {
      if constexpr (made) return half(table, 1);
      else return prefix.values();
    }
    static Writable<Env> dkeys([[maybe_unused]] Writable<Env> table, Grads& g) {
      if constexpr (made) return half(table, 0);
      else return PrefixOn::keys(g.prefix);
    }
    static Writable<Env> dvalues([[maybe_unused]] Writable<Env> table, Grads& g) {
      if constexpr (made) return half(table, 1);
      else return PrefixOn::values(g.prefix);
    }
    static Tokens<Env> all_of(const Tokens<Env>& x) { return x; }
    static Tokens<Env> all_of(const Firsts<Env>& x) { return x.all; }
  };
};

}  // namespace towpath
