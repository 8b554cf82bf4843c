// expects: Phm<n, r>: both widths of a projection must be multiples of n
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/compacter.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Compacter<10>>::trains);
