// The pathway with other methods inside. (Alone and with adapters: pathway.cpp.)
#include "../model/small.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using S = Pathway<Aside<3>, at::OutsideAttention, at::OutsideFfn>;
using L = Pathway<Aside<3>>;
}  // namespace

TEST_CASE("gradients of the pathway with LoRA, a prefix, MAM inside") {
  CHECK_GRADIENTS(SmallBert<S, LoRA<2>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2>, L>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<LoRA<2>>, Pathway<Aside<3>>>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, S>);
  CHECK_GRADIENTS(SmallBert<L, Prefix<2>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Prefix<2>>, Pathway<Aside<3>>>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, Adapter<2, at::BesideFfn>, S>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, Adapter<2, at::BesideFfn>, L>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Prefix<2>, Adapter<2, at::BesideFfn>>, Pathway<Aside<3>>>);
}
