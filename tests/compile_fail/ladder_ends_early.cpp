// expects: above a layer with a Ladder stands one without
#include "towpath/model/bert.hpp"
#include "towpath/peft/ladder.hpp"

using namespace towpath;
using Reads = TransformerLayer<MiniLM, Ladder<Aside<8>>>;
static_assert(Bert<MiniLM, Segments<Repeat<3, Reads>, Repeat<3, TransformerLayer<MiniLM>>>>::trains);
