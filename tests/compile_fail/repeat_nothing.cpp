// expects: Repeat: a stack needs at least one layer
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/nn/repeat.hpp"

using namespace towpath;
static_assert(Repeat<0, TransformerLayer<MiniLM>>::layers == 0);
