#include "towpath/peft/pathway.hpp"

#include "../model/small.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using S = Pathway<Aside<3>, at::OutsideAttention, at::OutsideFfn>;
using L = Pathway<Aside<3>>;
}  // namespace

TEST_CASE("gradients of the pathway alone: round each sub-layer, each layer, the whole stack") {
  CHECK_GRADIENTS(SmallBert<S>);
  CHECK_GRADIENTS(SmallBert<L>);
  CHECK_GRADIENTS(SmallBert<Pathway<Aside<2, Gelu>, at::OutsideLayer>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<>, Pathway<Aside<3>>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<L>);
}

TEST_CASE("gradients of the pathway with adapters inside: IAA-S, IAA-L, IAA-M") {
  CHECK_GRADIENTS(SmallBert<Adapter<2>, S>);
  CHECK_GRADIENTS(SmallBert<Adapter<2>, L>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Adapter<2>>, Pathway<Aside<3>>>);
}
