#pragma once

#include "towpath/tensor/tensor.hpp"

#include <span>
#include <utility>

namespace towpath {

// What a retriever says of a batch: the similarity of every query with every passage, which passage each query wants, and which
// others it is known to want too (they are no negatives). The last two are the batch's own lists, which has to be there as long.
template <class Env>
struct Scores {
  Tensor<Env> values;                                     // [queries, passages]
  std::span<const Index> positive;                        // [queries]
  std::span<const std::pair<Index, Index>> also_relevant; // (query, passage)
  Env* env = nullptr;
};

// A loss is a number and its gradient with respect to the scores.
template <class Env>
struct Loss {
  double value = 0;
  Tensor<Env> gradient;                                   // of the shape of the scores
};

}  // namespace towpath
