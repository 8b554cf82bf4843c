// expects: Gated: a gated prefix has its table itself
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/unipelt.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Gated<Prefix<4, Mlp<8>>>>::On<Blueprint>::trains);
