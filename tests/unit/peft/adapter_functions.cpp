// Adapters with each function, their start and their names. (Sites: adapter.cpp.)
#include "../model/small.hpp"
#include "towpath/peft/adapter.hpp"

#include <doctest/doctest.h>

using namespace towpath;

static_assert(std::is_same_v<Adapter<4>::function, Relu> && std::is_same_v<Adapter<4, at::PostFfn, Silu>::function, Silu>);
static_assert(std::is_same_v<Adapter<4, Gelu>::sites, Sites<at::PostAttention, at::PostFfn>>);

TEST_CASE("gradients of adapters with each function") {
  CHECK_GRADIENTS(SmallBert<Adapter<3, Relu>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, Gelu, at::PostFfn>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::BesideFfn, Silu>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, Tanh>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, GeluTanh>>);
}

TEST_CASE("adapters start at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<Adapter<3>>>());
  CHECK(starts_at_the_backbone<SmallBert<Adapter<3, at::BesideFfn, at::BesideAttention, at::PostAttentionNorm, at::PostFfnNorm, Gelu>>>());
}

TEST_CASE("names: adapter after a sub-layer, parallel beside one") {
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Adapter<3>>>>>() ==
        Names{"encoder.layer.0.attention.output.adapter_down.weight", "encoder.layer.0.attention.output.adapter_down.bias",
              "encoder.layer.0.attention.output.adapter_up.weight", "encoder.layer.0.attention.output.adapter_up.bias",
              "encoder.layer.0.output.adapter_down.weight", "encoder.layer.0.output.adapter_down.bias",
              "encoder.layer.0.output.adapter_up.weight", "encoder.layer.0.output.adapter_up.bias"});
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Adapter<3, at::BesideFfn>>>>>().front() ==
        "encoder.layer.0.intermediate.parallel_down.weight");
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Adapter<3, at::BesideAttention>>>>>().front() ==
        "encoder.layer.0.attention.parallel_down.weight");
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Adapter<3, at::PostFfnNorm>>>>>().front() ==
        "encoder.layer.0.output.after.adapter_down.weight");
}
