#include "towpath/optim/clip.hpp"

#include "../model/small.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("the factor that brings a norm down to its limit") {
  CHECK(clip_factor(2, 1) == 0.5);
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(1, 1) == 1);
  CHECK(clip_factor(0, 1) == 1);
  CHECK(clip_factor(1e9, 0) == 1);  // no limit
}

TEST_CASE("the norm of all gradients together, in double") {
  using Env = Cpu<float>;
  using Net = SmallBert<LoRA<2>>::On<Env>;
  Env env{{.threads = 1}};
  Net::Grads grads;
  CHECK((gradient_norm<Net>(env, grads)) == 0);
  double square = 0;
  Random random(1, 1);
  for (auto* g : tensors<Net>(grads))
    for (Index i = 0; i < g->size(); ++i) {
      g->data()[i] = static_cast<float>(random.normal());
      square += double(g->data()[i]) * double(g->data()[i]);
    }
  CHECK((gradient_norm<Net>(env, grads)) == doctest::Approx(std::sqrt(square)).epsilon(1e-12));
}
