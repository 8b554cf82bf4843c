#include "towpath/model/transformer_layer.hpp"

#include "small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class... Methods>
using Layer = TransformerLayer<Small, Methods...>;
}  // namespace

TEST_CASE("gradients of one layer, its input's too") {
  CHECK_GRADIENTS(Layer<>, Learn<true>);  // all frozen: the input's alone
  CHECK_GRADIENTS(Layer<LoRA<2, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>, Learn<true>);
  CHECK_GRADIENTS(Layer<Adapter<2, at::PostAttention, at::PostFfn, at::BesideAttention, at::BesideFfn>>, Learn<true>);
  CHECK_GRADIENTS(Layer<FullTuning>, Learn<true>);
  CHECK_GRADIENTS(Layer<BitFit, Prefix<2>>, Learn<true>);
  CHECK_GRADIENTS(Layer<Adapter<2>, Pathway<Aside<2>, at::OutsideAttention, at::OutsideFfn, at::OutsideLayer>>, Learn<true>);
  CHECK_GRADIENTS_DROPPED(Layer<LoRA<2>, Adapter<2>, Pathway<Aside<2>>>, Learn<true>);
}

TEST_CASE("gradients of one layer under Learn<false>: nobody below trains") {
  CHECK_GRADIENTS(Layer<LoRA<2, at::Value>>, Learn<false>);
  CHECK_GRADIENTS(Layer<Adapter<2, at::PostFfn>>, Learn<false>);
  CHECK_GRADIENTS(Layer<Pathway<Aside<2>, at::OutsideAttention>>, Learn<false>);
}
