#include "towpath/peft/ladder.hpp"

#include "towpath/peft/adapter.hpp"
#include "towpath/peft/lora.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Reads = Ladder<Aside<3>>;
using Both = Ladder<Aside<3>, Inject>;
}  // namespace

TEST_CASE("gradients of a ladder") {
  CHECK_GRADIENTS(SmallBert<Reads>);
  CHECK_GRADIENTS(SmallBert<Ladder<Aside<2, Gelu>>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Reads>);
  CHECK_GRADIENTS(Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<2, TransformerLayer<Small, Reads>>>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Reads>, Pathway<Aside<2>>>);
}

TEST_CASE("gradients of a ladder that injects") {
  CHECK_GRADIENTS(SmallBert<Both>);
  CHECK_GRADIENTS(SmallBert<Both, LoRA<2>, Adapter<2>, Pathway<Aside<2>>>);
  CHECK_GRADIENTS(
      Bert<Small, Segments<Repeat<1, TransformerLayer<Small, LoRA<2>>>, Repeat<2, TransformerLayer<Small, Both>>>>);
}
