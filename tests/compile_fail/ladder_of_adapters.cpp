// expects: a Ladder is made of Aside<Rank>
#include "towpath/model/bert.hpp"
#include "towpath/peft/ladder.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
static_assert(TransformerLayer<MiniLM, Ladder<Adapter<8>>>::trains);
