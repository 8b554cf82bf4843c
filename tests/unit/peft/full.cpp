#include "towpath/peft/full.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of tuned parameters of the backbone, in the layers alone") {
  CHECK_GRADIENTS(SmallBert<FullTuning>);
  CHECK_GRADIENTS(SmallBert<BitFit, LayerNormTuning>);
}

TEST_CASE("gradients of tuned parameters of the backbone, in the embeddings too") {
  CHECK_GRADIENTS(Bert<Small, SmallStack<FullTuning>, FullTuning>);
  CHECK_GRADIENTS_DROPPED(Bert<Small, SmallStack<FullTuning>, FullTuning>);
}
