#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/config.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace towpath {

// The parameters of a model that train as one row of numbers, in the order of visit(): a point that an analysis moves about. It refers to the
// model, which has to stay where it is.
template <class Net, class Env = typename Net::Environment>
class Point {
  static_assert(Net::trains, "[towpath] analysis: nothing in this model trains, so there is nothing to look at");

public:
  using Scalar = typename Env::Scalar;
  struct Part {
    std::string name;
    Index begin, rows, columns;
    Index size() const { return rows * columns; }
  };

  explicit Point(Net& model) : leaves_(trained_leaves<Net, Env>(model)) {
    for (const auto& leaf : leaves_) {
      parts_.push_back({leaf.name, size_, leaf.rows(), leaf.columns()});
      size_ += leaf.size();
    }
  }

  Index size() const { return size_; }
  const std::vector<Part>& parts() const { return parts_; }

  std::vector<Scalar> weights() const {
    std::vector<Scalar> all(static_cast<std::size_t>(size_));
    for (std::size_t i = 0; i < leaves_.size(); ++i) fetch(&all[begin(i)], leaves_[i].owned->data(), parts_[i]);
    return all;
  }
  std::vector<Scalar> gradient(const typename Net::Grads& grads) const {
    std::vector<Scalar> all(static_cast<std::size_t>(size_));
    const auto g = tensors<Net, Env>(grads);
    for (std::size_t i = 0; i < g.size(); ++i) fetch(&all[begin(i)], g[i]->data(), parts_[i]);
    return all;
  }
  void set(std::span<const Scalar> weights) {
    for (std::size_t i = 0; i < leaves_.size(); ++i) set(i, weights);
  }
  void set(std::size_t part, std::span<const Scalar> weights) {  // that part of the row alone
    fetch(leaves_[part].owned->data(), &weights[begin(part)], parts_[part]);
  }

private:
  std::size_t begin(std::size_t part) const { return static_cast<std::size_t>(parts_[part].begin); }
  static void fetch(Scalar* to, const Scalar* from, const Part& part) {
    Env::Space::copy(to, from, static_cast<std::size_t>(part.size()) * sizeof(Scalar));
  }

  std::vector<LeafRef<Env>> leaves_;
  std::vector<Part> parts_;
  Index size_ = 0;
};

}  // namespace towpath
