// expects: a Pathway runs outside: use at::OutsideAttention, at::OutsideFfn .IAA-S.
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/pathway.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Pathway<Aside<16>, at::PostFfn>>::trains);
