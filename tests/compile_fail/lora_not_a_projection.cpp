// expects: LoRA adds to a projection: at::KeysValues and the like are not one; see at::Query, Key, Value
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, LoRA<8, at::KeysValues>>::trains);
