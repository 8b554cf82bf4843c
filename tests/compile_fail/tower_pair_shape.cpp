// expects: TowerPair: write TowerPair<Encoder, Shared<…>, PerSide<…>>
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
constexpr Count count = parameters<TowerPair<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, LoRA<8>>>();
