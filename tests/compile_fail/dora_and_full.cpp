// expects: DoRA needs the frozen weight of its projection
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/dora.hpp"
#include "towpath/peft/full.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, FullTuning, DoRA<4>>::trains);
