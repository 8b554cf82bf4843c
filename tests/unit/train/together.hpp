// What a team has to come to, whoever its members are: threads of one process (loop_team.cpp) or processes (interop/mpi.cpp).
#pragma once

#include "small.hpp"
#include "towpath/train/loop.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace together {

using namespace small;

// In double: AdamW divides by the root of its second moment, so what rounding leaves in float can grow to a whole step.
struct Result {
  TrainState state;
  std::vector<std::vector<double>> weights;
  Index evaluations = 0;
};
template <class Env>
Result run(const Triples& data, const LoopOptions& options, float dropout, std::uint64_t seed = 11) {
  using Model = Arch::On<Env>;
  Env env({.threads = 1, .seed = 5, .dropout = dropout});
  Model model(env);
  initialise(model, 11, Fill::everything);
  initialise(model, seed, Fill::trained);
  AdamW<Model> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  Result r;
  r.state = train(model, env, adam, data, InfoNce{.temperature = 0.1}, options, [&](const TrainState& s) { return ++r.evaluations, static_cast<double>(s.epoch); });
  for (const auto& leaf : trained_leaves(model)) {
    const auto here = on_host(*leaf.owned);
    r.weights.emplace_back(here.data(), here.data() + leaf.size());
  }
  return r;
}
inline double apart(const Result& a, const Result& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.weights.size(); ++i)
    for (std::size_t j = 0; j < a.weights[i].size(); ++j) most = std::max(most, std::abs(a.weights[i][j] - b.weights[i][j]));
  return most;
}

// Called by every member. `state`: a file that all can read.
template <class Env = Cpu<double>>
void as_one(Team& team, const Triples& data, const std::string& state) {
  for (const Index accumulate : {1, 2})
    for (const float dropout : {0.0f, 0.2f}) {
      const LoopOptions alone{.epochs = 3, .accumulate = accumulate * team.count(), .warmup = 0.2};
      LoopOptions shared = alone;
      shared.accumulate = accumulate, shared.team = &team;
      // others begin with other weights, and are given those of the first
      const Result one = run<Env>(data, alone, dropout), ours = run<Env>(data, shared, dropout, team.rank() == 0 ? 11 : 99);
      REQUIRE(ours.state.losses.size() == one.state.losses.size());
      for (std::size_t i = 0; i < one.state.losses.size(); ++i) {
        CHECK(ours.state.losses[i] == doctest::Approx(one.state.losses[i]).epsilon(1e-10));
        CHECK(ours.state.norms[i] == doctest::Approx(one.state.norms[i]).epsilon(1e-9));
      }
      CHECK(ours.state.tokens == one.state.tokens);
      CHECK(apart(ours, one) < 1e-8);
      CHECK(ours.state.dev == one.state.dev);
      CHECK(ours.evaluations == (team.rank() == 0 ? 3 : 0));
      // bit for bit what the first member has
      for (const auto& w : ours.weights) {
        std::vector<double> first = w;
        team.share(first.data(), first.size() * sizeof(double));
        CHECK(first == w);
      }
    }

  LoopOptions o{.epochs = 3, .warmup = 0.2, .state = state, .identity = "together", .stop_after = 3, .team = &team};
  const Result whole = run<Env>(data, LoopOptions{.epochs = 3, .warmup = 0.2, .team = &team}, 0.2f);
  run<Env>(data, o, 0.2f);
  team.shared(0);  // the first has written it before it comes here
  o.stop_after = 0, o.resume = true;
  const Result rest = run<Env>(data, o, 0.2f);
  CHECK(rest.state.losses == whole.state.losses);
  CHECK(rest.weights == whole.weights);
}

}  // namespace together
