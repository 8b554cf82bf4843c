// expects: the same method stands twice at one site, so its parameters would share a name: choose other sites
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, LoRA<8, at::Query>, LoRA<4, at::Value, at::Query>>::trains);
