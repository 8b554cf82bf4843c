// expects: CrossEncoder: query and passage are one sequence here, which has one tower
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
constexpr Count count = parameters<CrossEncoder<TowerPair<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, Shared<>, PerSide<LoRA<8>>>, ClsPooling>>();
