// expects: Prefix: the length must be at least 1
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Prefix<0>>::trains);
