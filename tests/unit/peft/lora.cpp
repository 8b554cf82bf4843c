#include "towpath/peft/lora.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of LoRA at each projection") {
  CHECK_GRADIENTS(SmallBert<LoRA<2, at::Query>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2, at::Key>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2, at::Value>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2, at::AttentionOutput>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2, at::FfnIn>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2, at::FfnOut>>);
}

TEST_CASE("gradients of LoRA at its own two, at all six, with another scale") {
  CHECK_GRADIENTS(SmallBert<LoRA<1>>);
  CHECK_GRADIENTS(SmallBert<LoRA<3, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>);
  CHECK_GRADIENTS(SmallBert<LoRA<2, Alpha<7>>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<LoRA<2, at::Query, Alpha<1>, at::FfnOut>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<LoRA<2, BranchDropout, at::Query, at::FfnIn, at::FfnOut>>);
}
