// A cross-encoder small enough to train in a moment.
#pragma once

#include "towpath/ir/cross_encoder.hpp"

#include "small.hpp"

namespace small {
using Cross =
    CrossEncoder<Bert<Shape, Repeat<2, TransformerLayer<Shape, FullTuning>>, FullTuning>, ClsPooling>::On<Env>;
}  // namespace small
