// expects: two methods claim at::Positions: a text begins at one of them
#include "towpath/model/bert.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;
static_assert(!Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>, PositionsFrom<4>, PositionsFrom<2>>::trains);
