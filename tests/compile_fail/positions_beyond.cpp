// expects: a text's first position lies outside the position table
#include "towpath/model/bert.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;
static_assert(!Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>, PositionsFrom<512>>::trains);
