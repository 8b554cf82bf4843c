// The CPU: products on packed weights, work on rows in vectors, the reference loops for what is not worth a kernel.
// Compiled as it is, it brings the kernels of the instruction set the program is compiled for. A program that links towpath::kernels
// (TOWPATH_KERNELS is then defined) compiles none of them and takes, when it runs, the best that the machine has.
#pragma once

#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/machine.hpp"
#include "towpath/backend/environment.hpp"
#include "towpath/backend/reference/ops.hpp"
#include "towpath/base/check.hpp"
#include "towpath/tensor/dtype.hpp"
#ifndef TOWPATH_KERNELS
#include "towpath/backend/cpu/table.hpp"
#endif

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#define TOWPATH_HAS_BF16 1

namespace towpath {
namespace kernels {
#ifdef TOWPATH_KERNELS
// In the library (cmake/kernels.cmake): offers the tables of all the instruction sets it was built for, the best first.
template <class T>
void each_table(const Machine& machine, void* to, void (*offer)(void*, const Table<T>*));
extern template void each_table<float>(const Machine&, void*, void (*)(void*, const Table<float>*));
extern template void each_table<double>(const Machine&, void*, void (*)(void*, const Table<double>*));
#endif
}  // namespace kernels

inline namespace TOWPATH_ISA {
namespace cpu {

// The kernels for this machine, or those called `wanted` (Settings::isa, else the environment variable TOWPATH_ISA).
template <class T>
const kernels::Table<T>& choose(const char* wanted) {
  static const auto machine = kernels::Machine::find();
  if (!wanted) wanted = std::getenv("TOWPATH_ISA");
  const std::string_view name = wanted ? wanted : "";
  std::string known;
  const kernels::Table<T>* found = nullptr;
  const auto offer = [&](const kernels::Table<T>& k) {
    if (!machine.runs(k.name)) return;
    known += (known.empty() ? "" : ", ") + std::string(k.name);
    if (!found && (name.empty() ? machine.prefers(k.name) : name == k.name)) found = &k;
    // where there is nothing for bf16 in T, a name that differs only in that means the same
    if (!found && sizeof(T) != 4 && (name == "amx" || name == "avx512_bf16") && std::string_view(k.name) == "avx512") found = &k;
  };
#ifdef TOWPATH_KERNELS
  auto offered = offer;
  kernels::each_table<T>(machine, &offered, [](void* to, const kernels::Table<T>* k) { (*static_cast<decltype(offered)*>(to))(*k); });
#else
  for (const kernels::Table<T>& k : tables<T>()) offer(k);
#endif
  if (!found)
    fail("there are no kernels called \"" + std::string(name) + "\" that this program has and this machine runs", "there are: " + known,
         "Set TOWPATH_ISA (or Settings::isa) to one of these, or leave it unset for the best");
  return *found;
}

// What attention does with its probabilities between forward and backward: heads · Σ n² numbers kept, or computed again from log-sums.
enum class Probabilities { recomputed, kept };

// The operations on T, with frozen weights held as Frozen (T itself, or bf16 under float).
template <class T, class Frozen = T, Probabilities probabilities = Probabilities::recomputed>
struct Ops : reference::Ops<T> {
  static_assert(std::is_same_v<Frozen, T> || ((std::is_same_v<Frozen, bf16> || std::is_same_v<Frozen, FloatOrBf16>) && std::is_same_v<T, float>),
                "[towpath] Cpu<T, Frozen>: frozen weights are held as T itself, or as bf16 under float: Cpu<float>, Cpu<double> or Cpu<float, bf16>");
  using Loops = reference::Ops<T>;
  using typename Loops::V;
  using typename Loops::W;
  static constexpr bool may_round = !std::is_same_v<Frozen, T>, always_rounds = std::is_same_v<Frozen, bf16>, keeps = probabilities == Probabilities::kept;

  // Are frozen weights, and what they are multiplied by, rounded to bf16?
  template <class Env>
  static bool rounds(const Env& env) {
    return may_round && (always_rounds || env.settings().bf16);
  }

  // --- products: equations in reference/ops.hpp ------------------------------------------------------------------------
  template <class Env>
  static void nt(Env& env, V a, const Factor<T>& b, W y, const Finish<T>& finish = {}) {
    times(env, a, b, false, y, finish);
  }
  template <class Env>
  static void nn(Env& env, V a, const Factor<T>& b, W y, const Finish<T>& finish = {}) {
    times(env, a, b, true, y, finish);
  }
  template <class Env>
  static void nt_nt(Env& env, V a, const Factor<T>& b, const Finish<T>& inner, const Factor<T>& c, W y, const Finish<T>& finish) {
    twice(env, a, b, inner, c, false, y, finish);
  }
  template <class Env>
  static void nn_nn(Env& env, V a, const Factor<T>& b, const Finish<T>& inner, const Factor<T>& c, W y, const Finish<T>& finish) {
    twice(env, a, b, inner, c, true, y, finish);
  }
  template <class Env>
  static void tn_add(Env& env, V a, V b, W c) {
    const auto& k = env.kernels();
    if (by_parts(k, c)) return tn_by_parts(env, a, b, c);
    if (c.columns < c.rows && c.columns < k.panel) {  // skinny: compute the transpose, whose columns fill vectors
      const auto turned = scratch(env, c.size() * size);
      const W t{numbers(turned), c.columns, c.rows};
      std::fill(t.data, t.data + t.size(), T(0));
      tn_add(env, b, a, t);
      for (Index i = 0; i < c.rows; ++i)
        for (Index j = 0; j < c.columns; ++j) c.row(i)[j] += t.row(j)[i];
      return;
    }
    // pieces of rows, and of columns (whole panels) where rows alone would be too few
    const Index rows = std::max<Index>(8, std::min<Index>(96, (c.rows / 4 + 7) / 8 * 8)), row_pieces = (c.rows + rows - 1) / rows;
    const Index panels = (c.columns + k.panel - 1) / k.panel, across = std::min(panels, std::max<Index>(1, 8 / row_pieces)),
                wide = (panels + across - 1) / across * k.panel;
    const Index column_pieces = (c.columns + wide - 1) / wide;
    env.rows(row_pieces * column_pieces, 1, [&](Index job, Index) {
      const auto room = scratch(env, k.tn_scratch * size);
      const Index i = job / column_pieces * rows, j = job % column_pieces * wide, columns = std::min(wide, c.columns - j);
      k.tn(a, b.column_block(j, columns), i, std::min(i + rows, c.rows), c.column_block(j, columns), numbers(room));
    });
  }

  // --- rows and elements -----------------------------------------------------------------------------------------------
  template <class Env>
  static void add_row(Env& env, V b, W y) {
    pieces(env, y, [&](Index t, Index n) { env.kernels().add_row(b.data, y.row_block(t, n)); });
  }
  template <class Env>
  static void column_sums_add(Env& env, V x, W g) {
    env.rows(x.columns, 64, [&](Index first, Index last) { env.kernels().column_sums_add(x, first, last, g.data); });
  }
  template <class Env>
  static void add_scaled(Env& env, T s, V x, W y) {
    pieces(env, y, [&](Index t, Index n) { env.kernels().add_scaled(s, x.row_block(t, n), y.row_block(t, n)); });
  }
  template <class Env>
  static void finish(Env& env, W y, const Finish<T>& f) {
    pieces(env, y, [&](Index t, Index n) { env.kernels().finish(y.row_block(t, n), f.rows(t, n)); });
  }
  template <class F, class Env>
  static void unary(Env& env, V x, W y) {
    if constexpr (function_of<F> == Function::none) Loops::template unary<F>(env, x, y);
    else pieces(env, y, [&](Index t, Index n) { env.kernels().unary(function_of<F>, x.row_block(t, n), y.row_block(t, n), {}); });
  }
  template <class F, class Env>
  static void unary_backward(Env& env, V dy, V x, W dx) {
    if constexpr (function_of<F> == Function::none) Loops::template unary_backward<F>(env, dy, x, dx);
    else pieces(env, dx, [&](Index t, Index n) {
      env.kernels().unary_backward(function_of<F>, dy.row_block(t, n), x.row_block(t, n), dx.row_block(t, n));
    });
  }
  template <class Env>
  static void dropout(Env& env, Mask mask, W y) {
    pieces(env, y, [&](Index t, Index n) { env.kernels().dropout(mask, t * y.columns, y.row_block(t, n)); });
  }
  template <class Env>
  static void layer_norm(Env& env, V x, V gain, V bias, double epsilon, W y, W stats, V plus = {}) {
    pieces(env, y, [&](Index t, Index n) {
      env.kernels().layer_norm(x.row_block(t, n), gain.data, bias.data, T(epsilon), plus.empty() ? plus : plus.row_block(t, n), y.row_block(t, n), stats.row_block(t, n));
    });
  }
  template <class Env>
  static void layer_norm_backward(Env& env, V dy, V x, V stats, V gain, W dx) {
    pieces(env, dx, [&](Index t, Index n) {
      env.kernels().layer_norm_backward(dy.row_block(t, n), x.row_block(t, n), stats.row_block(t, n), gain.data,
                                        dx.row_block(t, n));
    });
  }
  template <class Env>
  static void normalise_rows(Env& env, V x, W y, W norms) {
    pieces(env, y, [&](Index t, Index n) { env.kernels().normalise(x.row_block(t, n), y.row_block(t, n), norms.row_block(t, n)); });
  }
  template <class Env>
  static void adam_step(Env& env, const Adam& rule, std::uint64_t step, double gradient_scale, V g, W m, W v, W w) {
    env.rows(w.size(), 1 << 15, [&](Index first, Index last) {
      env.kernels().adam(rule, step, gradient_scale, last - first, g.data + first, m.data + first, v.data + first, w.data + first);
    });
  }

  // --- attention: each (sequence, head) by itself, in cache ---------------------------------------------------------------
  // Kept from forward to backward: log Σ exp of each row's scores, [heads][T], and those too where they are to be kept.
  static Index attention_saved(const Sequences& s, Index heads, Index prefix, bool firsts = false) {
    return heads * (firsts ? s.count() : s.tokens()) + (keeps ? Loops::attention_saved(s, heads, prefix, firsts) : 0);
  }
  template <class Env>
  static void attention(Env& env, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, W y, W saved, bool firsts = false) {
    const Index d = q.columns / heads;
    if (firsts) zero_where_empty(s, y);
    each_head(env, s, heads, d, pk.rows, firsts, false, [&](Index seq, Index head, Index start, T* room) {
      attention_of(env).forward(one_head(q, k, v, pk, pv, s, heads, mask, saved.data, firsts, seq, head, start, room), queries(y, s, firsts, seq, head * d, d));
    });
  }
  template <class Env>
  static void attention_backward(Env& env, V dy, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, V saved, W dq, W dk,
                                 W dv, W dpk, W dpv, bool firsts = false) {
    const Index d = q.columns / heads;
    if (firsts) zero_where_empty(s, dq);
    // the prefix rows sum over sequences: one head at a time belongs to one piece, sequences in order
    each_head(env, s, heads, d, pk.rows, firsts, pk.rows > 0, [&](Index seq, Index head, Index start, T* room) {
      const Index b = s.begin(seq), n = s.length(seq), c = head * d;
      const auto part = [&](auto x) { return decltype(x){x.row(b) + c, n, d, x.stride}; };
      const auto of_prefix = [&](W x) { return x.empty() ? x : x.column_block(c, d); };
      attention_of(env).backward(one_head(q, k, v, pk, pv, s, heads, mask, const_cast<T*>(saved.data), firsts, seq, head, start, room),
                                       queries(dy, s, firsts, seq, c, d), queries(dq, s, firsts, seq, c, d), part(dk), part(dv), of_prefix(dpk),
                                       of_prefix(dpv));
    });
  }

protected:  // for environments that replace some of this
  static constexpr Index size = static_cast<Index>(sizeof(T));

  template <class Env>
  static const kernels::Attention<T>& attention_of(const Env& env) {
    return rounds(env) ? env.kernels().bf16_attention : env.kernels().attention;
  }
  // Room for one piece of work, from the environment's pool.
  template <class Env>
  static Buffer<Host> scratch(Env& env, Index bytes) {
    return env.room(static_cast<std::size_t>(bytes));
  }
  static T* numbers(const Buffer<Host>& b) { return static_cast<T*>(b.data()); }

  // Whether a product with a weight of this shape goes by parts in bf16 (Table::split_product): where it is at least as fast. The shape alone
  // decides, so a result depends neither on how many rows there are nor on whether the weight is frozen.
  static bool by_parts(const kernels::Table<T>& k, V w) { return k.split_product && std::min(w.rows, w.columns) >= 64; }

  // Both sides are split once for all pieces, a few hundred tokens at a time.
  template <class Env>
  static void tn_by_parts(Env& env, V a, V b, W c) {
    const auto& k = env.kernels();
    constexpr Index most = 3072;  // of c's rows, for which there is room
    if (c.rows > most) {
      for (Index i = 0; i < c.rows; i += most) tn_by_parts(env, a.column_block(i, std::min(most, c.rows - i)), b, c.row_block(i, std::min(most, c.rows - i)));
      return;
    }
    const Index tokens = std::min(k.split_tokens, a.rows), side = k.bf16_panel;
    const auto left = scratch(env, k.split_size(c.rows, tokens)), right = scratch(env, k.split_size(c.columns, tokens));
    const Index lefts = (c.rows + side - 1) / side, rights = (c.columns + side - 1) / side;
    const Index row_pieces = (lefts + 3) / 4, across = std::max<Index>(1, 8 / row_pieces), wide = (rights + across - 1) / across * side,
                column_pieces = (c.columns + wide - 1) / wide, high = 4 * side;
    for (Index t = 0; t < a.rows; t += tokens) {
      const Index n = std::min(tokens, a.rows - t);
      env.rows(lefts + rights, 1, [&](Index p, Index) {
        if (p < lefts) k.split_columns(a.row_block(t, n), false, p, p + 1, left.data());
        else k.split_columns(b.row_block(t, n), true, p - lefts, p - lefts + 1, right.data());
      });
      env.rows(row_pieces * column_pieces, 1, [&](Index job, Index) {
        const Index i = job / column_pieces * high, j = job % column_pieces * wide;
        k.split_tn(left.data(), right.data(), n, i, std::min(high, c.rows - i), j, std::min(wide, c.columns - j), c);
      });
    }
  }

  // A right-hand side in the order kernels want. A frozen matrix keeps that where few rows ask for it (Settings::repack), and in bf16 its own orientation
  // anyway, which takes the place of the matrix; any other is made for the occasion. The bits are the same.
  template <class Env>
  struct Right {
    const void* packed = nullptr;
    Index panels = 0, columns = 0;
    bool rounded = false, split = false;
    Buffer<Host> here;

    // y = finish(a · this), columns of panels [first, last)
    void times(Env& env, V a, Index first, Index last, W y, const Finish<T>& finish) const {
      const kernels::Table<T>& k = env.kernels();
      if (may_round && rounded) {
        const auto room = scratch(env, k.bf16_scratch(a.rows, a.columns));
        k.bf16_product(a, packed, first, last, y, finish, room.data());
      } else if (split) {
        const auto room = scratch(env, k.split_scratch(a.rows, a.columns));
        k.split_product(a, packed, first, last, y, finish, room.data());
      } else {
        k.product(a, static_cast<const T*>(packed), first, last, y, finish);
      }
    }
  };
  template <class Env>
  static Right<Env> right(Env& env, const Factor<T>& b, bool across, Index rows) {
    const kernels::Table<T>& k = env.kernels();
    const Index n = across ? b.values.columns : b.values.rows, depth = across ? b.values.rows : b.values.columns;
    Right<Env> r;
    r.columns = n;
    r.rounded = b.forms && rounds(env);
    r.split = !r.rounded && by_parts(k, b.values);
    const Index width = r.rounded || r.split ? k.bf16_panel : k.panel;
    const Index bytes = r.rounded ? k.bf16_size(n, depth) : r.split ? k.split_size(n, depth) : k.packed_size(n, depth) * size;
    r.panels = (n + width - 1) / width;
    const auto each = [&](const auto& f) { env.rows(r.panels, std::max<Index>(1, r.panels / 8), f); };
    const auto pack = [&](void* to) {
      each([&](Index first, Index last) {
        if (r.rounded) k.bf16_pack(b.values, across, first, last, to);
        else if (r.split) k.split_pack(b.values, across, first, last, to);
        else k.pack(b.values, across, first, last, static_cast<T*>(to));
      });
    };
    if (b.forms) {
      const int key = 2 * (r.rounded ? 16 : r.split ? 17 : k.key + (sizeof(T) == 4 ? 0 : 8)) + across;
      const bool make = rows < env.settings().repack || (r.rounded && !across);
      const auto kept = static_cast<std::size_t>(bytes), whole = static_cast<std::size_t>(b.values.size() * size);
      r.packed = make ? b.forms->form(key, kept, pack, b.values.data, whole) : b.forms->form(key);
    }
    if (!r.packed) {
      r.here = scratch(env, bytes);
      r.packed = r.here.data();
      if (r.rounded && across) {
        const Right<Env> own = right(env, b, false, rows);
        each([&](Index first, Index last) { k.bf16_turn(own.packed, depth, n, first, last, r.here.data()); });
      } else {
        pack(r.here.data());
        if (b.forms && env.settings().repack == 0) b.forms->idle(b.values.data, static_cast<std::size_t>(b.values.size() * size));
      }
    }
    return r;
  }
  template <class Env>
  static void times(Env& env, V a, const Factor<T>& b, bool across, W y, const Finish<T>& finish) {
    if (y.rows == 0 || y.columns == 0) return;
    const auto r = right(env, b, across, a.rows);
    tiles(env, y, r.split ? std::clamp<Index>(98304 / a.columns, 32, 128) : r.rounded || a.columns > 512 ? 192 : 64, r.panels, [&](Index i, Index rows, Index first, Index last) {
      r.times(env, a.row_block(i, rows), first, last, y.row_block(i, rows), finish.rows(i, rows));
    });
  }
  template <class Env>
  static void twice(Env& env, V a, const Factor<T>& b, const Finish<T>& inner, const Factor<T>& c, bool across, W y, const Finish<T>& finish) {
    if (y.rows == 0 || y.columns == 0) return;
    const auto first = right(env, b, across, a.rows), second = right(env, c, across, a.rows);
    const Index most = first.split ? 64 : 128, pieces = (y.rows + most - 1) / most, block = ((y.rows + pieces - 1) / pieces + 31) / 32 * 32;
    env.rows(y.rows, block, [&](Index from, Index to) {
      const Index n = to - from;
      const auto room = scratch(env, n * first.columns * size);
      const W middle{numbers(room), n, first.columns};
      first.times(env, a.row_block(from, n), 0, first.panels, middle, inner.rows(from, n));
      second.times(env, middle, 0, second.panels, y.row_block(from, n), finish.rows(from, n));
    });
  }
  // f(row, rows, first panel, last panel) for blocks of a result that a core's own cache can feed; with few rows, columns are shared out.
  template <class Env, class F>
  static void tiles(Env& env, W y, Index block, Index panels, const F& f) {
    const Index down = (y.rows + block - 1) / block, rows = ((y.rows + down - 1) / down + 31) / 32 * 32;
    const Index row_pieces = (y.rows + rows - 1) / rows, across = std::min(panels, std::max<Index>(1, 8 / row_pieces)),
                wide = (panels + across - 1) / across, column_pieces = (panels + wide - 1) / wide;
    env.rows(row_pieces * column_pieces, 1, [&](Index job, Index) {
      const Index i = job / column_pieces * rows, p = job % column_pieces * wide;
      f(i, std::min(rows, y.rows - i), p, std::min(p + wide, panels));
    });
  }

  static kernels::Head<T> one_head(V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, T* saved, bool firsts, Index seq,
                                  Index head, Index start, T* room) {
    const Index d = q.columns / heads, b = s.begin(seq), n = s.length(seq), c = head * d, m = n + pk.rows;
    const Index rows = firsts ? s.count() : s.tokens(), row = firsts ? seq : b, asked = firsts ? 1 : n;
    const auto part = [&](V x) { return V{x.row(b) + c, n, d, x.stride}; };
    const auto of_prefix = [&](V x) { return x.empty() ? V{} : x.column_block(c, d); };
    const Index element = start * heads + head * asked * m;  // of all the probabilities, head by head
    return {queries(q, s, firsts, seq, c, d), part(k), part(v), of_prefix(pk), of_prefix(pv), saved + head * rows + row,
            keeps ? saved + heads * rows + element : nullptr, mask, element, room};
  }
  // The rows of x that one sequence's queries have, and the columns of one head.
  template <class X>
  static X queries(X x, const Sequences& s, bool firsts, Index seq, Index column, Index columns) {
    return {x.row(firsts ? seq : s.begin(seq)) + column, firsts ? 1 : s.length(seq), columns, x.stride};
  }
  static void zero_where_empty(const Sequences& s, W y) {
    for (Index i = 0; i < s.count(); ++i)
      if (s.length(i) == 0) std::fill(y.row(i), y.row(i) + y.columns, T(0));
  }
  // f(sequence, head, Σ queries · m over the sequences before it, scratch); `in_order`: the sequences of one head one after the other
  template <class Env, class F>
  static void each_head(Env& env, const Sequences& s, Index heads, Index d, Index prefix, bool firsts, bool in_order, const F& f) {
    if (s.count() == 0) return;
    const auto before = scratch(env, s.count() * static_cast<Index>(sizeof(Index)));
    auto* start = static_cast<Index*>(before.data());
    for (Index i = 0, at = 0; i < s.count(); ++i) {
      start[i] = at;
      at += Loops::attention_queries(s, i, firsts) * (prefix + s.length(i));
    }
    const Index bytes = attention_of(env).scratch(prefix + s.longest(), d) * size;
    const auto one = [&](Index seq, Index head, T* room) {
      if (s.length(seq) > 0) f(seq, head, start[seq], room);
    };
    if (in_order) {
      env.rows(heads, 1, [&](Index head, Index) {
        const auto room = scratch(env, bytes);
        for (Index seq = 0; seq < s.count(); ++seq) one(seq, head, numbers(room));
      });
    } else {
      const Index jobs = s.count() * heads;
      env.rows(jobs, std::max<Index>(1, jobs / 64), [&](Index first, Index last) {
        const auto room = scratch(env, bytes);
        for (Index job = first; job < last; ++job) one(job / heads, job % heads, numbers(room));
      });
    }
  }

  // f(first row, rows) over pieces that are worth a thread
  template <class Env, class F>
  static void pieces(Env& env, W y, const F& f) {
    env.rows(y.rows, y.columns > 0 ? 1 + 16384 / y.columns : 1, [&](Index first, Index last) { f(first, last - first); });
  }
};

}  // namespace cpu

// The CPU in float or double; Cpu<float, bf16> holds frozen weights in bf16 and adds up in float.
template <class T, class Frozen = T, cpu::Probabilities probabilities = cpu::Probabilities::recomputed>
class Cpu : public Environment<T, cpu::Ops<T, Frozen, probabilities>> {
public:
  explicit Cpu(Settings settings = {}) : Environment<T, cpu::Ops<T, Frozen, probabilities>>(settings), kernels_(&cpu::choose<T>(settings.isa)) {}
  const kernels::Table<T>& kernels() const { return *kernels_; }

private:
  const kernels::Table<T>* kernels_;
};

}  // namespace TOWPATH_ISA
}  // namespace towpath
