// expects: an Adapter stands after a sub-layer or beside one
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/adapter.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Adapter<16, at::FfnHidden>>::trains);
