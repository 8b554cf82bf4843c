// expects: the same method stands twice at one site.* Tagged<
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Tagged<"b", LoRA<8>>, Tagged<"b", LoRA<4>>>::trains);
