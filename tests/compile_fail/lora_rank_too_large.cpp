// expects: LoRA: the rank must be smaller than both widths of the projection
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, LoRA<384, at::FfnIn>>::trains);
