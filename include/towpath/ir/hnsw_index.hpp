// Approximate search through hnswlib, which is optional: this header is not part of towpath.hpp.
#pragma once

#include "towpath/base/check.hpp"
#include "towpath/ir/flat_index.hpp"
#include "towpath/tensor/tensor.hpp"

#if !__has_include(<hnswlib/hnswlib.h>)
#error \
    "[towpath] ir/hnsw_index.hpp needs hnswlib: install it with 'apt-get install libhnswlib-dev' (Debian, Ubuntu), or use FlatIndex"
#endif
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

namespace towpath {

// The graph of Malkov and Yashunin (2018), arXiv:1603.09320.
struct Hnsw {
  Index m = 16;                 // neighbours of a vector in each layer above the lowest, where it has 2 m
  Index ef_construction = 200;  // candidates looked at while adding
  Index ef = 100;           // candidates looked at while searching, at least as many as are wanted: recall against time
  Index build_threads = 1;  // with more, the graph depends on which thread came first, and so may results
  Index seed = 100;         // of the layers that vectors are drawn for
};

// Vectors by inner product like FlatIndex, with the same calls, but only those are compared that a walk through a graph of neighbours
// meets: about log(size) many, of which a few that FlatIndex would find are missed. Worth it where FlatIndex is too slow, from some hundred
// thousand vectors on: building takes as long as many thousand exact searches, and the graph is kept beside the vectors. Inner products
// of vectors whose lengths differ much are found worse than those of normalised ones.
template <class Env = Cpu<float>>
class HnswIndex {
public:
  static_assert(std::is_same_v<typename Env::Scalar, float> && std::is_same_v<typename Env::Space, Host>,
                "[towpath] HnswIndex holds float in the memory of the host: take Cpu<float>");

  explicit HnswIndex(Index width, Hnsw graph = {}, Settings settings = {})
      : width_(width), options_(graph), env_(std::make_unique<Env>(settings)) {
    if (width < 1) fail("an index of width " + std::to_string(width), "vectors have at least one column");
    if (graph.m < 2 || graph.ef_construction < 1 || graph.ef < 1)
      fail("a graph of m " + std::to_string(graph.m) + ", ef_construction " + std::to_string(graph.ef_construction) +
               " and ef " + std::to_string(graph.ef),
           "vectors need at least 2 neighbours and searches at least one candidate");
    space_ = std::make_unique<hnswlib::InnerProductSpace>(static_cast<std::size_t>(width));
    graph_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(
        space_.get(), first_room, static_cast<std::size_t>(graph.m), static_cast<std::size_t>(graph.ef_construction),
        static_cast<std::size_t>(graph.seed));
  }

  Index width() const { return width_; }
  Index size() const { return size_; }

  // One passage per row.
  void add(View<Env> rows) {
    detail::check_width("vectors", rows.columns, "added", width_);
    if (rows.rows == 0) return;
    const auto wanted = static_cast<std::size_t>(size_ + rows.rows);
    if (wanted > graph_->max_elements_) graph_->resizeIndex(std::max(wanted, 2 * graph_->max_elements_));
    const auto one = [&](Index i) { graph_->addPoint(rows.row(i), static_cast<hnswlib::labeltype>(size_ + i)); };
    one(0);  // the first of all is where every walk begins, and it has to be there
    Threads threads(options_.build_threads < 1 ? 1 : options_.build_threads);
    threads.rows(rows.rows - 1, 16, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) one(i + 1);
    });
    size_ += rows.rows;
  }
  void add(const Tensor<Env>& rows) { add(rows.view()); }

  // About the k best for each row of queries, best first.
  std::vector<std::vector<Hit>> search_all(View<Env> queries, Index k) const {
    detail::check_width("a query", queries.columns, "searched", width_);
    std::vector<std::vector<Hit>> best(static_cast<std::size_t>(queries.rows));
    k = std::min(k, size_);
    if (k <= 0) return best;
    graph_->setEf(static_cast<std::size_t>(std::max(k, options_.ef)));
    env_->rows(queries.rows, 1, [&](Index first, Index last) {
      for (Index q = first; q < last; ++q) {
        auto found = graph_->searchKnn(queries.row(q), static_cast<std::size_t>(k));
        auto& hits = best[static_cast<std::size_t>(q)];
        for (; !found.empty(); found.pop())  // hnswlib's distance is 1 - q · x
          hits.push_back({static_cast<Index>(found.top().second), 1 - static_cast<double>(found.top().first)});
        std::sort(hits.begin(), hits.end());
      }
    });
    return best;
  }
  std::vector<Hit> search(View<Env> query, Index k) const { return search_all(query.row_block(0, 1), k).front(); }
  std::vector<Hit> search(const Tensor<Env>& query, Index k) const { return search(query.view(), k); }

  // The graph and its vectors in hnswlib's own format.
  void save(const std::string& path) const {
    const std::string aside = path + ".partial";
    try {
      graph_->saveIndex(aside);
    } catch (const std::exception& e) { fail("cannot write " + path, e.what()); }
    // hnswlib does not look whether its writes succeeded: the size tells
    const auto& g = *graph_;
    std::uintmax_t size = sizeof g.offsetLevel0_ + sizeof g.max_elements_ + sizeof g.cur_element_count +
                          sizeof g.size_data_per_element_ + sizeof g.label_offset_ + sizeof g.offsetData_ +
                          sizeof g.maxlevel_ + sizeof g.enterpoint_node_ + sizeof g.maxM_ + sizeof g.maxM0_ +
                          sizeof g.M_ + sizeof g.mult_ + sizeof g.ef_construction_;
    for (std::size_t i = 0; i < g.cur_element_count; ++i)
      size += g.size_data_per_element_ + 4 + static_cast<std::size_t>(g.element_levels_[i]) * g.size_links_per_element_;
    std::error_code unknown;
    const std::uintmax_t written = std::filesystem::file_size(aside, unknown);
    if (unknown || written < size || std::rename(aside.c_str(), path.c_str()) != 0) {
      std::remove(aside.c_str());
      fail("cannot write " + path, "the file could not be made, or not all of it",
           "Check that the folder exists, may be written to and has room");
    }
  }
  // m and ef_construction are those of the file.
  static HnswIndex load(const std::string& path, Index width, Hnsw graph = {}, Settings settings = {}) {
    HnswIndex index(width, graph, settings);
    try {
      index.graph_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(index.space_.get(), path);
    } catch (const std::exception& e) { fail("cannot read " + path, std::string("hnswlib says: ") + e.what()); }
    const auto& g = *index.graph_;
    if (g.label_offset_ - g.offsetData_ != static_cast<std::size_t>(width) * sizeof(float))
      fail("cannot read " + path, "its vectors are of width " +
                                      std::to_string((g.label_offset_ - g.offsetData_) / sizeof(float)) + ", not " +
                                      std::to_string(width));
    index.size_ = static_cast<Index>(g.cur_element_count);
    return index;
  }

private:
  static constexpr std::size_t first_room = 1024;

  Index width_, size_ = 0;
  Hnsw options_;
  std::unique_ptr<Env> env_;
  std::unique_ptr<hnswlib::InnerProductSpace> space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph_;
};

}  // namespace towpath
