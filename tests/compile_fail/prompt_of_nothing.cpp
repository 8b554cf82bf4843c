// expects: Prompt: the length must be at least 1
#include "towpath/model/bert.hpp"
#include "towpath/peft/prompt.hpp"

using namespace towpath;
static_assert(Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>, Prompt<0>>::trains);
