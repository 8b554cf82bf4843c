// The pathway's start and names. (Gradients: pathway.cpp, pathway_with.cpp.)
#include "../model/small.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using S = Pathway<Aside<3>, at::OutsideAttention, at::OutsideFfn>;
using L = Pathway<Aside<3>>;
template <class... Methods>
using One = Repeat<1, TransformerLayer<Small, Methods...>>;
}  // namespace

TEST_CASE("the untrained pathway is the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<S>>());
  CHECK(starts_at_the_backbone<SmallBert<Adapter<2>, L>>());
  CHECK(starts_at_the_backbone<Bert<Small, SmallStack<Adapter<2>, LoRA<2>>, Pathway<Aside<3>>>>());
}

TEST_CASE("names: aside, under what it goes round") {
  CHECK(names_of<Bert<Small, One<L>>>() == Names{"encoder.layer.0.aside_down.weight", "encoder.layer.0.aside_down.bias",
                                                 "encoder.layer.0.aside_up.weight", "encoder.layer.0.aside_up.bias"});
  CHECK(names_of<Bert<Small, One<Pathway<Aside<3>, at::OutsideLayer>>>>() == names_of<Bert<Small, One<L>>>());
  CHECK(names_of<Bert<Small, One<S>>>() ==
        Names{"encoder.layer.0.attention.aside_down.weight", "encoder.layer.0.attention.aside_down.bias",
              "encoder.layer.0.attention.aside_up.weight", "encoder.layer.0.attention.aside_up.bias",
              "encoder.layer.0.output.aside_down.weight", "encoder.layer.0.output.aside_down.bias", "encoder.layer.0.output.aside_up.weight",
              "encoder.layer.0.output.aside_up.bias"});
  CHECK(names_of<Bert<Small, One<>, L>>() ==
        Names{"encoder.aside_down.weight", "encoder.aside_down.bias", "encoder.aside_up.weight", "encoder.aside_up.bias"});
}
