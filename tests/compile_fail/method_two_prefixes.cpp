// expects: two methods claim at::KeysValues: keep one prefix, or put them in different Segments
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;
using Layer = TransformerLayer<MiniLM, Prefix<16>, Prefix<8>>;
static_assert(Layer::trains);
