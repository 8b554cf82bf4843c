// expects: DoRA has no dropout of its branch
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/dora.hpp"
#include "towpath/peft/full.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, DoRA<4, BranchDropout>>::trains);
