#include "towpath/train/loop.hpp"

#include "small.hpp"

#include <doctest/doctest.h>

using namespace small;

namespace {

struct Result {
  TrainState state;
  std::vector<std::vector<float>> weights;
};
LoopOptions options(Index epochs = 4) { return {.epochs = epochs, .warmup = 0.2, .state = "state.safetensors", .identity = "small"}; }

// The dev metric of these runs is made up: it rises, and falls at the end, so that the best weights are not the last.
double metric(const TrainState& s) { return s.epoch == 3 ? 0.1 : 0.2 + 0.1 * static_cast<double>(s.epoch); }

Result run(const LoopOptions& o, Index threads = 1, float dropout = 0.2f, const Lengths& lengths = {}) {
  const Triples data = triples(lengths);
  Env env({.threads = threads, .seed = 5, .dropout = dropout});
  Model model(env);
  set(model);
  AdamW<Model> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  Result r{train(model, env, adam, data, InfoNce{.temperature = 0.1}, o, metric), {}};
  for (const auto& leaf : trained_leaves(model)) r.weights.emplace_back(leaf.owned->data(), leaf.owned->data() + leaf.size());
  return r;
}

}  // namespace

TEST_CASE("the loss falls, and the best epoch's weights are kept") {
  const Result r = run(options());
  REQUIRE(r.state.losses.size() == 16);  // 30 lines in batches of 8, four times
  const auto mean = [&](std::size_t from) { return (r.state.losses[from] + r.state.losses[from + 1] + r.state.losses[from + 2] + r.state.losses[from + 3]) / 4; };
  CHECK(mean(12) < 0.9 * mean(0));  // the first epoch and the last
  CHECK(r.state.dev.size() == 4);
  CHECK(r.state.best_at == 2);
  CHECK(r.state.best == doctest::Approx(0.4));
  CHECK(r.weights == run(options()).weights);
  // the weights are those after epoch 3 of 4: not those of a run without the choice, whose last epoch moved on
  const Triples data = triples();
  Env env({.threads = 1, .seed = 5, .dropout = 0.2f});
  Model model(env);
  set(model);
  AdamW<Model> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  train(model, env, adam, data, InfoNce{.temperature = 0.1}, LoopOptions{.epochs = 4, .warmup = 0.2}, [](const TrainState& s) { return static_cast<double>(s.epoch); });
  const auto last = trained_leaves(model);
  bool differ = false;
  for (std::size_t i = 0; i < last.size(); ++i) differ |= !std::equal(r.weights[i].begin(), r.weights[i].end(), last[i].owned->data());
  CHECK(differ);
}

TEST_CASE("a run that stops anywhere goes on to the same bits") {
  const Result whole = run(options());
  for (Index stop : {1, 4, 7, 13}) {
    LoopOptions first = options();
    first.stop_after = stop;
    const Result part = run(first);
    CHECK(static_cast<Index>(part.state.losses.size()) == stop);
    LoopOptions second = options();
    second.resume = true;
    const Result rest = run(second);
    CHECK(rest.state.losses == whole.state.losses);
    CHECK(rest.state.dev == whole.state.dev);
    CHECK(rest.weights == whole.weights);
  }
}

TEST_CASE("evaluations between epochs: when they were, also after a stop") {
  LoopOptions o = options(2);
  o.evaluate_every = 3;
  const Result whole = run(o);  // 4 steps an epoch
  CHECK(whole.state.dev_steps == std::vector<Index>{3, 4, 6, 8});
  CHECK(whole.state.dev.size() == 4);
  CHECK(whole.state.dev_seconds.size() == 4);
  REQUIRE(whole.state.norms.size() == 8);
  for (double norm : whole.state.norms) CHECK(norm > 0);
  for (Index stop : {3, 5, 6}) {
    LoopOptions first = o, second = o;
    first.stop_after = stop;
    run(first);
    second.resume = true;
    const Result rest = run(second);
    CHECK(rest.state.dev_steps == whole.state.dev_steps);
    CHECK(rest.state.norms == whole.state.norms);
    CHECK(rest.weights == whole.weights);
  }
}

TEST_CASE("the trace of losses does not depend on the number of threads") {
  const Result one = run(options(2)), two = run(options(2), 2), three = run(options(2), 3);
  CHECK(one.state.losses == two.state.losses);
  CHECK(one.state.losses == three.state.losses);
  CHECK(one.weights == two.weights);
}

TEST_CASE("batches made beside the computing are those that are made in between") {
  LoopOptions o = options(2);
  const Result beside = run(o);
  for (Index ahead : {0, 1, 5}) {
    o.ahead = ahead;
    const Result r = run(o);
    CHECK(r.state.losses == beside.state.losses);
    CHECK(r.weights == beside.weights);
  }
}

TEST_CASE("epochs may have different numbers of batches, where these are bounded by tokens") {
  const Lengths lengths{.tokens = 60, .alike = true};
  const Triples data = triples(lengths);
  Index steps = 0;
  for (Index e = 0; e < 4; ++e) steps += data.epoch(e).count();
  CHECK(steps > 4 * data.count() / 8);
  const Result whole = run(options(), 1, 0.2f, lengths);
  CHECK(static_cast<Index>(whole.state.losses.size()) == steps);
  LoopOptions first = options();
  first.stop_after = data.epoch(0).count() + 2;
  run(first, 1, 0.2f, lengths);
  LoopOptions second = options();
  second.resume = true;
  const Result rest = run(second, 2, 0.2f, lengths);
  CHECK(rest.state.losses == whole.state.losses);
  CHECK(rest.weights == whole.weights);
}

TEST_CASE("an error in the sampler's thread ends the run") {
  struct Broken {
    Triples data;
    struct Epoch {
      Index count() const { return 3; }
      Batch batch(Index i) const {
        if (i == 1) fail("the second batch cannot be made");
        return data->epoch(0).batch(i);
      }
      const Triples* data;
    };
    Epoch epoch(Index) const { return {&data}; }
  };
  Env env({.threads = 1});
  Model model(env);
  set(model);
  AdamW<Model> adam(model, Adam{.rate = 1e-3});
  CHECK_THROWS_WITH(train(model, env, adam, Broken{triples()}, InfoNce{}, LoopOptions{.epochs = 1}, metric),
                    "the second batch cannot be made");
  CHECK(adam.steps() == 1);
}

TEST_CASE("accumulation steps once for several batches") {
  LoopOptions o = options(1);
  o.accumulate = 3;
  CHECK(run(o).state.losses.size() == 2);
}

TEST_CASE("another run's state is refused, and a loss that is no number ends in a sentence") {
  LoopOptions o = options();
  o.stop_after = 2;
  run(o);
  o.resume = true;
  o.identity = "another";
  try {
    run(o);
    FAIL("resumed from another run's state");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("it belongs to another run: \"small\"") != std::string::npos);
  }
  const Triples data = triples();
  Env env({.threads = 1});
  Model model(env);
  set(model);
  AdamW<Model> adam(model, Adam{.rate = 1e-3});
  const auto broken = [](const Scores<Env>& s) {
    Loss<Env> l = InfoNce{}(s);
    l.value = std::nan("");
    return l;
  };
  CHECK_THROWS_WITH(train(model, env, adam, data, broken, LoopOptions{.epochs = 1}, metric), doctest::Contains("the loss is no longer a number"));
}
