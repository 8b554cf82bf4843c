#include "towpath/peft/prefix.hpp"

#include "../model/small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of prefixes") {
  CHECK_GRADIENTS(SmallBert<Prefix<1>>);
  CHECK_GRADIENTS(SmallBert<Prefix<5>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Prefix<3>>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, LoRA<2, at::Query, at::Key, at::Value>>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, Adapter<3, at::BesideFfn>>);  // MAM
}

TEST_CASE("names: prefix_key and prefix_value of each layer's attention") {
  CHECK(names_of<SmallBert<Prefix<2>>>() ==
        Names{"encoder.layer.0.attention.self.prefix_key", "encoder.layer.0.attention.self.prefix_value",
              "encoder.layer.1.attention.self.prefix_key", "encoder.layer.1.attention.self.prefix_value"});
}

TEST_CASE("even a prefix of zeros takes a share of the softmax") { CHECK(!starts_at_the_backbone<SmallBert<Prefix<2>>>()); }

TEST_CASE("a prefix is seen as if it were more keys and values, the same for every sequence") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  SmallBert<Prefix<3>>::On<Env> model;
  randomise(model, 1);
  const Tensor<Env> one = encoding(env, model, some_tokens({4})), two = encoding(env, model, some_tokens({4, 6}));
  for (Index i = 0; i < one.size(); ++i) CHECK(one.data()[i] == doctest::Approx(two.data()[i]).epsilon(1e-5));
}
