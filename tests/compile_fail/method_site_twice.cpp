// expects: a method claims the same site twice: name each site once
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, LoRA<8, at::Query, at::Value, at::Query>>::trains);
