// expects: Ia3 multiplies units: use at::Keys, at::Values
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/ia3.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Ia3<at::BesideFfn>>::trains);
