// expects: Prefix: the one option is Mlp
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Prefix<16, Gelu>>::trains);
