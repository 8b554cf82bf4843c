#include "towpath/model/bert.hpp"

#include "small.hpp"
#include "towpath/nn/rehearse.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <Index N, class... Methods>
using Some = Repeat<N, TransformerLayer<Small, Methods...>>;
}  // namespace

TEST_CASE("gradients of stacks: one layer, three, segments of different ones") {
  CHECK_GRADIENTS(Bert<Small, Some<1, LoRA<2>>>);
  CHECK_GRADIENTS(Bert<Small, Some<3, Adapter<2>, Pathway<Aside<2>>>>);
  CHECK_GRADIENTS(Bert<Small, Segments<Some<2>, Some<1, FullTuning>>>);                    // a frozen bottom
  CHECK_GRADIENTS(Bert<Small, Segments<Some<1>, Some<1, LoRA<2>>, Some<2, Adapter<3>>>>);
  CHECK_GRADIENTS(Bert<Small, Segments<Some<2, LoRA<2>>, Some<1>>>);                       // a frozen top
  CHECK_GRADIENTS(Bert<Small, Segments<Some<1, Prefix<2>>, Some<1, Prefix<3>>>>);
  CHECK_GRADIENTS(Bert<Small, Segments<Some<1>, Some<1, LoRA<2>>>, Pathway<Aside<2>>, BitFit>);
}

TEST_CASE("gradients of layers that are computed twice instead of remembered") {
  CHECK_GRADIENTS(Bert<Small, Repeat<2, Checkpoint<TransformerLayer<Small, LoRA<2>, Pathway<Aside<2>>>>>>);
  CHECK_GRADIENTS_DROPPED(Bert<Small, Repeat<2, Checkpoint<TransformerLayer<Small, Adapter<2>>>>>);
}
