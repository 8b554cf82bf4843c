// expects: FullTuning already trains every weight, bias and norm: drop the other method
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/full.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, FullTuning, BitFit>::trains);
