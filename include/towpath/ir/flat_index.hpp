#pragma once

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/base/check.hpp"
#include "towpath/tensor/tensor.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace towpath {

// A passage that was found: the number of its row (0 for the first that was added) and its score.
struct Hit {
  Index id = 0;
  double score = 0;
};

namespace detail {
inline void check_width(const char* what, Index width, const char* done, Index wanted) {
  if (width != wanted)
    fail(std::string(what) + " of width " + std::to_string(width) + " cannot be " + done, "the index was made for width " + std::to_string(wanted));
}
}  // namespace detail
// Best first: by score, equal scores in the order in which passages were added.
constexpr bool operator<(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; }

// Exact search: every vector's product with the query, the k best kept. What a vector is held in is a type:
//   the environment's scalar   as it is
//   bf16                       half the memory of float; x is rounded to bf16, and so is the query where the machine multiplies bf16
//   std::int8_t                a quarter; x and the query as whole numbers times max / 127 of each
// A score is that of the vectors as they are held; rescore() repairs the order where the originals are at hand. On embeddings of scifact by
// all-MiniLM-L6-v2, 0.998 of the first ten are float's with bf16 and 0.991 with int8. A search reads all vectors once for up to 256
// queries, so it takes as long as memory needs to give them, or processors to multiply them, whichever is longer.
// Results depend neither on threads nor on how vectors and queries are batched. A score that is no number is never found.
// On a GPU (below) vectors are held as they are, in its memory, and products are the environment's: Cuda<bf16> rounds both sides.
template <class Env = Cpu<float>, class Storage = typename Env::Scalar>
class FlatIndex {
public:
  using Scalar = typename Env::Scalar;
  static_assert(std::is_same_v<typename Env::Space, Host>,
                "[towpath] FlatIndex<Env, Storage>: on a GPU vectors are held in the environment's scalar; hold bf16 or std::int8_t in an "
                "environment on the CPU");
  static_assert(std::is_same_v<Storage, Scalar> ||
                    (std::is_same_v<Scalar, float> &&
                     (std::is_same_v<Storage, bf16> || std::is_same_v<Storage, std::int8_t>)),
                "[towpath] FlatIndex<Env, Storage>: vectors are held in the environment's scalar, or under float in "
                "bf16 or std::int8_t");
  static constexpr Index block_rows = 4096;

  explicit FlatIndex(Index width, Settings settings = {})
      : width_(width), env_(std::make_unique<Env>(settings)), store_(&store(settings)) {
    if (width < 1) fail("an index of width " + std::to_string(width), "vectors have at least one column");
    if (std::is_same_v<Storage, std::int8_t> && width > most_int8)
      fail("an index of width " + std::to_string(width) + " in int8",
           "its sums could leave 32 bits beyond " + std::to_string(most_int8), "Hold the vectors in bf16");
  }

  Index width() const { return width_; }
  Index size() const { return size_; }
  // Memory that the vectors take, in bytes.
  Index bytes() const { return static_cast<Index>(blocks_.size()) * store_->size(block_rows, width_); }

  // One passage per row.
  void add(View<Env> rows) {
    detail::check_width("vectors", rows.columns, "added", width_);
    const Index end = size_ + rows.rows, strip = store_->strip;
    while (static_cast<Index>(blocks_.size()) * block_rows < end) blocks_.push_back(block());
    const Index before = size_ / strip;  // the first strip that changes
    env_->rows((end + strip - 1) / strip - before, block_rows / strip / 8, [&](Index a, Index b) {
      for (Index s = before + a; s < before + b; ++s) {
        const Index from = std::max(size_, s * strip), to = std::min(end, (s + 1) * strip);
        store_->put(rows.row_block(from - size_, to - from), blocks_[static_cast<std::size_t>(from / block_rows)].get(),
                    from % block_rows);
      }
    });
    size_ = end;
  }
  void add(const Tensor<Env>& rows) { add(rows.view()); }

  // The k best for each row of queries, best first.
  std::vector<std::vector<Hit>> search_all(View<Env> queries, Index k) const {
    detail::check_width("a query", queries.columns, "searched", width_);
    std::vector<std::vector<Hit>> best(static_cast<std::size_t>(queries.rows));
    k = std::min(k, size_);
    if (k <= 0) return best;
    constexpr Index together = 256;
    for (Index q = 0; q < queries.rows; q += together)
      search_some(queries.row_block(q, std::min(together, queries.rows - q)), k, best.data() + q);
    return best;
  }
  std::vector<Hit> search(View<Env> query, Index k) const { return search_all(query.row_block(0, 1), k).front(); }
  std::vector<Hit> search(const Tensor<Env>& query, Index k) const { return search(query.view(), k); }

private:
  static constexpr Index most_int8 = 65536;
  static constexpr std::size_t page = std::size_t{1} << 21;
  using Best = kernels::Best<Scalar>;
  struct Free {
    void operator()(void* p) const { ::operator delete (p, std::align_val_t{page}); }
  };
  using Block = std::unique_ptr<void, Free>;

  static const kernels::Store<Scalar>& store(const Settings& settings) {
    const kernels::Table<Scalar>& k = cpu::choose<Scalar>(settings.isa);
    if constexpr (std::is_same_v<Storage, Scalar>) return k.plain;
    else if constexpr (std::is_same_v<Storage, bf16>) return k.in_bf16;
    else return k.in_int8;
  }
  // Zeros, on large pages where the system has them: with small ones, one core here reads a third less per second.
  Block block() const {
    const auto bytes = static_cast<std::size_t>(store_->size(block_rows, width_));
    Block b(::operator new (bytes, std::align_val_t{page}));
    Host::large_pages(b.get(), bytes);
    Host::clear(b.get(), bytes);
    return b;
  }

  // Each worker has a list of its own for each query and takes pieces in ascending order, so of equal scores it meets the lower number
  // first and may pass over what only equals its least. The order of (score, number) is strict: the k best of all are the same, whoever
  // found them.
  void search_some(View<Env> queries, Index k, std::vector<Hit>* best) const {
    const Index m = queries.rows, filled = (m + store_->fill - 1) / store_->fill * store_->fill,
                workers = env_->threads();
    const Index piece =
        std::min(block_rows, std::max<Index>(8 * store_->strip, size_ / (4 * workers) / store_->strip * store_->strip));
    const Index each = (block_rows + piece - 1) / piece, pieces = static_cast<Index>(blocks_.size()) * each;
    const Index room = std::min(size_ + 1, 2 * k + 64);
    const auto prepared = env_->room(static_cast<std::size_t>(store_->query_size(m, width_)));
    std::vector<Scalar> units(static_cast<std::size_t>(m));
    store_->prepare(queries, prepared.data(), units.data());

    const auto memory = env_->room(static_cast<std::size_t>(workers * m * room) * (sizeof(Index) + sizeof(Scalar)));
    auto* const ids = static_cast<Index*>(memory.data());
    auto* const scores = reinterpret_cast<Scalar*>(ids + workers * m * room);
    std::vector<Best> lists(static_cast<std::size_t>(workers * filled));
    std::atomic<Index> next{0};
    env_->rows(workers, 1, [&](Index worker, Index) {
      Best* mine = lists.data() + worker * filled;
      using Limits = std::numeric_limits<Scalar>;
      for (Index q = 0; q < m; ++q) {
        const Index at = (worker * m + q) * room;
        mine[q] = {-Limits::infinity(), scores + at, ids + at, 0, room, k};
      }
      for (Index q = m; q < filled; ++q) mine[q] = {Limits::infinity(), nullptr, nullptr, 0, 0, 0};
      for (Index p; (p = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
        const Index b = p / each, begin = b * block_rows, first = p % each * piece,
                    last = std::min({first + piece, block_rows, size_ - begin});
        if (first < last)
          store_->search(prepared.data(), m, width_, blocks_[static_cast<std::size_t>(b)].get(), first, last,
                         begin + first, mine);
      }
    });
    env_->rows(m, 8, [&](Index from, Index to) {
      for (Index q = from; q < to; ++q) {
        std::vector<Hit>& all = best[q];
        const double unit = static_cast<double>(units[static_cast<std::size_t>(q)]);
        for (Index worker = 0; worker < workers; ++worker) {
          Best& b = lists[static_cast<std::size_t>(worker * filled + q)];
          store_->narrow(b);
          for (Index i = 0; i < b.count; ++i) all.push_back({b.ids[i], unit * static_cast<double>(b.scores[i])});
        }
        std::sort(all.begin(), all.end());
        if (static_cast<Index>(all.size()) > k) all.resize(static_cast<std::size_t>(k));
      }
    });
  }

  Index width_, size_ = 0;
  std::unique_ptr<Env> env_;
  const kernels::Store<Scalar>* store_;
  std::vector<Block> blocks_;
};

// The same on a device. What comes and goes is in the device's memory, too. It has an environment of its own; copies keep it in step with the caller's.
template <class Env>
  requires(!std::is_same_v<typename Env::Space, Host>)
class FlatIndex<Env, typename Env::Scalar> {
public:
  using Scalar = typename Env::Scalar;
  static constexpr Index block_rows = 32768;

  explicit FlatIndex(Index width, Settings settings = {}) : width_(width), env_(std::make_unique<Env>(settings)) {
    if (width < 1) fail("an index of width " + std::to_string(width), "vectors have at least one column");
  }

  Index width() const { return width_; }
  Index size() const { return size_; }
  Index bytes() const { return static_cast<Index>(blocks_.size()) * block_rows * width_ * static_cast<Index>(sizeof(Scalar)); }

  // One passage per row.
  void add(View<Env> rows) {
    detail::check_width("vectors", rows.columns, "added", width_);
    TOWPATH_CHECK(rows.contiguous());
    for (Index done = 0; done < rows.rows;) {
      const Index at = size_ % block_rows, n = std::min(block_rows - at, rows.rows - done);
      if (at == 0) blocks_.emplace_back(std::shared_ptr<Pool<typename Env::Space>>(), block_rows, width_);
      copy(blocks_.back().writable().row(at), rows.row(done), n * width_);
      size_ += n, done += n;
    }
  }
  void add(const Tensor<Env>& rows) { add(rows.view()); }

  // The k best for each row of queries, best first.
  std::vector<std::vector<Hit>> search_all(View<Env> queries, Index k) const {
    detail::check_width("a query", queries.columns, "searched", width_);
    TOWPATH_CHECK(queries.contiguous());
    std::vector<std::vector<Hit>> best(static_cast<std::size_t>(queries.rows));
    k = std::min(k, size_);
    if (k <= 0) return best;
    constexpr Index together = 256;
    for (Index q = 0; q < queries.rows; q += together) {
      const Index m = std::min(together, queries.rows - q);
      auto mine = env_->template take<Env>(m, width_);
      copy(mine.data(), queries.row(q), m * width_);
      // blocks in the order of their numbers: of equal scores those that were there first stay
      std::vector<Scalar> least(static_cast<std::size_t>(m), -std::numeric_limits<Scalar>::infinity());
      for (Index b = 0; b < static_cast<Index>(blocks_.size()); ++b) {
        const View<Env> block = blocks_[static_cast<std::size_t>(b)].view().row_block(0, std::min(block_rows, size_ - b * block_rows));
        const auto scores = op::nt<Env>(*env_, mine, block);
        op::largest_of_rows<Env>(*env_, scores, k, least, [&](Index row, Index column, Scalar score) {
          best[static_cast<std::size_t>(q + row)].push_back({b * block_rows + column, static_cast<double>(score)});
        });
        for (Index row = 0; row < m; ++row) {
          auto& found = best[static_cast<std::size_t>(q + row)];
          if (static_cast<Index>(found.size()) < k) continue;
          std::nth_element(found.begin(), found.begin() + (k - 1), found.end());
          found.resize(static_cast<std::size_t>(k));
          least[static_cast<std::size_t>(row)] = static_cast<Scalar>(found.back().score);
        }
      }
    }
    for (auto& found : best) std::sort(found.begin(), found.end());
    return best;
  }
  std::vector<Hit> search(View<Env> query, Index k) const { return search_all(query.row_block(0, 1), k).front(); }
  std::vector<Hit> search(const Tensor<Env>& query, Index k) const { return search(query.view(), k); }

private:
  static void copy(Scalar* to, const Scalar* from, Index n) { Env::Space::copy(to, from, static_cast<std::size_t>(n) * sizeof(Scalar)); }

  Index width_, size_ = 0;
  std::unique_ptr<Env> env_;
  std::vector<Tensor<Env>> blocks_;
};

// The k best of what was found for a query, by their products in double with the vectors as they were before they were held in less
// (rows in the order of adding; a mapped file will do). For bf16 and int8: search for a few more than are wanted, then keep the best.
template <class T>
std::vector<Hit> rescore(BasicView<const T> query, BasicView<const T> originals, std::vector<Hit> found, Index k) {
  TOWPATH_CHECK(query.rows == 1 && query.columns == originals.columns);
  for (Hit& hit : found) {
    hit.score = 0;
    for (Index c = 0; c < query.columns; ++c)
      hit.score += static_cast<double>(query.row(0)[c]) * static_cast<double>(originals.row(hit.id)[c]);
  }
  std::sort(found.begin(), found.end());
  if (static_cast<Index>(found.size()) > k) found.resize(static_cast<std::size_t>(std::max<Index>(0, k)));
  return found;
}

}  // namespace towpath
