// A cross-encoder small enough to train in a moment.
#pragma once

#include "small.hpp"
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/peft/lora.hpp"

namespace small {
using Cross = CrossEncoder<Bert<Shape, Repeat<2, TransformerLayer<Shape, LoRA<2>, Pathway<Aside<4>>>>>, ClsPooling>::On<Env>;
}  // namespace small
