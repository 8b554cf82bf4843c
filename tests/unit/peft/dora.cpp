#include "towpath/peft/dora.hpp"

#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"

#include "../model/small.hpp"
#include "held.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of DoRA at its own two sites, at all six, with another scale") {
  CHECK_GRADIENTS(SmallBert<Held<2>>);
  CHECK_GRADIENTS(SmallBert<Held<3, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Held<2, Alpha<7>, RankStabilised, at::AttentionOutput, at::FfnOut>>);
}

TEST_CASE("gradients of DoRA with other methods") {
  CHECK_GRADIENTS(SmallBert<Held<2>, BitFit>);
  CHECK_GRADIENTS(SmallBert<Held<2, at::Value>, Tagged<"b", LoRA<2>>, Adapter<2>>);
}

TEST_CASE("to backward the norms are constants") {
  using Env = Cpu<double>;
  using Delta = LoRA<2, Alpha<6>>::Delta<4, 5>::type;
  using Layer = Linear<4, 5, Leaf::frozen>;
  using Dora = Around<Layer, detail::Decomposed<Delta, 5>>::On<Env>;
  using Lora = Delta::On<Env>;
  Env env{{.threads = 1}};
  Dora dora;
  randomise<Dora, Env>(dora, 1);
  Tensor<Env> x(3, 4), dy(3, 5);
  Random random(7, 0);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = random.normal();
  for (Index i = 0; i < dy.size(); ++i) dy.data()[i] = random.normal();
  Dora::Saved<Learn<true>> saved;
  Dora::Grads g;
  dora.forward<Learn<true>>(env, x.view(), saved);
  const Tensor<Env> c = saved.kept.c.copy();
  dora.backward<Learn<true>>(env, dy, x.view(), saved, g);

  // LoRA's own gradients, from dy ⊙ c
  const Tensor<Env> scaled = op::scale_columns<Env>(env, dy, c);
  Lora::Saved<Learn<true>> none;
  Lora::Grads right;
  const Lora& lora = dora.branch.change;
  lora.forward<Learn<true>>(env, x.view(), none);
  lora.backward<Learn<true>>(env, scaled, x.view(), none, right);
  const auto a = tensors<Lora, Env>(g.branch.change), b = tensors<Lora, Env>(right);
  REQUIRE(a.size() == 2);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(same_bits(*a[i], *b[i]));
}

TEST_CASE("y = m / ‖W + s B A‖ ⊙ x (W + s B A)ᵀ + b, by hand") {
  using Env = Cpu<double>;
  using Layer =
      Around<Linear<3, 4, Leaf::frozen>, detail::Decomposed<LoRA<2, Alpha<6>>::Delta<3, 4>::type, 4>>::On<Env>;
  Env env{{.threads = 1}};
  Layer layer;
  randomise<Layer, Env>(layer, 1);
  const auto list = leaves<Layer, Env>(layer);
  REQUIRE(list.size() == 5);
  const View<Env> w = list[0].view(), bias = list[1].view(), a = list[2].view(), b = list[3].view(), m = list[4].view();
  CHECK(list[4].name == "lora_magnitude_vector");
  const double x[] = {0.5, -1, 2};
  Tensor<Env> in(1, 3);
  for (Index i = 0; i < 3; ++i) in.data()[i] = x[i];
  Layer::Saved<Infer> saved;
  const Tensor<Env> y = layer.forward<Infer>(env, in.view(), saved);
  for (Index o = 0; o < 4; ++o) {
    double square = 0, sum = 0;
    for (Index i = 0; i < 3; ++i) {
      const double v = w.row(o)[i] + 3 * (b.row(o)[0] * a.row(0)[i] + b.row(o)[1] * a.row(1)[i]);
      square += v * v, sum += v * x[i];
    }
    CHECK(y.data()[o] == doctest::Approx(m.data[o] / std::sqrt(square) * sum + bias.data[o]).epsilon(1e-12));
  }
}
