// expects: two methods claim at::InputTokens: keep one prompt
#include "towpath/model/bert.hpp"
#include "towpath/peft/prompt.hpp"

using namespace towpath;
static_assert(Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>, Prompt<4>, Prompt<2>>::trains);
