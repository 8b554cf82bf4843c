// Training is a function of the seed: ten steps give the same bits with one, two and three threads, and again.
#include "batches.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/optim/clip.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {

// Broad and long enough that every product and every row-wise operation is cut into several pieces of work.
struct Broad : Small {
  static constexpr Index hidden = 64, heads = 4, ffn = 256, vocabulary = 300, positions = 64;
};
template <class... Methods>
using Retriever = BiEncoder<Bert<Broad, Repeat<2, TransformerLayer<Broad, Methods...>>>, MeanPooling, Cosine>;

struct Trace {
  std::vector<double> losses;
  std::vector<std::vector<float>> weights;
  friend bool operator==(const Trace&, const Trace&) = default;
};

template <class Arch>
Trace ten_steps(Index threads) {
  using Net = typename Arch::template On<Cpu<float>>;
  Cpu<float> env{{.threads = threads, .seed = 9, .dropout = 0.1f}};
  Net model{env};
  randomise(model, 2);
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  AdamW<Net> adam{model, Adam{.rate = 1e-3, .decay = 0.01}};
  const InfoNce loss;
  Trace trace;
  for (std::uint64_t step = 0; step < 10; ++step) {
    const Batch b = some_batch({5, 20, 9, 1, 33, 12, 7, 40}, {60, 31, 64, 22, 5, 50, 47, 18, 64, 3, 64, 64}, step, Broad::vocabulary);
    zero(grads);
    const auto l = loss(model.forward(env, b, saved));
    model.backward(env, l.gradient, b, saved, grads);
    adam.update(env, model, grads, 1, clip_factor(gradient_norm<Net>(env, grads), 1.0));
    trace.losses.push_back(l.value);
  }
  for (const auto& leaf : trained_leaves(model)) trace.weights.emplace_back(leaf.view().data, leaf.view().data + leaf.size());
  return trace;
}

template <class Arch>
void the_same_for_any_number_of_threads() {
  const Trace one = ten_steps<Arch>(1);
  CHECK(one.losses.front() > 0);
  CHECK(one.losses.front() != one.losses.back());
  CHECK(one == ten_steps<Arch>(1));
  CHECK(one == ten_steps<Arch>(2));
  CHECK(one == ten_steps<Arch>(3));
}

}  // namespace

TEST_CASE("ten training steps are the same bits for 1, 2 and 3 threads") {
  the_same_for_any_number_of_threads<Retriever<LoRA<4>, Adapter<8>, Prefix<3>, Pathway<Aside<8>>>>();
  the_same_for_any_number_of_threads<BiEncoder<Bert<Broad, Repeat<2, TransformerLayer<Broad, FullTuning>>, FullTuning>, MaxPooling, Dot>>();
}
