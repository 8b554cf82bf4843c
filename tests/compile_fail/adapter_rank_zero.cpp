// expects: a bottleneck.s rank must be at least 1
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/adapter.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Adapter<0>>::trains);
