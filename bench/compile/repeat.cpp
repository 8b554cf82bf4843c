// Twelve layers of one type.
#include "step.hpp"

using namespace towpath;
template float step<Repeat<12, TransformerLayer<MiniLM, LoRA<8>>>>(Cpu<float>&, const Batch&);
