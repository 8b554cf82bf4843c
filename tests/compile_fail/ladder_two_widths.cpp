// expects: from there on every layer has a rung of the same
#include "towpath/model/bert.hpp"
#include "towpath/peft/ladder.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(Bert<MiniLM, Segments<Repeat<3, TransformerLayer<MiniLM, Ladder<Aside<4>>>>,
                                    Repeat<3, TransformerLayer<MiniLM, Ladder<Aside<8>>>>>>::trains);
