#include "towpath/ir/bi_encoder.hpp"

#include "batches.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class Pooling, class Similarity>
using Retriever = BiEncoder<SmallBert<LoRA<2>, Adapter<2>>, Pooling, Similarity>;

Batch three() {
  Batch b = some_batch({2, 1, 4}, {3, 1, 5, 2, 1});
  b.also_relevant = {{0, 3}, {2, 0}};
  return b;
}
}  // namespace

TEST_CASE("gradients of the whole: encoder, pooling, similarity, loss") {
  CHECK(worst_through_the_loss<Retriever<MeanPooling, Cosine>>(three(), 0.1) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<ClsPooling, Cosine>>(three(), 0.1) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<MaxPooling, Cosine>>(three(), 0.1) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<MeanPooling, Dot>>(three(), 8) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<ClsPooling, Dot>>(three(), 8) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<MaxPooling, Dot>>(three(), 8) < gradient_tolerance);
}

TEST_CASE("gradients of the whole with dropout, with trained embeddings, with one query and two passages") {
  CHECK(worst_through_the_loss<Retriever<MeanPooling, Cosine>>(three(), 0.1, 0.2f) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<MaxPooling, Dot>>(three(), 8, 0.2f) < gradient_tolerance);
  CHECK(worst_through_the_loss<Retriever<MeanPooling, Cosine>>(some_batch({1}, {1, 1}), 0.1) < gradient_tolerance);
  using Tuned = BiEncoder<Bert<Small, SmallStack<FullTuning>, FullTuning, Pathway<Aside<2>>>, MeanPooling, Cosine>;
  CHECK(worst_through_the_loss<Tuned>(three(), 0.1) < gradient_tolerance);
}
