// expects: a Ladder's backbone has no backward, so nothing within its layers can train
#include "towpath/model/bert.hpp"
#include "towpath/peft/ladder.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, LoRA<4>, Ladder<Aside<8>>>::trains);
