// expects: PerSide: a gated prefix is one for each text already
#include "towpath/ir/tower_pair.hpp"
#include "towpath/peft/unipelt.hpp"

using namespace towpath;
static_assert(TowerPair<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, Shared<>, PerSide<Gated<Prefix<4>>>>::On<Blueprint>::trains);
