// expects: an Adapter stands after a sub-layer or beside one: use at::PostAttention
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/adapter.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Adapter<16, at::Query>>::trains);
