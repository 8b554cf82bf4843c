// expects: Adapter: the rank must be smaller than the width it bridges
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/adapter.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Adapter<384>>::trains);
