#include "towpath/train/checkpoint.hpp"

#include "small.hpp"

#include <doctest/doctest.h>

using namespace small;

TEST_CASE("the state of training comes back bit by bit") {
  Env env({.threads = 1, .seed = 9});
  Model model(env);
  set(model);
  AdamW<Model> adam(model, Adam{.rate = 1e-3});
  Random random(1, 2);
  for (auto* moments : {&adam.first_moments(), &adam.second_moments()})
    for (auto* t : tensors<Model>(*moments))
      for (Index i = 0; i < t->size(); ++i) t->data()[i] = static_cast<float>(random.normal());
  adam.steps(17);
  std::vector<Tensor<Env>> best;
  for (const auto& leaf : trained_leaves(model)) best.push_back(leaf.owned->copy());
  const TrainState before{.epoch = 2, .batch = 5, .step = 17, .best = 0.1 + 0.2, .best_at = 1, .seconds = 3.5, .tokens = 77, .losses = {0.1, 1.0 / 3}, .norms = {0.5, 2}, .dev = {0.25}, .dev_seconds = {3.25}, .dev_steps = {17}};
  save_training("state.safetensors", "me", model, adam, best, before);

  Env env2({.threads = 1, .seed = 10});
  Model other(env2);
  AdamW<Model> adam2(other, Adam{.rate = 1e-3});
  std::vector<Tensor<Env>> best2;
  const TrainState after = load_training("state.safetensors", "me", other, adam2, best2);
  CHECK(after.epoch == 2);
  CHECK(after.best == before.best);
  CHECK(after.losses == before.losses);
  CHECK(after.norms == before.norms);
  CHECK(after.dev_seconds == before.dev_seconds);
  CHECK(after.dev_steps == before.dev_steps);
  CHECK(adam2.steps() == 17);
  const auto a = trained_leaves(model), b = trained_leaves(other);
  const auto m = tensors<Model>(adam.second_moments()), m2 = tensors<Model>(adam2.second_moments());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(std::equal(a[i].owned->data(), a[i].owned->data() + a[i].size(), b[i].owned->data()));
    CHECK(std::equal(m[i]->data(), m[i]->data() + m[i]->size(), m2[i]->data()));
    CHECK(std::equal(best[i].data(), best[i].data() + best[i].size(), best2[i].data()));
  }
}

TEST_CASE("an adapter file is no state, and a state needs the composition it was made with") {
  Env env({.threads = 1});
  Model model(env);
  set(model);
  AdamW<Model> adam(model, Adam{});
  std::vector<Tensor<Env>> best;
  save_trainable(model, "adapter.safetensors");
  CHECK_THROWS_WITH(load_training("adapter.safetensors", "me", model, adam, best), doctest::Contains("it is not the state of a training run"));

  save_training("state.safetensors", "me", model, adam, {}, TrainState{});
  using Other = BiEncoder<Bert<small::Shape, Repeat<2, TransformerLayer<small::Shape, FullTuning, Pathway<Aside<3>>>>, FullTuning>, MeanPooling, Cosine>::On<Env>;
  Other other(env);
  AdamW<Other> adam2(other, Adam{});
  CHECK_THROWS_WITH(load_training("state.safetensors", "me", other, adam2, best), doctest::Contains("of another shape"));
}

TEST_CASE("make_folder makes all of a path, and says why it cannot") {
  make_folder("a/b/c");
  make_folder("a/b/c");
  NewFile file("a/b/c/x");
  file.commit();
  CHECK_THROWS_WITH(make_folder("a/b/c/x/y"), doctest::Contains("cannot make the folder a/b/c/x/y"));
}

TEST_CASE("a full disk leaves nothing behind") {
  if (::access("/dev/full", W_OK) != 0) {
    MESSAGE("skipped: there is no /dev/full here");
    return;
  }
  // the file that is written aside is a link to a device that is always full
  std::remove("full.safetensors.partial");
  REQUIRE(::symlink("/dev/full", "full.safetensors.partial") == 0);
  Env env({.threads = 1});
  Model model(env);
  set(model);
  CHECK_THROWS_WITH(save_trainable(model, "full.safetensors"), doctest::Contains("could not finish writing full.safetensors"));
  CHECK(::access("full.safetensors", F_OK) != 0);
  CHECK(::access("full.safetensors.partial", F_OK) != 0);
}
