// expects: below the first rung of a Ladder nothing may train
#include "towpath/model/bert.hpp"
#include "towpath/peft/ladder.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(Bert<MiniLM, Segments<Repeat<3, TransformerLayer<MiniLM, LoRA<4>>>,
                                    Repeat<3, TransformerLayer<MiniLM, Ladder<Aside<8>>>>>>::trains);
