// The operations of a CUDA environment: kernels of rows.hpp and attention.hpp, put on a queue. What a queue is and how it multiplies is the
// environment's affair (cuda.cuh), so these run in the tests of machines without a GPU, too.
#pragma once

#include "towpath/backend/cuda/attention.hpp"
#include "towpath/backend/cuda/group.hpp"
#include "towpath/backend/cuda/rows.hpp"
#include "towpath/backend/cuda/select.hpp"

#include "towpath/backend/environment.hpp"
#include "towpath/backend/finish.hpp"
#include "towpath/tensor/tensor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace towpath::cuda {

// Which of a product's sides is turned: a bᵀ, a b, aᵀ b.
enum class Turn { right, neither, left };

// Lists of numbers that kernels read, each put on the device once while it is in use and not once for each layer: where a batch's sequences
// begin, and how their attention is cut into pieces.
template <class Space>
class Lists {
public:
  // The list on the device; upload(data, bytes) -> Buffer<Space> is called if it is not there.
  template <class T, class Upload>
  const T* operator()(const std::vector<T>& list, const Upload& upload) {
    const auto* bytes = reinterpret_cast<const std::byte*>(list.data());
    const std::size_t size = list.size() * sizeof(T);
    for (Entry& e : entries_)
      if (e.used && e.bytes.size() == size && std::equal(e.bytes.begin(), e.bytes.end(), bytes)) {
        e.used = ++uses_;
        return static_cast<const T*>(e.there.data());
      }
    Entry& e = *std::min_element(std::begin(entries_), std::end(entries_), [](const Entry& a, const Entry& b) { return a.used < b.used; });
    e.used = ++uses_;
    e.there = upload(list.data(), size);
    e.bytes.assign(bytes, bytes + size);
    return static_cast<const T*>(e.there.data());
  }

private:
  static constexpr std::size_t most = 16;  // an operation uses three at most, of two kinds of text
  struct Entry {
    std::vector<std::byte> bytes;
    Buffer<Space> there;
    std::uint64_t used = 0;  // when last; the one that is longest ago makes room
  };
  Entry entries_[most];
  std::uint64_t uses_ = 0;
};

template <class T, class Space>
struct Ops {
  using V = BasicView<const T, Space>;
  using W = BasicView<T, Space>;
  using Ids = std::span<const std::int32_t>;
  using FinishOf = Finish<T, Space>;
  using FactorOf = Factor<T, Space>;

  template <class Env>
  static bool rounds(const Env& env) {
    return env.rounds();
  }

  // --- products: by a library, which takes up what it can of a finish --------------------------------------------------------------------
  template <class Env>
  static void nt(Env& env, V a, const FactorOf& b, W y, const FinishOf& f = {}) {
    const FinishOf left = env.queue().product(Turn::right, a, b, T(0), y, f);
    if (!left.nothing()) finish(env, y, left);
  }
  template <class Env>
  static void nn(Env& env, V a, const FactorOf& b, W y, const FinishOf& f = {}) {
    const FinishOf left = env.queue().product(Turn::neither, a, b, T(0), y, f);
    if (!left.nothing()) finish(env, y, left);
  }
  template <class Env>
  static void nt_nt(Env& env, V a, const FactorOf& b, const FinishOf& inner, const FactorOf& c, W y, const FinishOf& f) {
    auto h = env.template take<Env>(a.rows, b.values.rows);
    nt(env, a, b, h, inner);
    nt(env, h, c, y, f);
  }
  template <class Env>
  static void nn_nn(Env& env, V a, const FactorOf& b, const FinishOf& inner, const FactorOf& c, W y, const FinishOf& f) {
    auto h = env.template take<Env>(a.rows, b.values.columns);
    nn(env, a, b, h, inner);
    nn(env, h, c, y, f);
  }
  template <class Env>
  static void tn_add(Env& env, V a, V b, W c) {
    env.queue().product(Turn::left, a, FactorOf(b), T(1), c, {});
  }

  // --- elements ------------------------------------------------------------------------------------------------------------------------------
  template <class Env>
  static void clear(Env& env, W y) {
    env.queue().each(y.rows, y.columns, Fill<T>{T(0), y});
  }
  template <class Env>
  static void add_row(Env& env, V b, W y) {
    env.queue().each(y.rows, y.columns, AddRow<T>{b, y});
  }
  template <class Env>
  static void scale_columns(Env& env, V x, V g, W y) {
    env.queue().each(y.rows, y.columns, ScaleColumns<T>{x, g, y});
  }
  template <class Env>
  static void scale_rows(Env& env, V g, W y) {
    env.queue().each(y.rows, y.columns, ScaleRows<T>{g, y});
  }
  template <class Env>
  static void add_scaled(Env& env, T s, V x, W y) {
    env.queue().each(y.rows, y.columns, AddScaled<T>{s, x, y});
  }
  template <class Env>
  static void divide(Env& env, V a, V b, W y) {
    env.queue().each(y.rows, y.columns, Divide<T>{a, b, y});
  }
  template <class Env>
  static void scale(Env& env, T s, W y) {
    env.queue().each(y.rows, y.columns, Scale<T>{s, y});
  }
  template <class Env>
  static void copy(Env& env, V x, W y) {
    env.queue().each(y.rows, y.columns, Copy<T>{x, y});
  }
  template <class F, class Env>
  static void unary(Env& env, V x, W y) {
    env.queue().each(y.rows, y.columns, Unary<F, T>{x, y});
  }
  template <class F, class Env>
  static void unary_backward(Env& env, V dy, V x, W dx) {
    env.queue().each(dx.rows, dx.columns, UnaryBackward<F, T>{dy, x, dx});
  }
  template <class Env>
  static void finish(Env& env, W y, const FinishOf& f) {
    env.queue().each(y.rows, y.columns, Finished<T>(y, f));
  }
  template <class Env>
  static void dropout(Env& env, Mask mask, W y) {
    env.queue().each(y.rows, y.columns, Dropout<T>{mask, y});
  }
  // All trained tensors in one kernel.
  static constexpr bool all_at_once = true;
  template <class Env>
  static void adam_step_of_all(Env& env, std::span<const Adam> rules, std::uint64_t step, double gradient_scale, std::span<const V> g, std::span<const W> m,
                               std::span<const W> v, std::span<const W> w) {
    std::vector<AdamTensor<T>> tensors;
    Index pieces = 0;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (w[i].size() == 0) continue;
      tensors.emplace_back(rules[i], step, gradient_scale, g[i].data, m[i].data, v[i].data, w[i].data, w[i].size(), pieces);
      pieces += pieces_of(w[i].size());
    }
    if (tensors.empty()) return;
    const auto there = upload(env, tensors);
    env.queue().groups(pieces, AdamSteps<T>{static_cast<const AdamTensor<T>*>(there.data()), static_cast<Index>(tensors.size())});
  }
  template <class Env>
  static void adam_step(Env& env, const Adam& rule, std::uint64_t step, double gradient_scale, V g, W m, W v, W w) {
    adam_step_of_all(env, {&rule, 1}, step, gradient_scale, {&g, 1}, {&m, 1}, {&v, 1}, {&w, 1});
  }

  // --- sums down columns -----------------------------------------------------------------------------------------------------------------------
  template <class Env>
  static void column_sums_add(Env& env, V x, W g) {
    sum_down(env, x.rows, Itself<T>{x}, g);
  }
  template <class Env>
  static void column_dots_add(Env& env, V a, V b, W g) {
    sum_down(env, a.rows, Product<T>{a, b}, g);
  }
  template <class Env>
  static void layer_norm_gain_add(Env& env, V dy, V x, V stats, W dgain) {
    sum_down(env, x.rows, NormedProduct<T>{dy, x, stats}, dgain);
  }

  // --- rows --------------------------------------------------------------------------------------------------------------------------------------
  template <class Env>
  static void layer_norm(Env& env, V x, V gain, V bias, double epsilon, W y, W stats, V plus = {}) {
    env.queue().groups(x.rows, LayerNorm<T>{x, gain, bias, plus, T(epsilon), y, stats});
  }
  template <class Env>
  static void layer_norm_backward(Env& env, V dy, V x, V stats, V gain, W dx) {
    env.queue().groups(x.rows, LayerNormBackward<T>{dy, x, stats, gain, dx});
  }
  template <class Env>
  static void row_norms(Env& env, V x, W y) {
    env.queue().groups(x.rows, RowNorms<T>{x, y});
  }
  template <class Env>
  static void normalise_rows(Env& env, V x, W y, W norms) {
    env.queue().groups(x.rows, NormaliseRows<T>{x, y, norms});
  }
  template <class Env>
  static void normalise_rows_backward(Env& env, V dy, V y, V norms, W dx) {
    env.queue().groups(y.rows, NormaliseRowsBackward<T>{dy, y, norms, dx});
  }
  // The host waits for the number.
  template <class Env>
  static double square_norm(Env& env, V x) {
    return square_norm_of_all(env, {&x, 1});
  }
  template <class Env>
  static double square_norm_of_all(Env& env, std::span<const V> all) {
    std::vector<SquareTensor<T>> tensors;
    Index pieces = 0;
    for (const V& x : all) {
      if (x.size() == 0) continue;
      tensors.push_back({x, pieces});
      pieces += pieces_of(x.size());
    }
    if (pieces == 0) return 0;
    const auto there = upload(env, tensors);
    const Buffer<Space> room = env.room(static_cast<std::size_t>(pieces + 1) * sizeof(double));
    double* parts = static_cast<double*>(room.data());
    env.queue().groups(pieces, SquareParts<T>{static_cast<const SquareTensor<T>*>(there.data()), static_cast<Index>(tensors.size()), parts + 1});
    env.queue().groups(1, Total{parts + 1, pieces, parts});
    double sum = 0;
    Space::copy(&sum, parts, sizeof sum);
    return sum;
  }
  template <class Env>
  static double cross_entropy(Env& env, V s, std::span<const Index> right, std::span<const std::pair<Index, Index>> without, double sharpness, W ds) {
    std::vector<std::int32_t> columns, starts(static_cast<std::size_t>(s.rows) + 1), which(without.size());
    Index counted = 0;
    for (Index r : right) columns.push_back(static_cast<std::int32_t>(r)), counted += r >= 0;
    if (s.rows == 0 || s.columns == 0) return 0;
    for (const auto& pair : without) ++starts[static_cast<std::size_t>(pair.first) + 1];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    std::vector<std::int32_t> next(starts);
    for (const auto& pair : without) which[static_cast<std::size_t>(next[static_cast<std::size_t>(pair.first)]++)] = static_cast<std::int32_t>(pair.second);
    const auto right_there = upload(env, columns), starts_there = upload(env, starts), which_there = upload(env, which);
    const Buffer<Space> losses = env.room(static_cast<std::size_t>(s.rows) * sizeof(double));
    const auto ints = [](const Buffer<Space>& b) { return static_cast<const std::int32_t*>(b.data()); };
    env.queue().groups(s.rows, CrossEntropy<T>{s, ints(right_there), ints(starts_there), ints(which_there), T(sharpness), counted ? sharpness / static_cast<double>(counted) : 0.0, ds,
                                               static_cast<double*>(losses.data())});
    std::vector<double> each(static_cast<std::size_t>(s.rows));
    Space::copy(each.data(), losses.data(), each.size() * sizeof(double));
    return counted ? std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(counted) : 0;
  }

  // --- tables ----------------------------------------------------------------------------------------------------------------------------------------
  template <class Env>
  static void gather_rows_add(Env& env, V table, Ids ids, W y) {
    const auto there = upload(env, ids);
    env.queue().each(y.rows, y.columns, GatherRowsAdd<T>{table, static_cast<const std::int32_t*>(there.data()), y});
  }
  template <class Env>
  static void scatter_rows_add(Env& env, V dy, Ids ids, W dtable) {
    if (ids.empty()) return;
    // [rows of the table that are meant, where each one's begin in `order`, order]: tokens by row, and in their order within one
    std::vector<std::int32_t> order(ids.size()), rows, starts;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return ids[static_cast<std::size_t>(a)] < ids[static_cast<std::size_t>(b)]; });
    for (std::size_t i = 0; i < order.size(); ++i)
      if (const auto id = ids[static_cast<std::size_t>(order[i])]; rows.empty() || rows.back() != id) rows.push_back(id), starts.push_back(static_cast<std::int32_t>(i));
    starts.push_back(static_cast<std::int32_t>(order.size()));
    const auto n = static_cast<Index>(rows.size());
    constexpr std::int32_t most = 128;  // tokens of a piece
    std::vector<std::int32_t> first{0}, pieces;
    for (std::size_t k = 0; k + 1 < starts.size(); ++k) {
      for (std::int32_t i = starts[k]; i < starts[k + 1]; i += most) pieces.push_back(i);
      first.push_back(static_cast<std::int32_t>(pieces.size()));
    }
    if (static_cast<Index>(pieces.size()) > n) {
      const auto count = static_cast<Index>(pieces.size());
      pieces.push_back(starts.back());
      // [rows, first piece of each, where pieces begin, order]
      std::vector<std::int32_t> all = std::move(rows);
      for (const auto* list : {&first, &pieces, &order}) all.insert(all.end(), list->begin(), list->end());
      const auto there = upload(env, all);
      const auto* at = static_cast<const std::int32_t*>(there.data());
      auto parts = env.template take<Env>(count, dy.columns);
      env.queue().each(count, dy.columns, ScatterParts<T>{dy, at + 2 * n + 1, at + 2 * n + 1 + count + 1, parts.writable()});
      env.queue().each(n, dy.columns, ScatterJoin<T>{parts.view(), at, at + n, dtable});
      return;
    }
    rows.insert(rows.end(), starts.begin(), starts.end());
    rows.insert(rows.end(), order.begin(), order.end());
    const auto there = upload(env, rows);
    const auto* at = static_cast<const std::int32_t*>(there.data());
    env.queue().each(n, dy.columns, ScatterRowsAdd<T>{dy, at, at + n, at + 2 * n + 1, dtable});
  }

  // --- attention ---------------------------------------------------------------------------------------------------------------------------------------
  static Index attention_saved(const Sequences& s, Index heads, Index, bool firsts = false) { return heads * (firsts ? s.count() : s.tokens()); }
  template <class Env>
  static void attention(Env& env, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, W y, W saved, bool firsts = false) {
    if (firsts) clear_empty(env, s, y);
    std::vector<Piece> pieces;
    Attention<T> f(heads_of(env, q, k, v, pk, pv, s, heads, mask, firsts, false, pieces));
    f.y = y, f.saved = saved.data;
    env.queue().tiles(static_cast<Index>(pieces.size()) * heads, f.room(f.width), f);
  }
  template <class Env>
  static void attention_backward(Env& env, V dy, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, V saved, W dq, W dk, W dv, W dpk,
                                 W dpv, bool firsts = false) {
    if (firsts) clear_empty(env, s, dq);
    const auto means = env.template take<Env>(1, saved.columns);
    std::vector<Piece> pieces;
    {
      AttentionQueries<T> f(heads_of(env, q, k, v, pk, pv, s, heads, mask, firsts, false, pieces));
      f.dy = dy, f.saved = saved.data, f.dq = dq, f.means = const_cast<T*>(means.data());
      env.queue().tiles(static_cast<Index>(pieces.size()) * heads, f.room(f.width), f);
    }
    const Index l = pk.rows;
    const auto room = [&](W g) {
      if (g.empty() || l == 0) return Tensor<Env>();
      auto parts = env.template take<Env>(s.count() * l, g.columns);
      clear(env, parts.writable());  // a sequence without tokens gives nothing
      return parts;
    };
    auto prefix_dk = room(dpk), prefix_dv = room(dpv);
    AttentionKeys<T> f(heads_of(env, q, k, v, pk, pv, s, heads, mask, firsts, true, pieces));
    f.dy = dy, f.saved = saved.data, f.means = means.data(), f.dk = dk, f.dv = dv, f.prefix_dk = prefix_dk.writable(), f.prefix_dv = prefix_dv.writable();
    env.queue().tiles(static_cast<Index>(pieces.size()) * heads, f.room(f.width), f);
    if (!prefix_dk.empty()) env.queue().each(l, dpk.columns, JoinPrefix<T>{prefix_dk.view(), s.count(), dpk});
    if (!prefix_dv.empty()) env.queue().each(l, dpv.columns, JoinPrefix<T>{prefix_dv.view(), s.count(), dpv});
  }

  // --- pooling -------------------------------------------------------------------------------------------------------------------------------------------
  template <class Env>
  static void pool_mean(Env& env, V x, const Sequences& s, W y) {
    pool(env, Pool::mean, x, s, y);
  }
  template <class Env>
  static void pool_first(Env& env, V x, const Sequences& s, W y) {
    pool(env, Pool::first, x, s, y);
  }
  template <class Env>
  static void pool_max(Env& env, V x, const Sequences& s, W y) {
    pool(env, Pool::max, x, s, y);
  }
  template <class Env>
  static void pool_mean_backward(Env& env, V dy, const Sequences& s, W dx) {
    pool_backward(env, Pool::mean, dy, {}, s, dx);
  }
  template <class Env>
  static void pool_first_backward(Env& env, V dy, const Sequences& s, W dx) {
    pool_backward(env, Pool::first, dy, {}, s, dx);
  }
  template <class Env>
  static void pool_max_backward(Env& env, V dy, V x, const Sequences& s, W dx) {
    pool_backward(env, Pool::max, dy, x, s, dx);
  }
  template <class Env>
  static void add_first(Env& env, V x, const Sequences& s, W y) {
    env.queue().each(s.count(), x.columns, AddFirst<T>{x, offsets(env, s), y});
  }

  // --- search --------------------------------------------------------------------------------------------------------------------------------------------
  // found(row, column, score) on the host for each row's k largest above least[row] (LargestOfRows), row by row and in no order within one.
  template <class Env, class F>
  static void largest_of_rows(Env& env, V s, Index k, std::span<const T> least, const F& found) {
    k = std::min(k, s.columns);
    if (s.rows == 0 || k <= 0) return;
    const auto there = upload(env, least);
    // [counts, columns, scores]
    const auto rows = static_cast<std::size_t>(s.rows), most = rows * static_cast<std::size_t>(k);
    const std::size_t scores_at = (rows + most) * sizeof(std::int32_t) / alignof(double) * alignof(double) + alignof(double), bytes = scores_at + most * sizeof(T);
    const Buffer<Space> room = env.room(bytes);
    const auto of = [&](void* p) { return std::pair{static_cast<std::int32_t*>(p), reinterpret_cast<T*>(static_cast<std::byte*>(p) + scores_at)}; };
    const auto [counts, scores] = of(room.data());
    env.queue().groups(s.rows, LargestOfRows<T>{s, static_cast<const T*>(there.data()), k, counts + rows, scores, counts});
    std::vector<std::byte> here(bytes);
    Space::copy(here.data(), room.data(), bytes);
    const auto [how_many, values] = of(here.data());
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < static_cast<std::size_t>(how_many[i]); ++j) {
        const std::size_t at = i * static_cast<std::size_t>(k) + j;
        found(static_cast<Index>(i), static_cast<Index>(how_many[rows + at]), values[at]);
      }
  }

private:
  static Index pieces_of(Index n) { return (n + piece_size - 1) / piece_size; }
  template <class Env>
  static auto uploading(Env& env) {
    return [&env](const void* data, std::size_t bytes) {
      Buffer<Space> there = env.room(bytes);
      if (bytes) env.queue().upload(there.data(), data, bytes);
      return there;
    };
  }
  template <class Env, class List>
  static Buffer<Space> upload(Env& env, const List& list) {
    return uploading(env)(list.data(), list.size() * sizeof list[0]);
  }
  template <class Env>
  static const Index* offsets(Env& env, const Sequences& s) {
    return env.lists()(s.offsets, uploading(env));
  }

  template <class Env, class Term>
  static void sum_down(Env& env, Index rows, const Term& term, W g) {
    const Index high = std::max<Index>(64, (rows + 127) / 128);
    const auto parts = env.template take<Env>((rows + high - 1) / high, g.columns);
    if (parts.size() == 0) return;
    const Matrix<T> to{W(const_cast<T*>(parts.data()), parts.rows(), parts.columns())};
    env.queue().each(parts.rows(), parts.columns(), PartSums<T, Term>{term, rows, high, to});
    env.queue().each(1, g.columns, JoinSums<T>{parts.view(), g});
  }
  template <class Env>
  static void pool(Env& env, Pool how, V x, const Sequences& s, W y) {
    env.queue().each(s.count(), x.columns, Pooled<T>{how, x, offsets(env, s), y});
  }
  template <class Env>
  static void pool_backward(Env& env, Pool how, V dy, V x, const Sequences& s, W dx) {
    env.queue().each(s.count(), dy.columns, PooledBackward<T>{how, dy, x, offsets(env, s), dx});
  }
  template <class Env>
  static void clear_empty(Env& env, const Sequences& s, W y) {
    env.queue().each(s.count(), y.columns, ClearEmpty<T>{offsets(env, s), y});
  }
  // `by_keys`: pieces of keys instead of queries.
  template <class Env>
  static Heads<T> heads_of(Env& env, V q, V k, V v, V pk, V pv, const Sequences& s, Index heads, Mask mask, bool firsts, bool by_keys, std::vector<Piece>& pieces) {
    const Index l = pk.rows;
    std::vector<Index> starts;
    Index start = 0;
    pieces.clear();
    for (Index i = 0; i < s.count(); ++i) {
      const Index n = s.length(i), queries = firsts ? Index{n > 0} : n, rows = by_keys ? (n ? l + n : 0) : queries, tile = by_keys ? Heads<T>::wide : Heads<T>::tall;
      for (Index t = 0; t * tile < rows; ++t) pieces.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(t)});
      starts.push_back(start);
      start += heads * queries * (l + n);
    }
    return {q, k, v, pk, pv, offsets(env, s), env.lists()(starts, uploading(env)), env.lists()(pieces, uploading(env)), heads, q.columns / heads, mask, firsts};
  }
};

}  // namespace towpath::cuda
