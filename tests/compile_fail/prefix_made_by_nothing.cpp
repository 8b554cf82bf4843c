// expects: Mlp: the network that makes a prefix needs at least one hidden unit
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Prefix<16, Mlp<0>>>::trains);
