// expects: the same method stands twice at one site, so its parameters would share a name
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/pathway.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Pathway<Aside<8>>, Pathway<Aside<8>, at::OutsideLayer>>::trains);  // two names of one place
