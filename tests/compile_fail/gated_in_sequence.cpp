// expects: Gated: a gate multiplies what is added
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/unipelt.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Gated<Adapter<4>>>::trains);
