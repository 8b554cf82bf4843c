// The training loop with a cross-encoder: the same loop, so what it has to show here is that pairs go through it.
#include "towpath/loss/cross_entropy.hpp"
#include "towpath/train/loop.hpp"

#include "pairs.hpp"

#include <doctest/doctest.h>

using namespace small;

namespace {
struct Result {
  TrainState state;
  std::vector<std::vector<float>> weights;
};
Result run(const LoopOptions& o, Index threads = 1) {
  const Triples data = triples({.tokens = 200});
  const AsPairs groups{data, {.max_length = 12}};
  Env env({.threads = threads, .seed = 5, .dropout = 0.1f});
  Cross model(env);
  initialise(model, 11, Fill::everything);
  AdamW<Cross> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  Result r{train(model, env, adam, groups, GroupCrossEntropy{}, o,
                 [](const TrainState& s) { return s.epoch == 7 ? 0.1 : 0.2 + 0.1 * static_cast<double>(s.epoch); }),
           {}};
  for (const auto& leaf : trained_leaves(model))
    r.weights.emplace_back(leaf.owned->data(), leaf.owned->data() + leaf.size());
  return r;
}
LoopOptions options() { return {.epochs = 8, .warmup = 0.2, .state = "pairs.safetensors", .identity = "pairs"}; }
}  // namespace

TEST_CASE("a cross-encoder trains, and a run that stops goes on to the same bits") {
  const Result whole = run(options());
  const std::size_t n = whole.state.losses.size();
  REQUIRE(n >= 24);
  double first = 0, last = 0;
  for (std::size_t i = 0; i < 4; ++i) first += whole.state.losses[i] / 4, last += whole.state.losses[n - 1 - i] / 4;
  CHECK(last < 0.5 * first);
  CHECK(whole.state.best_at == 6);
  CHECK(whole.state.tokens > 0);
  for (Index stop : {Index{2}, static_cast<Index>(n) / 2}) {
    LoopOptions part = options();
    part.stop_after = stop;
    run(part);
    LoopOptions rest = options();
    rest.resume = true;
    const Result resumed = run(rest, 2);
    CHECK(resumed.state.losses == whole.state.losses);
    CHECK(resumed.state.dev == whole.state.dev);
    CHECK(resumed.state.tokens == whole.state.tokens);
    CHECK(resumed.weights == whole.weights);
  }
}
