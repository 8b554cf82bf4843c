#include "towpath/ir/bi_encoder.hpp"

#include "batches.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include "towpath/peft/prefix.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

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

namespace {
// [CLS] as the other poolings see it: an encoder that has computed every row, of which this takes the first.
struct FirstOfAll : ClsPooling {
  static constexpr bool only_firsts = false;
};
// Scores, and every gradient, of an encoder that computes in its last layer what is pooled and nothing else, against one that computes all.
template <class Encoder>
void narrowed_equals_all(const Batch& batch) {
  using Env = Cpu<double>;
  using Narrow = typename BiEncoder<Encoder, ClsPooling, Cosine>::template On<Env>;
  using All = typename BiEncoder<Encoder, FirstOfAll, Cosine>::template On<Env>;
  const auto run = [&]<class M>(std::type_identity<M>) {
    Env env({.threads = 2, .seed = 5});
    M model(env);
    initialise(model, 3, Fill::everything);
    for (auto& leaf : trained_leaves(model)) {  // zero starts would hide a branch
      Random r(11, stream_of(leaf.name));
      for (Index i = 0; i < leaf.size(); ++i) leaf.owned->data()[i] += 0.1 * r.normal();
    }
    typename M::template Saved<Learn<false>> saved;
    typename M::Grads grads;
    const auto scores = model.template forward<Learn<false>>(env, batch, saved);
    Tensor<Env> d(scores.values.rows(), scores.values.columns());
    for (Index i = 0; i < d.size(); ++i) d.data()[i] = 0.3 * static_cast<double>(i % 7) - 1;
    model.template backward<Learn<false>>(env, d, batch, saved, grads);
    std::vector<double> numbers(scores.values.data(), scores.values.data() + scores.values.size());
    for (const auto* g : tensors<M>(grads)) numbers.insert(numbers.end(), g->data(), g->data() + g->size());
    return numbers;
  };
  const auto narrow = run(std::type_identity<Narrow>{}), all = run(std::type_identity<All>{});
  REQUIRE(narrow.size() == all.size());
  double worst = 0;
  for (std::size_t i = 0; i < all.size(); ++i) worst = std::max(worst, std::fabs(narrow[i] - all[i]) / (1 + std::fabs(all[i])));
  CHECK(worst < 1e-12);
}
}  // namespace

TEST_CASE("under [CLS] pooling the last layer computes the pooled rows alone, with the same scores and gradients") {
  Batch b = three();
  narrowed_equals_all<SmallBert<LoRA<2>, Adapter<2>>>(b);
  narrowed_equals_all<SmallBert<LoRA<2>, Adapter<2>>>(some_batch({2, 1}, {3, 0, 5}));
  narrowed_equals_all<SmallBert<LoRA<2, at::Query, at::Key, at::Value, at::FfnIn>, Pathway<Aside<2>>>>(b);
  narrowed_equals_all<Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small, LoRA<2>>>>>>(b);
  narrowed_equals_all<Bert<Small, Segments<Repeat<1, TransformerLayer<Small, Prefix<2>>>, Repeat<1, TransformerLayer<Small, Adapter<2, at::BesideFfn, at::BesideAttention>>>>>>(b);
  narrowed_equals_all<Bert<Small, SmallStack<FullTuning>, FullTuning, Pathway<Aside<2>>>>(b);
  narrowed_equals_all<Bert<Small, Repeat<1, TransformerLayer<Small, Prefix<3>, Pathway<Aside<2>, at::OutsideAttention, at::OutsideFfn>>>, BitFit>>(b);
}
