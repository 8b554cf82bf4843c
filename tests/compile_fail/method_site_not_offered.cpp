// expects: a method claims a site that this level does not have. A TransformerLayer offers at::Query
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/pathway.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Pathway<Aside<8>, at::OutsideModel>>::trains);
