// expects: PerSide: this method is joined to the backbone's own projection, as DoRA is
#include "towpath/ir/tower_pair.hpp"
#include "towpath/peft/dora.hpp"

using namespace towpath;
constexpr Count count =
    parameters<TowerPair<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, Shared<>, PerSide<DoRA<8>>>>();
