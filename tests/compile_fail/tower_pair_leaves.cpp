// expects: PerSide: this method has no module of its own to be there twice
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/peft/full.hpp"

using namespace towpath;
constexpr Count count = parameters<TowerPair<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, Shared<>, PerSide<BitFit>>>();
