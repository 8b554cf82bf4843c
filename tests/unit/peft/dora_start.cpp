// DoRA's start, names and count. (Gradients: dora.cpp.)
#include "towpath/io/checkpoint.hpp"
#include "towpath/peft/dora.hpp"
#include "towpath/peft/full.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

#include <cstdio>

using namespace towpath;

namespace {
template <class... Methods>
using Base = Repeat<12, TransformerLayer<BertBase, Methods...>>;
static_assert(parameters<Bert<BertBase, Base<LoRA<8>>>>().trainable == 294'912);
static_assert(parameters<Bert<BertBase, Base<LoRA<8, RankStabilised, BranchDropout>>>>().trainable == 294'912);
static_assert(parameters<Bert<BertBase, Base<DoRA<8>>>>().trainable == 313'344);
}  // namespace

TEST_CASE("DoRA starts at the backbone, bit for bit: where B is zero, a row over its norm times that norm is the row") {
  CHECK(starts_at_the_backbone<SmallBert<DoRA<2>>>());
  CHECK(starts_at_the_backbone<SmallBert<DoRA<3, Alpha<16>, RankStabilised, at::Query, at::Key, at::Value,
                                              at::AttentionOutput, at::FfnIn, at::FfnOut>>>());
  CHECK(starts_at_the_backbone<SmallBert<DoRA<2>, Tagged<"b", LoRA<2>>>>());
}

TEST_CASE("names are peft's") {
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, DoRA<2, at::Query>>>>>() ==
        Names{"encoder.layer.0.attention.self.query.lora_A.weight",
              "encoder.layer.0.attention.self.query.lora_B.weight",
              "encoder.layer.0.attention.self.query.lora_magnitude_vector"});
}

TEST_CASE("magnitudes are the norms of the weights that were loaded; those that were trained are left alone") {
  using Env = Cpu<float>;
  using Net = SmallBert<Tagged<"b", DoRA<2, at::FfnIn>>>::On<Env>;
  SmallBert<>::On<Env> plain;
  randomise(plain, 3);
  save(plain, "dora_backbone.safetensors");
  Net model;
  initialise(model, 4);
  const auto magnitude = [&]() -> LeafRef<Env> {
    for (const auto& leaf : trained_leaves(model))
      if (leaf.name == "encoder.layer.1.intermediate.dense.b.lora_magnitude_vector") return leaf;
    return {};
  };
  REQUIRE(magnitude().owned != nullptr);
  CHECK(magnitude().view().data[0] == 0);  // no weight, no norm
  load(model, Safetensors{"dora_backbone.safetensors"});
  for (const auto& leaf : leaves(plain))
    if (leaf.name == "encoder.layer.1.intermediate.dense.weight")
      for (Index o = 0; o < Small::ffn; ++o) {
        double square = 0;
        for (Index i = 0; i < Small::hidden; ++i)
          square += double(leaf.view().row(o)[i]) * double(leaf.view().row(o)[i]);
        CHECK(magnitude().view().data[o] == doctest::Approx(std::sqrt(square)).epsilon(1e-6));
      }
  magnitude().owned->data()[0] = 7;
  load(model, Safetensors{"dora_backbone.safetensors"});
  CHECK(magnitude().view().data[0] == 7);
  std::remove("dora_backbone.safetensors");
}
