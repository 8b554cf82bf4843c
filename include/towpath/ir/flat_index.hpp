#pragma once

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/base/check.hpp"
#include "towpath/tensor/tensor.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace towpath {

// A passage that was found: the number of its row (0 for the first that was added) and its score.
struct Hit {
  Index id = 0;
  double score = 0;
};

// Exact search: all products, the k best kept; equal scores in the order in which passages were added. Vectors lie in blocks of fixed
// size, so adding never moves what is there, and a search is a product per block followed by a selection.
template <class Env = Cpu<float>>
class FlatIndex {
public:
  static constexpr Index block_rows = 4096;

  explicit FlatIndex(Index width, Settings settings = {}) : width_(width), env_(std::make_unique<Env>(settings)) {
    if (width < 1) fail("an index of width " + std::to_string(width), "vectors have at least one column");
  }

  Index width() const { return width_; }
  Index size() const { return size_; }

  // One passage per row.
  void add(View<Env> rows) {
    if (rows.columns != width_)
      fail("vectors of width " + std::to_string(rows.columns) + " cannot be added", "the index was made for width " + std::to_string(width_));
    for (Index done = 0; done < rows.rows;) {
      const Index at = size_ % block_rows, n = std::min(rows.rows - done, block_rows - at);
      if (at == 0) blocks_.emplace_back(block_rows, width_);
      Env::Ops::copy(*env_, rows.row_block(done, n), blocks_.back().writable().row_block(at, n));
      done += n;
      size_ += n;
    }
  }
  void add(const Tensor<Env>& rows) { add(rows.view()); }

  // The k best for each row of queries, best first.
  std::vector<std::vector<Hit>> search_all(View<Env> queries, Index k) const {
    if (queries.columns != width_)
      fail("a query of width " + std::to_string(queries.columns) + " cannot be searched", "the index was made for width " + std::to_string(width_));
    std::vector<std::vector<Hit>> best(static_cast<std::size_t>(queries.rows));
    const auto better = [](const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; };
    k = std::min(k, size_);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Index first = static_cast<Index>(b) * block_rows, n = std::min(block_rows, size_ - first);
      const Tensor<Env> scores = op::nt<Env>(*env_, queries, blocks_[b].view().row_block(0, n));                  // [queries, n]
      env_->rows(queries.rows, 1, [&](Index from, Index to) {
        for (Index q = from; q < to; ++q) {
          auto& heap = best[static_cast<std::size_t>(q)];
          const auto* s = scores.view().row(q);
          for (Index i = 0; i < n; ++i) {
            const Hit hit{first + i, static_cast<double>(s[i])};
            if (static_cast<Index>(heap.size()) < k) {
              heap.push_back(hit);
              std::push_heap(heap.begin(), heap.end(), better);
            } else if (k > 0 && better(hit, heap.front())) {
              std::pop_heap(heap.begin(), heap.end(), better);
              heap.back() = hit;
              std::push_heap(heap.begin(), heap.end(), better);
            }
          }
        }
      });
    }
    for (auto& heap : best) std::sort_heap(heap.begin(), heap.end(), better);
    return best;
  }
  std::vector<Hit> search(View<Env> query, Index k) const { return search_all(query.row_block(0, 1), k).front(); }
  std::vector<Hit> search(const Tensor<Env>& query, Index k) const { return search(query.view(), k); }

private:
  Index width_, size_ = 0;
  std::unique_ptr<Env> env_;
  std::vector<Tensor<Env>> blocks_;
};

}  // namespace towpath
