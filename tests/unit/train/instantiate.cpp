// The other half is instantiate_model.cpp. That this half holds no code of the layers is seen in its object file: cmake/check_instantiate.cmake.
#include "towpath/train/instantiate.hpp"

#include "instantiated.hpp"
#include "towpath/io/checkpoint.hpp"
#include "towpath/loss/info_nce.hpp"

#include <cstdio>
#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("a model that is compiled in another file trains, is saved and read back, and encodes") {
  Cpu<float> env({.threads = 1, .seed = 5});
  Once::On<Cpu<float>> model(env);
  initialise(model, 11, Fill::everything);
  Once::On<Cpu<float>>::Saved<Learn<false>> saved;
  Once::On<Cpu<float>>::Grads grads;
  AdamW adam(model, Adam{.rate = 1e-2});
  double first = 0, last = 0;
  for (int epoch = 0; epoch < 8; ++epoch)
    for (const Batch& batch : small::triples()) {
      zero(grads);
      const auto scores = model.forward(env, batch, saved);
      const auto l = InfoNce{.temperature = 0.5f}(scores);
      model.backward(env, l.gradient, batch, saved, grads);
      adam.update(model, grads);
      if (first == 0) first = l.value;
      last = l.value;
    }
  CHECK(last < first);

  save(model, "once.safetensors");
  Once::On<Cpu<float>> again(env);
  load(again, Safetensors("once.safetensors"), names::plain);
  Ragged one;
  one.add(std::vector<std::int32_t>{2, 7, 3});
  const auto a = model.encode(env, one), b = again.encode(env, one);
  for (Index i = 0; i < a.columns(); ++i) CHECK(a.data()[i] == b.data()[i]);
  std::remove("once.safetensors");
}

TEST_CASE("a model in which nothing trains can be compiled elsewhere, too") {
  Cpu<float> env({.threads = 1, .seed = 5});
  ::Frozen::On<Cpu<float>> model(env);
  initialise(model, 11, Fill::everything);
  Ragged one;
  one.add(std::vector<std::int32_t>{2, 7, 3});
  CHECK(model.encode(env, one).columns() == ::Frozen::hidden);
}
