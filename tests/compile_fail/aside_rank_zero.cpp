// expects: a bottleneck.s rank must be at least 1
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/pathway.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Pathway<Aside<0>>>::trains);
