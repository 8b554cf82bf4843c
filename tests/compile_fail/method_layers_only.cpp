// expects: a Bert offers at::OutsideModel, InputTokens, Positions, Biases, Norms, Weights
#include "towpath/model/bert.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>, LoRA<8>>::trains);
